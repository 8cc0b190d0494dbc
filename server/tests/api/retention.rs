//! Old runs go, with all that belongs to them.

use crate::world::{Socket, World};
use saltpeter_protocol::api::JobRow;
use saltpeter_protocol::live::{Event, ServerMessage};
use saltpeter_server::store::output::OutputLog;
use std::time::Duration;

const JOB: &str = "{schedule: '@yearly', targets: web1, command: 'echo hello'";

/// Waits until the job's row shows one run.
async fn until_one_is_left(world: &World, socket: &mut Socket, job: &str) {
    let shows_one = |row: &JobRow| row.name.as_str() == world.own(job) && row.recent.len() == 1;
    socket
        .until(|message| match message {
            ServerMessage::Snapshot { overview, .. } => overview.jobs.iter().any(shows_one),
            ServerMessage::Event {
                event: Event::Job { job },
                ..
            } => shows_one(job),
            _ => false,
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_beyond_the_limit_is_gone_everywhere() {
    let jobs = format!("often~: {JOB}}}\nother~: {JOB}}}\n");
    let world = World::new(&[("jobs.yaml", &jobs)]).await;
    let mut runs = Vec::new();
    for job in ["often~", "often~", "often~", "other~", "other~"] {
        let run = world.run(job).await;
        world.ended(&run).await;
        assert_eq!(world.output(&run, "web1").await, "hello\n");
        runs.push(run);
    }
    // Long enough that nobody minds.
    world.pass(Duration::from_mins(11));
    let mut socket = world.socket().await;
    world.write(
        "jobs.yaml",
        &format!("often~: {JOB}, retention_runs: 1}}\nother~: {JOB}}}\n"),
    );
    until_one_is_left(&world, &mut socket, "often~").await;
    for run in &runs[..2] {
        assert_eq!(world.get(&format!("/api/v1/runs/{run}")).await.status, 404);
        let output = format!("/api/v1/runs/{run}/machines/web1/output/raw");
        assert_eq!(world.get(&output).await.status, 404);
    }
    for run in &runs[2..] {
        assert!(world.detail(run).await.summary.state.is_ended());
        assert_eq!(world.output(run, "web1").await, "hello\n");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_a_death_cut_off_is_completed() {
    let jobs = format!("half~: {JOB}}}\n");
    let mut world = World::new(&[("jobs.yaml", &jobs)]).await;
    let old = world.run("half~").await;
    world.ended(&old).await;
    let new = world.run("half~").await;
    world.ended(&new).await;
    world.stop().await;
    let log = OutputLog::open(&world.path().join("data/output.db"))
        .await
        .unwrap();
    assert!(log.delete_run(&old).await.unwrap().is_some());
    log.close().await;
    world.start().await;
    assert_eq!(world.output(&old, "web1").await, "");
    world.pass(Duration::from_mins(11));
    let mut socket = world.socket().await;
    world.write("jobs.yaml", &format!("half~: {JOB}, retention_runs: 1}}\n"));
    until_one_is_left(&world, &mut socket, "half~").await;
    assert_eq!(world.get(&format!("/api/v1/runs/{old}")).await.status, 404);
    assert_eq!(world.output(&new, "web1").await, "hello\n");
}
