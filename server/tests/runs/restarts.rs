//! The server dies while commands run.

use saltpeter_protocol::{MachineOutcome, MachineState, RunOutcome};
use saltpeter_testkit::Site;

const LINES: u64 = 3000;

fn expected() -> String {
    let lines: Vec<String> = (0..LINES).map(|n| format!("line {n}")).collect();
    lines.join("\n") + "\n"
}

/// Writes numbered lines for about two seconds. Each test gives it a name of its own, since the lock that a wrapper
/// takes is the whole host's.
const COUNT: &str = "
JOB:
  min: 0
  hour: 0
  dom: 1
  mon: 1
  dow: '*'
  targets: '*'
  command: |
    n=0
    while [ $n -lt 3000 ]; do
      echo line $n
      n=$((n+1))
      [ $((n % 100)) = 0 ] && sleep 0.07
    done
    exit 3
";

#[tokio::test]
async fn runs_go_on_and_no_byte_is_lost_or_doubled_when_the_server_dies() {
    let machines = ["m1", "m2", "m3"];
    let site = Site::new(&machines, &COUNT.replace("JOB", "dying")).unwrap();
    let mut server = site.serve().await.unwrap();
    let run = server.client.run_now("dying").await.unwrap();
    for (machine, bytes) in [("m1", 1000), ("m2", 8000), ("m3", 16000)] {
        server
            .client
            .until_written(&run, machine, bytes)
            .await
            .unwrap();
        server.kill().await.unwrap();
        server = site.serve().await.unwrap();
        let detail = server.client.run(&run).await.unwrap();
        assert_eq!(detail.machines.len(), 3);
    }
    let detail = server.client.until_over(&run).await.unwrap();
    assert_eq!(detail.summary.state.outcome(), Some(&RunOutcome::Failed));
    for row in &detail.machines {
        assert_eq!(
            row.state.outcome(),
            Some(&MachineOutcome::Failed { code: 3 })
        );
        let output = server
            .client
            .output(&run, row.machine.as_str())
            .await
            .unwrap();
        assert!(
            output == expected().as_bytes(),
            "{}: {} bytes instead of {}",
            row.machine,
            output.len(),
            expected().len()
        );
    }
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_command_that_ends_while_the_server_is_away_is_reported() {
    let site = Site::new(&["m1"], &COUNT.replace("JOB", "away")).unwrap();
    let server = site.serve().await.unwrap();
    let run = server.client.run_now("away").await.unwrap();
    server.client.until_written(&run, "m1", 1000).await.unwrap();
    let before = server.client.run(&run).await.unwrap();
    server.stop().await.unwrap();
    let MachineState::Running { since } = before.machines[0].state else {
        panic!("{before:?}");
    };
    // The shell is gone when its process id is.
    let shell = format!("/proc/{}", before.machines[0].pid.unwrap());
    let gone = async {
        while std::path::Path::new(&shell).exists() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(saltpeter_testkit::PATIENCE, gone)
        .await
        .unwrap();
    let server = site.serve().await.unwrap();
    let detail = server.client.until_over(&run).await.unwrap();
    let MachineState::Ended {
        since: Some(began),
        ref outcome,
        ..
    } = detail.machines[0].state
    else {
        panic!("{detail:?}");
    };
    assert_eq!(began, since);
    assert_eq!(*outcome, MachineOutcome::Failed { code: 3 });
    let output = server.client.output(&run, "m1").await.unwrap();
    assert!(output == expected().as_bytes(), "{} bytes", output.len());
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_kill_before_the_servers_death_lands_after_it() {
    let site = Site::new(
        &["m1"],
        "long: { min: 0, hour: 0, dom: 1, mon: 1, dow: '*', targets: m1, command: 'echo begun; sleep 600' }\n",
    )
    .unwrap();
    let server = site.serve().await.unwrap();
    let run = server.client.run_now("long").await.unwrap();
    server.client.until_written(&run, "m1", 6).await.unwrap();
    server.kill().await.unwrap();
    let server = site.serve().await.unwrap();
    let path = format!("/api/v1/runs/{run}/kill");
    assert_eq!(server.client.post(&path, "").await.unwrap().status, 204);
    server.kill().await.unwrap();
    let server = site.serve().await.unwrap();
    let detail = server.client.until_over(&run).await.unwrap();
    assert_eq!(detail.summary.state.outcome(), Some(&RunOutcome::Killed));
    assert_eq!(
        detail.machines[0].state.outcome().unwrap().exit_code(),
        Some(143)
    );
    server.stop().await.unwrap();
}
