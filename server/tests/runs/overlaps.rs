//! A job is due while it is still going.

use saltpeter_protocol::api::ErrorCode;
use saltpeter_protocol::{MachineOutcome, RunOutcome, RunState};
use saltpeter_testkit::{Server, Site};

/// A job that writes a line and waits until the test opens the gate. Its name is that of its policy, since the lock
/// that a wrapper takes is the whole host's.
async fn scene(policy: &str) -> (Site, Server) {
    let site = Site::new(&["a"], "{}").unwrap();
    let gate = site.path("gate");
    let jobs = format!(
        "{policy}: {{ min: 0, hour: 0, dom: 1, mon: 1, dow: '*', targets: a, overlap: {policy}, \
         command: 'echo begun; while [ ! -e {} ]; do sleep 0.05; done' }}\n",
        gate.display()
    );
    site.write("jobs.yaml", &jobs).unwrap();
    let server = site.serve().await.unwrap();
    (site, server)
}

fn open_the_gate(site: &Site) {
    std::fs::write(site.path("gate"), "").unwrap();
}

#[tokio::test]
async fn skip_refuses_the_second() {
    let (site, server) = scene("skip").await;
    let first = server.client.run_now("skip").await.unwrap();
    server.client.until_written(&first, "a", 6).await.unwrap();
    let refused = server
        .client
        .post("/api/v1/jobs/skip/run", "")
        .await
        .unwrap();
    assert_eq!(refused.status, 409);
    assert_eq!(refused.error().unwrap().error.code, ErrorCode::Overlap);
    open_the_gate(&site);
    server.client.until_over(&first).await.unwrap();
    let again = server.client.run_now("skip").await.unwrap();
    server.client.until_over(&again).await.unwrap();
    server.stop().await.unwrap();
}

#[tokio::test]
async fn queue_begins_the_second_after_the_first_has_ended_across_a_restart() {
    let (site, server) = scene("queue").await;
    let first = server.client.run_now("queue").await.unwrap();
    server.client.until_written(&first, "a", 6).await.unwrap();
    let second = server.client.run_now("queue").await.unwrap();
    assert_eq!(
        server.client.run(&second).await.unwrap().summary.state,
        RunState::Queued
    );
    let third = server
        .client
        .post("/api/v1/jobs/queue/run", "")
        .await
        .unwrap();
    assert_eq!(third.status, 409);

    server.kill().await.unwrap();
    open_the_gate(&site);
    let server = site.serve().await.unwrap();
    let first = server.client.until_over(&first).await.unwrap();
    assert_eq!(first.summary.state.outcome(), Some(&RunOutcome::Succeeded));
    let second = server.client.until_over(&second).await.unwrap();
    assert_eq!(second.summary.state.outcome(), Some(&RunOutcome::Succeeded));
    server.stop().await.unwrap();
}

#[tokio::test]
async fn allow_runs_both_at_once() {
    let (site, server) = scene("allow").await;
    let first = server.client.run_now("allow").await.unwrap();
    let second = server.client.run_now("allow").await.unwrap();
    assert_ne!(first, second);
    server.client.until_written(&first, "a", 6).await.unwrap();
    server.client.until_written(&second, "a", 6).await.unwrap();
    assert_eq!(
        server.client.job("allow").await.unwrap().row.active.len(),
        2
    );
    open_the_gate(&site);
    for run in [first, second] {
        let detail = server.client.until_over(&run).await.unwrap();
        assert_eq!(detail.summary.state.outcome(), Some(&RunOutcome::Succeeded));
    }
    server.stop().await.unwrap();
}

#[tokio::test]
async fn replace_kills_the_first_and_begins_the_second_when_it_is_dead() {
    let (site, server) = scene("replace").await;
    let first = server.client.run_now("replace").await.unwrap();
    server.client.until_written(&first, "a", 6).await.unwrap();
    let second = server.client.run_now("replace").await.unwrap();
    let detail = server.client.until_over(&first).await.unwrap();
    assert_eq!(detail.summary.state.outcome(), Some(&RunOutcome::Killed));
    assert_eq!(
        detail.machines[0].state.outcome(),
        Some(&MachineOutcome::Killed)
    );
    assert_eq!(
        detail.summary.kill.unwrap().by,
        format!("replaced by {second}")
    );
    server.client.until_written(&second, "a", 6).await.unwrap();
    open_the_gate(&site);
    let detail = server.client.until_over(&second).await.unwrap();
    assert_eq!(detail.summary.state.outcome(), Some(&RunOutcome::Succeeded));
    server.stop().await.unwrap();
}
