//! A server that stops, and the next one.

use crate::world::{Heard, World, within};
use saltpeter_protocol::MachineId;
use saltpeter_protocol::api::JobRow;
use saltpeter_protocol::live::{ClientMessage, Event, ServerMessage};
use saltpeter_protocol::{MachineOutcome, RunOutcome};
use std::time::Duration;

const JOBS: &str = "
count~:
  schedule: '@yearly'
  command: 'for n in $(seq 1 40); do echo line $n; sleep 0.05; done'
  targets: 'web*'
short~:
  schedule: '@yearly'
  command: 'sleep 0.5'
  targets: 'web*'
";

#[tokio::test(flavor = "multi_thread")]
async fn running_jobs_go_on_and_nothing_is_lost_or_doubled() {
    let mut world = World::new(&[("jobs.yaml", JOBS)]).await;
    let run = world.run("count~").await;
    // Stop in the middle: once the first line is there.
    let mut socket = world.socket().await;
    let machine = MachineId::new("web1").unwrap();
    socket
        .say(&ClientMessage::WatchOutput {
            sub: 1,
            run: run.clone(),
            machine,
            attempt: saltpeter_protocol::Attempt::FIRST,
            from: 0,
        })
        .await;
    within(async { while !matches!(socket.next().await, Heard::Output(_)) {} }).await;
    world.stop().await;
    world.start().await;
    let outcomes = world.outcome(&run).await;
    assert!(
        outcomes
            .iter()
            .all(|(_, outcome)| *outcome == MachineOutcome::Succeeded),
        "{outcomes:?}"
    );
    let lines: Vec<String> = (1..=40).map(|n| format!("line {n}")).collect();
    let expected = lines.join("\n") + "\n";
    for machine in ["web1", "web2"] {
        assert_eq!(world.output(&run, machine).await, expected, "{machine}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn history_and_pauses_outlive_a_restart() {
    let mut world = World::new(&[("jobs.yaml", JOBS)]).await;
    let run = world.run("short~").await;
    world
        .post("/api/v1/jobs/short~/pause", r#"{"paused":true}"#)
        .await;
    world.ended(&run).await;
    world.stop().await;
    world.start().await;
    let mut socket = world.socket().await;
    let first = socket
        .until(|message| matches!(message, ServerMessage::Snapshot { .. }))
        .await;
    let ServerMessage::Snapshot { overview, .. } = first else {
        unreachable!()
    };
    let row = overview
        .jobs
        .iter()
        .find(|row| row.name.as_str() == world.own("short~"))
        .unwrap();
    assert!(row.paused.is_some() && row.next.is_none());
    assert_eq!(row.last.as_ref().map(|last| &last.id), Some(&run));
    assert_eq!(row.recent.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_due_while_no_server_ran_is_missed_and_seen() {
    let jobs = "tick~:\n  schedule: '* * * * * *'\n  command: 'true'\n  targets: db1\n";
    let window = "saltpeter_config: {start_window: 1}\n";
    let mut world = World::new(&[("jobs.yaml", jobs), ("window.yaml", window)]).await;
    let ticks = |message: &ServerMessage| match message {
        ServerMessage::Event {
            event: Event::Job { job },
            ..
        } => !job.recent.is_empty() && job.active.is_empty(),
        _ => false,
    };
    world.socket().await.until(ticks).await;
    world.stop().await;
    world.pass(Duration::from_secs(4));
    world.start().await;
    let missed = |message: &ServerMessage| match message {
        ServerMessage::Event {
            event: Event::Job { job },
            ..
        } => job
            .recent
            .iter()
            .any(|run| matches!(run.state.outcome(), Some(RunOutcome::Missed { .. }))),
        _ => false,
    };
    let mut socket = world.socket().await;
    socket.until(missed).await;
    world
        .post("/api/v1/jobs/tick~/pause", r#"{"paused":true}"#)
        .await;
    let running = world.get("/running").await.json();
    for run in running.as_object().unwrap().keys() {
        world.ended(&run.parse().unwrap()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_makes_up_for_what_was_due_while_no_server_ran() {
    let jobs = "hourly~: {schedule: '@hourly', command: 'sleep 0.2', targets: db1, timezone: UTC, missed: all}\n";
    let tick = "tick~: {schedule: '* * * * * *', command: 'true', targets: web1}\n";
    let mut world = World::new(&[("jobs.yaml", jobs), ("tick.yaml", tick)]).await;
    // Once something has fired, the scheduler has planned everything.
    let tick = world.own("tick~");
    let fired = |message: &ServerMessage| match message {
        ServerMessage::Event {
            event: Event::Job { job },
            ..
        } => job.name.as_str() == tick && !job.recent.is_empty(),
        _ => false,
    };
    world.socket().await.until(fired).await;
    world.remove("tick.yaml");
    let hour = Duration::from_hours(1);
    let to_the_hour = 3_600_000 - world.now().0.rem_euclid(3_600_000) as u64;
    world.pass(Duration::from_millis(to_the_hour + 1000));
    // The scheduler looks at the clock when there is something new.
    world.write("new.yaml", "saltpeter_config: {start_window: 60}\n");
    let name = world.own("hourly~");
    let is_done = |job: &JobRow, count: usize| {
        job.name.as_str() == name && job.recent.len() == count && job.active.is_empty()
    };
    let done = |count: usize| {
        move |message: &ServerMessage| match message {
            ServerMessage::Event {
                event: Event::Job { job },
                ..
            } => is_done(job, count),
            ServerMessage::Snapshot { overview, .. } => {
                overview.jobs.iter().any(|job| is_done(job, count))
            }
            _ => false,
        }
    };
    world.socket().await.until(done(1)).await;
    world.stop().await;
    world.pass(3 * hour);
    world.start().await;
    world.socket().await.until(done(4)).await;
    let detail = world.get(&format!("/api/v1/jobs/{name}")).await.json();
    let mut runs: Vec<(String, i64, i64)> = Vec::new();
    for run in detail["history"].as_array().unwrap() {
        assert_eq!(run["state"]["outcome"]["kind"], "succeeded", "{run}");
        let cause = &run["cause"];
        runs.push((
            cause["kind"].as_str().unwrap().to_owned(),
            cause["instant"].as_i64().unwrap() / 3_600_000,
            run["state"]["at"].as_i64().unwrap(),
        ));
    }
    runs.reverse();
    let first = runs[0].1;
    let kinds: Vec<(&str, i64)> = runs
        .iter()
        .map(|(kind, at, _)| (kind.as_str(), at - first))
        .collect();
    // The last is in time, and waits for those before it.
    let expected = [
        ("schedule", 0),
        ("catch_up", 1),
        ("catch_up", 2),
        ("catch_up", 3),
    ];
    assert_eq!(kinds, expected);
    assert!(
        runs.windows(2).all(|two| two[0].2 + 200 <= two[1].2),
        "one after the other: {runs:?}"
    );
}
