//! Bytes: all of them, once, in order, soon.

use crate::server::{Said, Server, Whole};
use crate::tools::{BINARY, gone, is_root, launch, launch_of, spec, stat, unique, wrapper};
use saltpeter_protocol::launch::var;
use saltpeter_protocol::machine::v2::{Exit, FromWrapper, Progress, WINDOW};
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};

/// Numbers without a pattern.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

fn expected(command: &str) -> Vec<u8> {
    Command::new("sh")
        .args(["-c", command])
        .output()
        .unwrap()
        .stdout
}

#[tokio::test]
async fn bytes_that_are_no_text_are_untouched() {
    let server = Server::start().await;
    launch(wrapper(&server, &unique("bytes")));
    let command = r"printf '\377\000\376\r\n'; printf '\303' >&2";
    let mut connection = server.start_command(spec(command)).await;
    let whole = connection.finish(Whole::default()).await;
    assert_eq!(whole.stdout, b"\xff\x00\xfe\r\n");
    assert_eq!(whole.stderr, b"\xc3");
}

#[tokio::test]
async fn fifty_cut_connections_neither_lose_nor_double_a_byte() {
    let server = Server::start().await;
    launch(wrapper(&server, &unique("cuts")));
    let noise = "i=0; while [ $i -lt 250 ]; do seq $i 1000; head -c 3000 /dev/zero; sleep 0.01; i=$((i+1)); done";
    let mut connection = server.start_command(spec(noise)).await;
    let mut dice = Dice(0x5eed_1234_5678_9abc);
    // What the server has made durable: a prefix of what it has received.
    let mut durable = Whole::default();
    for cut in 0..50 {
        let mut received = 0;
        let frames = dice.below(8);
        while received < frames {
            match connection.next().await {
                Some(Said::Output {
                    stream,
                    offset,
                    bytes,
                }) => {
                    received += 1;
                    // Now and then only a part of a frame is durable when the connection is cut.
                    let part = if received == frames && dice.below(3) == 0 {
                        dice.below(bytes.len() as u64 + 1) as usize
                    } else {
                        bytes.len()
                    };
                    durable.take(stream, offset, &bytes[..part]);
                    if received < frames && dice.below(2) == 0 {
                        connection.ack(durable.all.len() as u64).await;
                    }
                }
                Some(Said::Control(FromWrapper::Started { .. })) => {}
                Some(Said::Control(FromWrapper::Ended { .. })) => break,
                other => panic!("cut {cut}: {other:?}"),
            }
        }
        drop(connection);
        let (next, progress) = server.greet().await;
        assert!(matches!(progress, Progress::Started { .. }), "cut {cut}");
        connection = next;
        connection.welcome(None, durable.all.len() as u64).await;
    }
    let whole = connection.finish(durable).await;
    let sleepless = noise.replace("sleep 0.01;", "");
    assert!(whole.stdout == expected(&sleepless));
    assert_eq!(whole.exit, Some(Exit::Exited { code: 0 }));
}

#[tokio::test]
async fn a_line_is_here_before_the_next_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("fifo");
    assert!(
        Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    let server = Server::start().await;
    launch(wrapper(&server, &unique("prompt")));
    let command = format!("while read line; do echo $line; done < {}", fifo.display());
    let mut connection = server.start_command(spec(&command)).await;
    connection.started().await;
    let mut writer = OpenOptions::new().write(true).open(&fifo).unwrap();
    let mut whole = Whole::default();
    let begin = Instant::now();
    for line in 0..50 {
        writeln!(writer, "line {line}").unwrap();
        connection
            .output_until(&mut whole, &format!("line {line}\n"))
            .await;
    }
    // 20 ms at most for each, and as much again for a busy machine.
    assert!(
        begin.elapsed() < Duration::from_secs(2),
        "{:?}",
        begin.elapsed()
    );
    drop(writer);
    connection.finish(whole).await;
}

