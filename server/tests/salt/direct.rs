//! Commands that Salt itself runs, without a wrapper.

use crate::outcomes::{all, codes, sentence, two_attempts};
use crate::site::site;
use saltpeter_protocol::MachineOutcome;
use saltpeter_protocol::api::{MachineRow, RunDetail};
use std::fs;
use std::path::PathBuf;
use std::time::Instant;

/// Jobs that Salt runs itself.
const DIRECT: &str = "
fine~: {schedule: '0 0 1 1 *', targets: '*', use_wrapper: false, cwd: /tmp, env: {WHO: me}, command: 'echo $WHO in $PWD; echo err >&2; exit $(( $(id -u) * 0 + 3 ))'}
slow~: {schedule: '0 0 1 1 *', targets: web1, use_wrapper: false, command: 'echo begun >> /tmp/saltpeter-direct~; sleep 8; echo over'}
long~: {schedule: '0 0 1 1 *', targets: web1, use_wrapper: false, command: 'sleep 60'}
limited~: {schedule: '0 0 1 1 *', targets: web1, use_wrapper: false, timeout: 1, command: 'sleep 60'}
others~: {schedule: '0 0 1 1 *', targets: 'web*', use_wrapper: false, command: 'while [ ! -e /tmp/saltpeter-direct~ ]; do sleep 0.1; done'}
nobody~: {schedule: '0 0 1 1 *', targets: web1, use_wrapper: false, user: nobody, command: 'id -un'}
stranger~: {schedule: '0 0 1 1 *', targets: web1, use_wrapper: false, user: no-such-user, command: 'true'}
again~: {schedule: '0 0 1 1 *', targets: web1, use_wrapper: false, retries: 2, retry_delay: 1, command: 'if [ -e /tmp/saltpeter-again~ ]; then echo good; else touch /tmp/saltpeter-again~; echo bad; exit 3; fi'}
nowhere~: {schedule: '0 0 1 1 *', targets: web1, use_wrapper: false, cwd: /no/such/place, command: 'true'}
";

fn one(code: i32) -> Vec<(String, Option<i32>)> {
    vec![("web1".to_owned(), Some(code))]
}

#[tokio::test]
async fn salt_runs_a_command_without_a_wrapper() {
    let site = site(DIRECT, &[]);
    let server = site.serve().await;
    let (run, detail) = server.run("fine~").await;
    assert_eq!(codes(&detail), all(3), "{detail:#?}");
    let output = server.client.output(&run, "db1").await.unwrap();
    assert_eq!(String::from_utf8_lossy(&output), "me in /tmp\nerr\n");
    assert!(!site.wrapper().exists());
    let (_, detail) = server.run("limited~").await;
    assert_eq!(codes(&detail), one(124), "{detail:#?}");
    let (_, detail) = server.run("nowhere~").await;
    let said = sentence(&detail, "web1");
    assert!(said.contains("/no/such/place"), "{said}");
}

#[tokio::test]
async fn what_salt_runs_is_killed() {
    let site = site(DIRECT, &[]);
    let server = site.serve().await;
    let run = server.begin("long~").await;
    server.until_running(&run).await;
    let begun = Instant::now();
    let path = format!("/api/v1/runs/{run}/kill");
    let answer = server.client.post(&path, "").await.unwrap();
    assert!((200..300).contains(&answer.status), "{answer:?}");
    let detail = server.client.until_over(&run).await.unwrap();
    println!("killed after {:?}", begun.elapsed());
    assert_eq!(codes(&detail), one(143), "{detail:#?}");
}

#[tokio::test]
async fn what_salt_runs_is_taken_up_after_a_restart_and_not_begun_twice() {
    let site = site(DIRECT, &[]);
    let server = site.serve().await;
    let run = server.begin("slow~").await;
    server.until_running(&run).await;
    server.kill().await;
    let server = site.serve().await;
    let detail = server.client.until_over(&run).await.unwrap();
    assert_eq!(codes(&detail), one(0), "{detail:#?}");
    let output = server.client.output(&run, "web1").await.unwrap();
    assert_eq!(String::from_utf8_lossy(&output), "over\n");
    let begun = PathBuf::from(site.own("/tmp/saltpeter-direct~"));
    assert_eq!(fs::read_to_string(&begun).unwrap(), "begun\n");
    fs::remove_file(begun).unwrap();
}

#[tokio::test]
async fn what_fails_under_salt_is_run_by_it_again_and_both_outputs_are_there() {
    let site = site(DIRECT, &[]);
    let server = site.serve().await;
    let run = server.begin("again~").await;
    two_attempts(&server.client, &run, "web1").await;
    fs::remove_file(site.own("/tmp/saltpeter-again~")).unwrap();
}

#[tokio::test]
async fn salt_runs_a_command_as_the_jobs_user() {
    let site = site(DIRECT, &[]);
    let server = site.serve().await;
    let (run, detail) = server.run("nobody~").await;
    assert_eq!(codes(&detail), one(0), "{detail:#?}");
    let output = server.client.output(&run, "web1").await.unwrap();
    assert_eq!(String::from_utf8_lossy(&output), "nobody\n");
    let (_, detail) = server.run("stranger~").await;
    let said = sentence(&detail, "web1");
    assert!(said.contains("no-such-user"), "{said}");
}

#[tokio::test]
async fn a_machine_lost_in_an_outage_ends_and_the_others_go_on() {
    let site = site(DIRECT, &[]);
    let go = PathBuf::from(site.own("/tmp/saltpeter-direct~"));
    let server = site.serve().await;
    let run = server.begin("others~").await;
    server.until_running(&run).await;
    let stopped = site.lab.stop("web2").await.unwrap();
    let begun = Instant::now();
    let lost = |detail: &RunDetail| {
        let ended = |row: &MachineRow| row.state.outcome().and_then(MachineOutcome::exit_code);
        detail.machines.iter().any(|row| ended(row) == Some(255))
    };
    let detail = server.client.until(&run, lost).await.unwrap();
    println!("given up after {:?}", begun.elapsed());
    assert_eq!(detail.summary.counts.running, 1, "{detail:#?}");
    let row = &detail.machines[1];
    let Some(MachineOutcome::Unreachable { message }) = row.state.outcome() else {
        panic!("{row:?}");
    };
    assert_eq!(row.machine.as_str(), "web2");
    assert!(message.contains("stopped responding"), "{message}");
    fs::write(&go, "").unwrap();
    let detail = server.client.until_over(&run).await.unwrap();
    fs::remove_file(&go).unwrap();
    let expected = [("web1", 0), ("web2", 255)].map(|(name, code)| (name.to_owned(), Some(code)));
    assert_eq!(codes(&detail), expected);
    stopped.start().await.unwrap();
}
