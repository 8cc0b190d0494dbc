//! Which machines a run takes, and how many at a time.

use saltpeter_protocol::api::RunDetail;
use saltpeter_protocol::{MachineOutcome, MachineState, RunOutcome};
use saltpeter_testkit::Site;
use std::collections::BTreeSet;

const WHEN: &str = "{ min: 0, hour: 0, dom: 1, mon: 1, dow: '*'";

fn took(detail: &RunDetail) -> BTreeSet<&str> {
    detail
        .machines
        .iter()
        .map(|row| row.machine.as_str())
        .collect()
}

#[tokio::test]
async fn number_of_targets_takes_a_random_subset() {
    let machines = ["m1", "m2", "m3", "m4", "m5", "m6"];
    let jobs =
        format!("some: {WHEN}, command: 'echo $0', targets: 'm*', number_of_targets: 2 }}\n");
    let site = Site::new(&machines, &jobs).unwrap();
    let server = site.serve().await.unwrap();
    let mut seen = BTreeSet::new();
    for _ in 0..8 {
        let run = server.client.run_now("some").await.unwrap();
        let detail = server.client.until_over(&run).await.unwrap();
        assert_eq!(detail.summary.state.outcome(), Some(&RunOutcome::Succeeded));
        let machines = took(&detail);
        assert_eq!(machines.len(), 2, "{machines:?}");
        seen.insert(format!("{machines:?}"));
    }
    assert!(seen.len() > 1, "always the same: {seen:?}");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_batch_is_never_exceeded_and_fills_up_as_machines_end() {
    let machines = ["m1", "m2", "m3", "m4", "m5", "m6"];
    let site = Site::new(&machines, "{}").unwrap();
    let going = site.path("going").display().to_string();
    std::fs::create_dir(&going).unwrap();
    // Each command waits a while for company, and counts those that run then, itself included.
    let command = format!(
        "mkdir {going}/$$; n=0; while [ $(ls {going} | wc -l) -lt 2 ] && [ $n -lt 40 ]; do sleep 0.05; n=$((n+1)); done; \
         ls {going} | wc -l; sleep 0.1; rmdir {going}/$$"
    );
    let jobs = format!(
        "rolling: {WHEN}, command: '{command}', targets: 'm*', batch_size: 2, overlap: allow }}\n"
    );
    site.write("jobs.yaml", &jobs).unwrap();
    let server = site.serve().await.unwrap();
    let run = server.client.run_now("rolling").await.unwrap();
    let mut most = 0;
    let detail = server
        .client
        .until(&run, |detail| {
            let counts = detail.summary.counts;
            assert!(counts.starting + counts.running <= 2, "{counts:?}");
            detail.summary.state.is_ended()
        })
        .await
        .unwrap();
    assert_eq!(detail.summary.counts.succeeded, 6);
    let mut begun = Vec::new();
    for row in &detail.machines {
        let output = server
            .client
            .output(&run, row.machine.as_str())
            .await
            .unwrap();
        let beside: u32 = String::from_utf8(output).unwrap().trim().parse().unwrap();
        most = most.max(beside);
        let MachineState::Ended { since, at, .. } = row.state else {
            panic!("{row:?}");
        };
        begun.push((since.unwrap(), at));
    }
    assert_eq!(most, 2, "two at a time, and not one after the other");
    begun.sort();
    assert!(begun[2].0 >= begun.iter().map(|(_, at)| *at).min().unwrap());
    server.stop().await.unwrap();
}

#[tokio::test]
async fn machines_under_maintenance_are_left_out_and_a_kill_leaves_the_rest_unattempted() {
    let jobs = format!("halted: {WHEN}, command: 'sleep 60', targets: '*', batch_size: 1 }}\n");
    let site = Site::new(&["m1", "m2", "m3"], &jobs).unwrap();
    site.write(
        "maintenance.yaml",
        "saltpeter_maintenance: { machines: [m2] }\n",
    )
    .unwrap();
    let server = site.serve().await.unwrap();
    let run = server.client.run_now("halted").await.unwrap();
    let detail = server
        .client
        .until(&run, |detail| detail.summary.counts.running == 1)
        .await
        .unwrap();
    assert_eq!(detail.summary.counts.maintenance, 1);
    let path = format!("/api/v1/runs/{run}/kill");
    assert_eq!(server.client.post(&path, "").await.unwrap().status, 204);
    let detail = server.client.until_over(&run).await.unwrap();
    assert_eq!(detail.summary.state.outcome(), Some(&RunOutcome::Killed));
    let outcomes: Vec<&MachineOutcome> = detail
        .machines
        .iter()
        .filter_map(|row| row.state.outcome())
        .collect();
    assert_eq!(
        outcomes,
        [
            &MachineOutcome::Killed,
            &MachineOutcome::Maintenance,
            &MachineOutcome::NotAttempted
        ]
    );
    assert_eq!(outcomes[0].exit_code(), Some(143));
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_run_that_matches_nothing_says_so() {
    let jobs = format!("none: {WHEN}, command: 'true', targets: 'x*' }}\n");
    let site = Site::new(&["m1"], &jobs).unwrap();
    let server = site.serve().await.unwrap();
    let run = server.client.run_now("none").await.unwrap();
    let detail = server.client.until_over(&run).await.unwrap();
    assert_eq!(detail.summary.state.outcome(), Some(&RunOutcome::NoTargets));
    server.stop().await.unwrap();
}