#[tokio::test]
async fn while_the_server_is_away_output_is_kept_and_the_command_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let mark = dir.path().join("done");
    let server = Server::start().await;
    launch(wrapper(&server, &unique("away")));
    // Far more than memory holds, and not to be compressed away.
    let output =
        "seq 1 1500000 | openssl enc -aes-128-ctr -K 00 -iv 00 2>/dev/null || seq 1 1500000";
    let command = format!("{output}; touch {}", mark.display());
    let mut connection = server.start_command(spec(&command)).await;
    let shell = connection.started().await;
    let (_, wrapper, ..) = stat(shell).unwrap();
    drop(connection);
    crate::server::within("the command's end", async {
        while !mark.exists() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    let status = fs::read_to_string(format!("/proc/{wrapper}/status")).unwrap();
    let (mut connection, progress) = server.greet().await;
    assert!(matches!(progress, Progress::Started { .. }));
    connection.welcome(None, 0).await;
    let whole = connection.finish(Whole::default()).await;
    assert!(whole.stdout == expected(output));
    let resident = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    let kib: u64 = resident.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(
        kib < 24 * 1024,
        "resident {kib} KiB while 10 MB wait (unoptimised build)"
    );
}

#[tokio::test]
async fn at_the_bound_of_the_spool_the_command_waits_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let written = dir.path().join("written");
    let server = Server::start().await;
    let mut wrapper = wrapper(&server, &unique("bound"));
    wrapper.env(var::SPOOL_MAX, "2000000");
    launch(wrapper);
    let command = format!("head -c 20M /dev/urandom | tee {}", written.display());
    let mut connection = server.start_command(spec(&command)).await;
    connection.started().await;
    drop(connection);
    // Memory, spool and pipes fill up; then everything stands still for a second.
    let length = || fs::metadata(&written).map_or(0, |file| file.len());
    crate::server::within("the command to stand still", async {
        let (mut last, mut same) = (0, 0);
        while last < 1_000_000 || same < 40 {
            tokio::time::sleep(Duration::from_millis(25)).await;
            let now = length();
            same = if now == last { same + 1 } else { 0 };
            last = now;
        }
        assert!(
            last < 8_000_000,
            "{last} bytes were taken with a bound of 2 MB"
        );
    })
    .await;
    let (mut connection, _) = server.greet().await;
    connection.welcome(None, 0).await;
    let whole = connection.finish(Whole::default()).await;
    assert_eq!(whole.exit, Some(Exit::Exited { code: 0 }));
    assert!(whole.stdout == fs::read(&written).unwrap());
    assert_eq!(whole.stdout.len(), 20 * 1024 * 1024);
}

#[tokio::test]
async fn a_result_is_kept_for_as_long_as_told_and_then_dropped() {
    let server = Server::start().await;
    let mut wrapper = wrapper(&server, &unique("retain"));
    wrapper.env(var::RETAIN, "2");
    launch(wrapper);
    let mut connection = server.start_command(spec("echo kept; sleep 0.2")).await;
    let shell = connection.started().await;
    let (_, wrapper, ..) = stat(shell).unwrap();
    drop(connection);
    gone(shell).await;
    let ended = Instant::now();
    // It comes back with its result, and is not heard out.
    let (connection, progress) = server.greet().await;
    assert!(matches!(progress, Progress::Started { .. }));
    drop(connection);
    gone(wrapper).await;
    let took = ended.elapsed();
    assert!(took > Duration::from_millis(1500), "{took:?}");
    assert!(took < Duration::from_secs(8), "{took:?}");
}

#[tokio::test]
async fn the_servers_name_is_looked_up_at_each_attempt() {
    if !is_root() {
        return; // It takes a file system of one's own.
    }
    let dir = tempfile::tempdir().unwrap();
    let hosts = dir.path().join("hosts");
    fs::write(&hosts, "127.0.0.1 localhost\n").unwrap();
    let server = Server::start().await;
    let own = server.url().replace("127.0.0.1", "server.saltpeter.test");
    let job = unique("moves");
    let mut command = Command::new("unshare");
    command
        .args([
            "--mount",
            "sh",
            "-c",
            "mount --bind \"$0\" /etc/hosts && exec \"$1\"",
        ])
        .arg(&hosts)
        .arg(BINARY);
    let mut command = launch_of(command, &server, &job, 1);
    command.env(var::URL, own);
    launch(command);
    // Nobody has that name yet, and then somebody does.
    assert!(!server.somebody_knocks().await);
    fs::write(&hosts, "127.0.0.1 localhost server.saltpeter.test\n").unwrap();
    let mut connection = server.start_command(spec("echo found")).await;
    let whole = connection.finish(Whole::default()).await;
    assert_eq!(whole.stdout, b"found\n");
}

#[tokio::test]
async fn no_more_than_the_window_is_in_flight() {
    let server = Server::start().await;
    launch(wrapper(&server, &unique("window")));
    let command = "head -c 20000000 /dev/zero";
    let mut connection = server.start_command(spec(command)).await;
    connection.started().await;
    let mut whole = Whole::default();
    let mut durable = 0;
    while whole.all.len() < 20_000_000 {
        match connection.next().await {
            Some(Said::Output {
                stream,
                offset,
                bytes,
            }) => whole.take(stream, offset, &bytes),
            other => panic!("{other:?}"),
        }
        let in_flight = whole.all.len() as u64 - durable;
        assert!(in_flight <= WINDOW, "{in_flight}");
        // Acknowledged as late as can be, so the window fills up.
        if in_flight > WINDOW - 300_000 {
            durable = whole.all.len() as u64;
            connection.ack(durable).await;
        }
    }
    connection.ack(20_000_000).await;
    connection.finish(whole).await;
}
