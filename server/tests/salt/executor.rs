//! Runs by Salt: machines found, wrappers brought and started, commands run by them.

use crate::site::{Setting, site};
use saltpeter_protocol::api::RunDetail;
use saltpeter_protocol::{MachineOutcome, RunOutcome};
use std::time::Instant;

/// Each machine's exit code, in the order of their names.
fn codes(detail: &RunDetail) -> Vec<(String, Option<i32>)> {
    let code = |outcome: &MachineOutcome| outcome.exit_code();
    let row = |row: &saltpeter_protocol::api::MachineRow| {
        let outcome = row.state.outcome().and_then(code);
        (row.machine.to_string(), outcome)
    };
    detail.machines.iter().map(row).collect()
}

fn all(code: i32) -> Vec<(String, Option<i32>)> {
    ["db1", "web1", "web2"]
        .map(|name| (name.to_owned(), Some(code)))
        .into()
}

#[tokio::test]
async fn a_bare_machine_is_brought_the_wrapper_and_runs_the_command() {
    let site = site(
        "hello~: {schedule: '0 0 1 1 *', targets: '*', command: 'echo out $0; echo err >&2; echo $SP_MACHINE_ID$SP_TOKEN'}",
        &[],
    );
    let server = site.serve().await;
    for round in ["first", "second", "third"] {
        let begun = Instant::now();
        let (run, detail) = server.run("hello~").await;
        println!("{round} run: {:?}", begun.elapsed());
        assert_eq!(codes(&detail), all(0), "{detail:#?}");
        let output = server.client.output(&run, "web1").await.unwrap();
        let text = String::from_utf8_lossy(&output);
        assert!(text.contains("out"), "{text}");
    }
    assert!(site.has_wrapper());
    assert_eq!(site.left_over(), [""; 0]);
}

#[tokio::test]
async fn without_a_file_root_the_wrapper_is_handed_over_in_pieces() {
    let site = site(
        "hello~: {schedule: '0 0 1 1 *', targets: '*', command: 'true'}",
        &[Setting::NoFileRoot],
    );
    let server = site.serve().await;
    let begun = Instant::now();
    let (_, detail) = server.run("hello~").await;
    println!("first run by pieces: {:?}", begun.elapsed());
    assert_eq!(codes(&detail), all(0), "{detail:#?}");
    assert!(site.has_wrapper());
    assert_eq!(site.left_over(), [""; 0]);
}

#[tokio::test]
async fn no_match_is_an_outcome() {
    let site = site(
        "nobody~: {schedule: '0 0 1 1 *', targets: 'nobody*', command: 'true'}",
        &[],
    );
    let server = site.serve().await;
    let (_, detail) = server.run("nobody~").await;
    assert_eq!(detail.summary.state.outcome(), Some(&RunOutcome::NoTargets));
}
