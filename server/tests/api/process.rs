//! The server as a process, and what it gives its commands.

use std::process::Command;
use std::time::{Duration, Instant};

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
    let mut server = Command::new("sh").args(["-c", &line]).spawn().unwrap();
    let limits = format!("/proc/{}/limits", server.id());
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
    server.kill().unwrap();
    server.wait().unwrap();
    assert!(raised);
    assert_eq!(commands, "64\n");
}

