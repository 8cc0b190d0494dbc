//! The server as a process: what it gives its commands, what it does with signals, and where it is the first.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server that does not outlive its test.
struct Server(Child);

impl Server {
    fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap())
    }

    /// Its exit code, once it has ended by itself.
    fn ended(&mut self) -> Option<i32> {
        self.0.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that has ended is left alone.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_server_may_open_as_many_files_as_the_system_allows_it_and_commands_as_many_as_before() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let job = format!(
        "saltpeter_config: {{executor: local, local_machines: [m1]}}\nlimit:\n  schedule: '* * * * * *'\n  command: 'ulimit -Sn > {path}/new && mv {path}/new {path}/limit'\n  targets: m1\n"
    );
    std::fs::write(dir.path().join("jobs.yaml"), job).unwrap();
    let line = format!(
        "ulimit -Sn 64; exec {} -c {path} -l {path}/log --data-dir {path}/data -b 127.0.0.1 -p 0 -w 0",
        env!("CARGO_BIN_EXE_saltpeter")
    );
    let server = Server::start(Command::new("sh").args(["-c", &line]));
    let limits = format!("/proc/{}/limits", server.0.id());
    let deadline = Instant::now() + Duration::from_secs(20);
    let raised = loop {
        let limits = std::fs::read_to_string(&limits).unwrap();
        let files = limits
            .lines()
            .find(|line| line.starts_with("Max open files"));
        let of: Vec<&str> = files.unwrap().split_whitespace().collect();
        if of[3] == of[4] && of[3] != "64" {
            break true;
        }
        if Instant::now() > deadline {
            break false;
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let commands = loop {
        if let Ok(limit) = std::fs::read_to_string(dir.path().join("limit")) {
            break limit;
        }
        assert!(Instant::now() < deadline, "no command has run");
        std::thread::sleep(Duration::from_millis(10));
    };
    assert!(raised);
    assert_eq!(commands, "64\n");
}

#[test]
fn a_hangup_does_not_end_a_server_that_no_terminal_belongs_to() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_saltpeter"));
    command
        .args(["-c", path, "-l", &format!("{path}/log")])
        .args(["--data-dir", &format!("{path}/data")])
        .args(["-b", "127.0.0.1", "-p", "0", "-w", "0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut server = Server::start(&mut command);
    let mut lines = BufReader::new(server.0.stderr.take().unwrap()).lines();
    let mut until = |wanted: &str| {
        let said = lines.find(|line| line.as_ref().unwrap().contains(wanted));
        assert!(said.is_some(), "it ended without {wanted:?}");
    };
    let tell = |signal: &str, server: u32| {
        let told = Command::new("kill")
            .args([signal, &server.to_string()])
            .status();
        assert!(told.unwrap().success());
    };
    until("wrappers connect to");
    // The link of the first start, which comes when signals are heard.
    let mut first = String::new();
    let mut stdout = BufReader::new(server.0.stdout.take().unwrap());
    while !first.contains("http") {
        assert_ne!(stdout.read_line(&mut first).unwrap(), 0);
    }
    tell("-HUP", server.0.id());
    until("SIGHUP: nothing to do");
    tell("-TERM", server.0.id());
    until("stopped");
    assert_eq!(server.ended(), Some(0));
}

/// Only root may make a container, and there what ends has nobody else to collect it.
#[test]
fn as_the_first_process_of_a_container_it_collects_what_ends_there() {
    let made = Command::new("unshare")
        .args(["--pid", "--fork", "--mount-proc", "true"])
        .output();
    if !made.is_ok_and(|output| output.status.success()) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    // Each counts the dead, and leaves a process behind that ends later than its parent.
    let job = format!(
        "saltpeter_config: {{executor: local, local_machines: [m1]}}\nleave:\n  schedule: '* * * * * *'\n  command: 'sleep 0.1 > {path}/none 2>&1 & ps -e -o stat= | grep -c Z > {path}/new; mv {path}/new {path}/dead; echo >> {path}/runs'\n  targets: m1\n"
    );
    std::fs::write(dir.path().join("jobs.yaml"), job).unwrap();
    let mut command = Command::new("unshare");
    command
        .args(["--pid", "--fork", "--mount-proc", "--kill-child"])
        .arg(env!("CARGO_BIN_EXE_saltpeter"))
        .args(["-c", path, "-l", &format!("{path}/log")])
        .args(["--data-dir", &format!("{path}/data")])
        .args(["-b", "127.0.0.1", "-p", "0", "-w", "0"]);
    let mut server = Server::start(&mut command);
    let deadline = Instant::now() + Duration::from_secs(40);
    let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap_or_default();
    while read("runs").len() < 5 {
        assert!(Instant::now() < deadline, "five commands have not run");
        std::thread::sleep(Duration::from_millis(20));
    }
    // Of five runs there would be eight or more by now; one may be about to be collected.
    let dead: u32 = read("dead").trim().parse().unwrap();
    assert!(dead <= 2, "{dead} processes that nobody has collected");

    // The end of the server by SIGTERM is that of the container.
    let children = format!("/proc/{0}/task/{0}/children", server.0.id());
    let first = std::fs::read_to_string(children).unwrap();
    let told = Command::new("kill").arg(first.trim()).status().unwrap();
    assert!(told.success());
    assert_eq!(server.ended(), Some(0));
}
