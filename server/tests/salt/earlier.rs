//! The wrapper of the earlier implementation, 0.9.30 in Python, started by Salt and reporting to this server.

use crate::link::{DETOUR, Link};
use crate::outcomes::two_attempts;
use crate::site::{SaltSite, Setting, site};
use saltpeter_protocol::api::RunDetail;
use saltpeter_protocol::{MachineOutcome, MachineState, RunOutcome};
use saltpeter_testkit::SaltLab;
use std::fmt::Write as _;
use std::time::Duration;

/// A site whose one job, `old~`, has these keys besides the earlier wrapper.
fn old(keys: &str) -> SaltSite {
    old_with(keys, &[])
}

fn old_with(keys: &str, settings: &[Setting]) -> SaltSite {
    let wrapper = SaltLab::find().unwrap().description().old_wrapper.clone();
    let job = format!(
        "old~:\n  schedule: '@yearly'\n  target_type: list\n  wrapper_path: {}\n{keys}\n",
        wrapper.display()
    );
    let settings = [settings, &[Setting::PlainText]].concat();
    site(&job, &settings)
}

fn outcome<'d>(detail: &'d RunDetail, machine: &str) -> &'d MachineOutcome {
    let row = detail
        .machines
        .iter()
        .find(|m| m.machine.as_str() == machine);
    match &row.unwrap().state {
        MachineState::Ended { outcome, .. } => outcome,
        other => panic!("{other:?}"),
    }
}

/// Lines that count, for as long as `count` twentieths of a second at least.
fn counting(count: usize) -> String {
    format!(
        "  command: i=0; while [ $i -lt {count} ]; do i=$((i+1)); echo line $i; sleep 0.05; done"
    )
}

fn counted(count: usize) -> String {
    (1..=count).fold(String::new(), |mut text, line| {
        writeln!(text, "line {line}").unwrap();
        text
    })
}

#[tokio::test]
async fn it_runs_the_command_as_it_always_did() {
    let site = old(
        "  targets: web1,web2,db1\n  overlap: allow\n  cwd: /usr\n  env:\n    COLOUR: 'deep {{ blue }}'\n  command: |\n    \
         echo $SP_MACHINE_ID $COLOUR; pwd; echo to stderr >&2; echo $SP_JOB_INSTANCE_NAME\n",
    );
    let server = site.serve().await;
    let (run, detail) = server.run("old~").await;
    assert_eq!(
        detail.summary.state.outcome(),
        Some(&RunOutcome::Succeeded),
        "{detail:#?}"
    );
    for machine in ["web1", "web2", "db1"] {
        let output = server.client.output(&run, machine).await.unwrap();
        let wanted = format!("{machine} deep {{{{ blue }}}}\n/usr\nto stderr\n{run}\n");
        assert_eq!(String::from_utf8_lossy(&output), wanted);
    }
}

#[tokio::test]
async fn its_exit_code_counts() {
    let site = old("  targets: web1\n  command: echo before; exit 3");
    let server = site.serve().await;
    let (run, detail) = server.run("old~").await;
    assert_eq!(outcome(&detail, "web1").exit_code(), Some(3), "{detail:#?}");
    assert_eq!(
        server.client.output(&run, "web1").await.unwrap(),
        b"before\n"
    );
}

#[tokio::test]
async fn it_is_killed_with_143() {
    let site = old("  targets: web2\n  command: echo begun; sleep 600");
    let server = site.serve().await;
    let run = server.begin("old~").await;
    server.client.until_written(&run, "web2", 6).await.unwrap();
    let kill = format!("/api/v1/runs/{run}/kill");
    assert_eq!(server.client.post(&kill, "").await.unwrap().status, 204);
    let detail = server.client.until_over(&run).await.unwrap();
    assert_eq!(detail.summary.state.outcome(), Some(&RunOutcome::Killed));
    assert_eq!(
        outcome(&detail, "web2").exit_code(),
        Some(143),
        "{detail:#?}"
    );
    let output = server.client.output(&run, "web2").await.unwrap();
    let output = String::from_utf8_lossy(&output).into_owned();
    assert!(output.starts_with("begun\n"), "{output}");
    assert!(output.contains("terminated by user"), "{output}");
}

#[tokio::test]
async fn its_timeout_is_124() {
    let site = old("  targets: db1\n  timeout: 2\n  command: echo begun; exec sleep 600");
    let server = site.serve().await;
    let (_, detail) = server.run("old~").await;
    assert_eq!(
        outcome(&detail, "db1"),
        &MachineOutcome::TimedOut,
        "{detail:#?}"
    );
    assert_eq!(outcome(&detail, "db1").exit_code(), Some(124));
}

