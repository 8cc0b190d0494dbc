//! Old runs go, with all that belongs to them.

use crate::world::World;
use saltpeter_protocol::live::{Event, ServerMessage};
use std::time::Duration;

const JOB: &str = "{schedule: '@yearly', targets: web1, command: 'echo hello'";

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
    socket
        .until(|message| match message {
            ServerMessage::Snapshot { overview, .. } => overview
                .jobs
                .iter()
                .any(|job| job.name.as_str() == world.own("often~") && job.recent.len() == 1),
            ServerMessage::Event {
                event: Event::Job { job },
                ..
            } => job.name.as_str() == world.own("often~") && job.recent.len() == 1,
            _ => false,
        })
        .await;
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
