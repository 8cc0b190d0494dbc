//! Browsers that do not read, and too many of them.

use crate::world::{Heard, Socket, World, within};
use saltpeter_protocol::live::{ClientMessage, MAX_SUBSCRIPTIONS};
use saltpeter_protocol::{Attempt, MachineId, RunId};
use saltpeter_server::ws::live::MAX_BROWSERS;
use std::time::{Duration, Instant};
use tokio_tungstenite::tungstenite::Error;

const LINE: &str = "0123456789abcde";
const LINES: usize = 1_000_000;

/// Bytes of the output.
const WHOLE: usize = LINES * (LINE.len() + 1);

const STUCK: usize = 8;

/// What the server may keep for them all: five messages of 256 KiB each, and as much again for what comes and goes.
const KEPT: usize = STUCK * 10 * 256 * 1024;

/// What else it may take meanwhile: the output that waits for the disk, and the database's caches.
const OTHERWISE: usize = 48 * 1024 * 1024;

async fn follow(socket: &mut Socket, run: &RunId, times: usize) {
    for sub in 0..times as u32 {
        let follow = ClientMessage::WatchOutput {
            sub,
            run: run.clone(),
            machine: MachineId::new("web1").unwrap(),
            attempt: Attempt::FIRST,
            from: 0,
        };
        socket.say(&follow).await;
    }
}

/// Reads a subscription to the end of the output, and that it is what was written, in order.
async fn read_all(socket: &mut Socket, sub: u32) {
    let line = format!("{LINE}\n").into_bytes();
    let mut read = 0;
    while read < WHOLE {
        let Heard::Output(push) = socket.next().await else {
            continue;
        };
        if push.sub != sub {
            continue;
        }
        assert_eq!(push.slice.offset, read as u64);
        let expected = line.iter().cycle().skip(read % line.len());
        assert!(push.slice.bytes.iter().zip(expected).all(|(a, b)| a == b));
        read += push.slice.bytes.len();
    }
}

/// The resident memory of this process, which is the server's too.
fn memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib: usize = line.unwrap()[6..]
        .trim_end_matches("kB")
        .trim()
        .parse()
        .unwrap();
    kib * 1024
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_that_do_not_read_cost_nobody_anything() {
    let flood = format!(
        "flood~:\n  schedule: '@yearly'\n  command: 'yes {LINE} | head -n {LINES}'\n  targets: web1\n"
    );
    let world = World::new(&[("flood.yaml", &flood)]).await;
    let before = memory();
    let begun = Instant::now();
    let run = world.run("flood~").await;
    let mut stuck = Vec::new();
    for _ in 0..STUCK {
        let mut socket = world.socket().await;
        follow(&mut socket, &run, MAX_SUBSCRIPTIONS).await;
        stuck.push(socket);
    }
    let mut reader = world.socket().await;
    follow(&mut reader, &run, 1).await;
    read_all(&mut reader, 0).await;
    let detail = world.ended(&run).await;
    assert_eq!(detail.machines[0].output.bytes, WHOLE as u64);
    // Well before those that do not read are dropped.
    assert!(
        begun.elapsed() < Duration::from_secs(15),
        "{:?}",
        begun.elapsed()
    );
    let taken = memory().saturating_sub(before);
    assert!(taken < KEPT + OTHERWISE, "{} MiB", taken / (1024 * 1024));

    // One that reads after all has missed nothing.
    read_all(&mut stuck[0], 7).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_browsers_are_turned_away_until_others_leave() {
    let world = World::new(&[]).await;
    let mut browsers = Vec::new();
    for _ in 0..MAX_BROWSERS {
        browsers.push(world.socket().await);
    }
    let refused = world.try_socket().await;
    let Err(Error::Http(answer)) = refused else {
        panic!("not turned away: {:?}", refused.err());
    };
    assert_eq!(answer.status(), 503);
    browsers.truncate(MAX_BROWSERS - 1);
    let seated = async {
        while world.try_socket().await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    within(seated).await;
}