#[tokio::test]
async fn cut_connections_lose_and_repeat_nothing() {
    let site = old(&format!(
        "  targets: web1\n  saltpeter_server_host: {DETOUR}\n{}",
        counting(240)
    ));
    let server = site.serve().await;
    let link = Link::to(server.machines).await;
    let run = server.begin("old~").await;
    let client = server.client.patient(Duration::from_secs(90));
    for bytes in [100, 700, 1300] {
        client.until_written(&run, "web1", bytes).await.unwrap();
        link.cut();
    }
    let detail = client.until_over(&run).await.unwrap();
    assert_eq!(
        outcome(&detail, "web1"),
        &MachineOutcome::Succeeded,
        "{detail:#?}"
    );
    let output = client.output(&run, "web1").await.unwrap();
    assert_eq!(String::from_utf8_lossy(&output), counted(240));
    assert!(link.connections() >= 4, "{}", link.connections());
}

#[tokio::test]
async fn a_restart_of_the_server_loses_and_repeats_nothing() {
    let site = old(&format!("  targets: web2\n{}", counting(160)));
    let server = site.serve().await;
    let run = server.begin("old~").await;
    server
        .client
        .until_written(&run, "web2", 100)
        .await
        .unwrap();
    server.stop().await;
    let server = site.serve().await;
    let client = server.client.patient(Duration::from_secs(90));
    let detail = client.until_over(&run).await.unwrap();
    assert_eq!(
        outcome(&detail, "web2"),
        &MachineOutcome::Succeeded,
        "{detail:#?}"
    );
    let output = client.output(&run, "web2").await.unwrap();
    assert_eq!(String::from_utf8_lossy(&output), counted(160));
}

#[tokio::test]
async fn five_megabytes_come_byte_for_byte() {
    const LINES: usize = 500_000;
    let site = old(&format!(
        "  targets: db1\n  command: seq -f '%09.0f' 1 {LINES}"
    ));
    let server = site.serve().await;
    let run = server.begin("old~").await;
    // It reads 8 KB and rests, again and again: a minute for all.
    let client = server.client.patient(Duration::from_secs(160));
    let detail = client.until_over(&run).await.unwrap();
    assert_eq!(outcome(&detail, "db1"), &MachineOutcome::Succeeded);
    let output = client.output(&run, "db1").await.unwrap();
    assert_eq!(output.len(), 10 * LINES);
    let wrong = output
        .chunks(10)
        .zip(1..)
        .find(|(line, number)| *line != format!("{number:09}\n").as_bytes());
    assert!(wrong.is_none(), "{wrong:?}");
}

#[tokio::test]
async fn what_fails_is_run_again_and_both_outputs_are_there() {
    let keys = "  targets: web1\n  retries: 2\n  retry_delay: 1\n  command: >-\n    \
        if [ -e /tmp/saltpeter-old~ ]; then echo good; else touch /tmp/saltpeter-old~; echo bad; exit 3; fi";
    let site = old(keys);
    let server = site.serve().await;
    let run = server.begin("old~").await;
    two_attempts(&server.client, &run, "web1").await;
    std::fs::remove_file(site.own("/tmp/saltpeter-old~")).unwrap();
}

#[tokio::test]
async fn told_to_be_of_version_1_it_is_started_once() {
    let site = old("  targets: web1\n  wrapper_protocol: 1\n  command: echo at once");
    let server = site.serve().await;
    let (run, detail) = server.run("old~").await;
    assert_eq!(
        outcome(&detail, "web1"),
        &MachineOutcome::Succeeded,
        "{detail:#?}"
    );
    assert_eq!(
        server.client.output(&run, "web1").await.unwrap(),
        b"at once\n"
    );
}

#[tokio::test]
async fn told_to_be_of_version_2_it_never_sees_the_command() {
    let site = old("  targets: web1\n  wrapper_protocol: 2\n  command: echo secret");
    let server = site.serve().await;
    let (_, detail) = server.run("old~").await;
    let MachineOutcome::StartFailed { message, .. } = outcome(&detail, "web1") else {
        panic!("{detail:#?}");
    };
    assert!(message.contains("wrapper_protocol: 1"), "{message}");
}

#[tokio::test]
async fn at_the_default_place_it_is_left_alone() {
    let lab = SaltLab::find().unwrap();
    let wrapper = lab.description().old_wrapper.clone();
    let before = std::fs::read(&wrapper).unwrap();
    let site = site(
        "new~: {schedule: '@yearly', targets: web2, target_type: list, command: echo as ever}",
        &[Setting::PlainText, Setting::WrapperAt(wrapper.clone())],
    );
    let server = site.serve().await;
    let (run, detail) = server.run("new~").await;
    assert_eq!(
        outcome(&detail, "web2"),
        &MachineOutcome::Succeeded,
        "{detail:#?}"
    );
    assert_eq!(
        server.client.output(&run, "web2").await.unwrap(),
        b"as ever\n"
    );
    assert_eq!(std::fs::read(&wrapper).unwrap(), before);
}
