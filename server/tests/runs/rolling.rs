//! Rolling runs that stop, and machines that are tried again.

use saltpeter_protocol::api::{RunDetail, RunStarted};
use saltpeter_protocol::{Attempt, MachineOutcome, MachineState, RunId, RunOutcome};
use saltpeter_testkit::{Client, Server, Site};

const WHEN: &str = "{ min: 0, hour: 0, dom: 1, mon: 1, dow: '*'";

fn outcomes(detail: &RunDetail) -> Vec<(&str, &str)> {
    let outcome = |state: &MachineState| state.outcome().map_or("", MachineOutcome::label);
    let rows = detail.machines.iter();
    rows.map(|row| (row.machine.as_str(), outcome(&row.state)))
        .collect()
}

/// What the job's log tells of it, once the server has ended.
async fn log_of(site: &Site, server: Server, job: &str) -> String {
    server.stop().await.unwrap();
    std::fs::read_to_string(site.path("logs").join(format!("{job}.log"))).unwrap()
}

#[tokio::test]
async fn a_rolling_run_stops_and_is_run_again_where_it_did_not_succeed() {
    let site = Site::new(&["m1", "m2", "m3", "m4", "m5"], "{}").unwrap();
    let (begun, mended) = (site.path("begun"), site.path("mended"));
    // It fails on the second and the third machine, until it is mended.
    let command = format!(
        "echo . >> {0}; [ -e {1} ] || case $(wc -l < {0}) in 2|3) exit 3;; esac",
        begun.display(),
        mended.display()
    );
    let jobs = format!(
        "stops: {WHEN}, command: '{command}', targets: 'm*', batch_size: 1, max_failures: 40% }}\n"
    );
    site.write("jobs.yaml", &jobs).unwrap();
    let server = site.serve().await.unwrap();
    let run = server.client.run_now("stops").await.unwrap();
    let detail = server.client.until_over(&run).await.unwrap();
    assert_eq!(
        outcomes(&detail),
        [
            ("m1", "succeeded"),
            ("m2", "failed"),
            ("m3", "failed"),
            ("m4", "not attempted"),
            ("m5", "not attempted")
        ]
    );
    assert_eq!(detail.summary.state.outcome(), Some(&RunOutcome::Failed));
    assert_eq!(detail.summary.stopped.unwrap().failures, 2);

    std::fs::write(mended, "").unwrap();
    let path = format!("/api/v1/runs/{run}/again");
    let answer = server.client.post(&path, "").await.unwrap();
    let again = answer.json::<RunStarted>().unwrap().run;
    let detail = server.client.until_over(&again).await.unwrap();
    assert_eq!(
        outcomes(&detail),
        ["m2", "m3", "m4", "m5"].map(|name| (name, "succeeded"))
    );
    let commands = std::fs::read_to_string(begun).unwrap().lines().count();
    assert_eq!(commands, 3 + 4, "nothing was run that need not be");
    let log = log_of(&site, server, "stops").await;
    assert!(
        log.contains(&format!("!!!!!! {run} stopped after 2 failures at ")),
        "{log}"
    );
}

/// A job that fails the first time that it is run, and what it writes tells which time it is.
fn fails_once(job: &str, delay: u32) -> Site {
    let site = Site::new(&["m1"], "{}").unwrap();
    let tried = site.path("tried").display().to_string();
    let command =
        format!("if [ -e {tried} ]; then echo good; else touch {tried}; echo bad; exit 3; fi");
    let jobs = format!(
        "{job}: {WHEN}, command: '{command}', targets: m1, retries: 2, retry_delay: {delay} }}\n"
    );
    site.write("jobs.yaml", &jobs).unwrap();
    site
}

async fn output_of(client: &Client, run: &RunId, attempt: u32) -> String {
    let path = format!("/api/v1/runs/{run}/machines/m1/output/raw?attempt={attempt}");
    let answer = client.get(&path).await.unwrap();
    assert_eq!(answer.status, 200, "attempt {attempt}");
    String::from_utf8(answer.body).unwrap()
}

/// The second attempt has succeeded, and the first is kept.
async fn two_attempts(client: &Client, run: &RunId) -> RunDetail {
    let detail = client.until_over(run).await.unwrap();
    assert_eq!(detail.summary.state.outcome(), Some(&RunOutcome::Succeeded));
    let row = &detail.machines[0];
    assert_eq!((row.attempt.get(), detail.attempts.get()), (2, 3));
    assert_eq!(row.output.bytes, 5);
    assert_eq!(row.earlier.len(), 1);
    assert_eq!(row.earlier[0].outcome, MachineOutcome::Failed { code: 3 });
    assert_eq!(row.earlier[0].output.bytes, 4);
    assert_eq!(output_of(client, run, 1).await, "bad\n");
    assert_eq!(output_of(client, run, 2).await, "good\n");
    let newest = client.output(run, "m1").await.unwrap();
    assert_eq!(newest, b"good\n");
    detail
}

#[tokio::test]
async fn a_machine_that_fails_is_tried_again_and_both_outputs_are_there() {
    let site = fails_once("retried", 1);
    let server = site.serve().await.unwrap();
    let run = server.client.run_now("retried").await.unwrap();
    two_attempts(&server.client, &run).await;
    let none = format!("/api/v1/runs/{run}/machines/m1/output/raw?attempt=3");
    assert_eq!(server.client.get(&none).await.unwrap().status, 404);
    let log = log_of(&site, server, "retried").await;
    let at = |text: &str| {
        log.find(text)
            .unwrap_or_else(|| panic!("{text:?} in {log}"))
    };
    let order = [
        "**** Exit Code 3 ******\nbad\nAttempt 1 of 3. The next begins at ",
        "**** Exit Code 0 ******\ngood\nAttempt 2\n",
        "###### Finished ",
    ]
    .map(at);
    assert!(order.is_sorted(), "{log}");
    assert_eq!(log.matches("###### Finished ").count(), 1);
}

#[tokio::test]
async fn the_server_may_die_while_a_machine_waits_for_its_next_attempt() {
    let site = fails_once("patient", 2);
    let server = site.serve().await.unwrap();
    let run = server.client.run_now("patient").await.unwrap();
    let waiting = |detail: &RunDetail| detail.summary.counts.retrying == 1;
    let detail = server.client.until(&run, waiting).await.unwrap();
    let MachineState::Retrying { at } = detail.machines[0].state else {
        panic!("{detail:?}");
    };
    assert_eq!(detail.machines[0].attempt, Attempt::FIRST);
    server.kill().await.unwrap();
    let server = site.serve().await.unwrap();
    let detail = two_attempts(&server.client, &run).await;
    let MachineState::Ended { since, .. } = detail.machines[0].state else {
        panic!("{detail:?}");
    };
    assert!(since.unwrap() >= at, "not before its time");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_kill_ends_the_wait_for_the_next_attempt() {
    let site = fails_once("killed", 600);
    let server = site.serve().await.unwrap();
    let run = server.client.run_now("killed").await.unwrap();
    let waiting = |detail: &RunDetail| detail.summary.counts.retrying == 1;
    server.client.until(&run, waiting).await.unwrap();
    let path = format!("/api/v1/runs/{run}/kill");
    assert_eq!(server.client.post(&path, "").await.unwrap().status, 204);
    let detail = server.client.until_over(&run).await.unwrap();
    assert_eq!(detail.summary.state.outcome(), Some(&RunOutcome::Killed));
    assert_eq!(output_of(&server.client, &run, 1).await, "bad\n");
    server.stop().await.unwrap();
}
