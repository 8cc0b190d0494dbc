//! What became of a run's machines.

use saltpeter_protocol::api::RunDetail;
use saltpeter_protocol::{MachineOutcome, RunId, RunOutcome};
use saltpeter_testkit::Client;

/// Each machine's exit code, in the order of their names.
pub(crate) fn codes(detail: &RunDetail) -> Vec<(String, Option<i32>)> {
    let code = |outcome: &MachineOutcome| outcome.exit_code();
    let row = |row: &saltpeter_protocol::api::MachineRow| {
        let outcome = row.state.outcome().and_then(code);
        (row.machine.to_string(), outcome)
    };
    detail.machines.iter().map(|machine| row(machine)).collect()
}

/// The sentence with which a machine failed to start.
pub(crate) fn sentence(detail: &RunDetail, machine: &str) -> String {
    let row = detail
        .machines
        .iter()
        .find(|row| row.machine.as_str() == machine);
    match row.and_then(|row| row.state.outcome()) {
        Some(MachineOutcome::StartFailed { message, .. }) => message.clone(),
        other => panic!("{other:?}"),
    }
}

/// The outcome of a run that ended everywhere alike.
pub(crate) fn all(code: i32) -> Vec<(String, Option<i32>)> {
    ["db1", "web1", "web2"]
        .map(|name| (name.to_owned(), Some(code)))
        .into()
}

/// Waits until a run is over whose one machine has written `bad` and failed with 3, then written `good` and succeeded.
pub(crate) async fn two_attempts(client: &Client, run: &RunId, machine: &str) {
    let detail = client.until_over(run).await.unwrap();
    assert_eq!(
        detail.summary.state.outcome(),
        Some(&RunOutcome::Succeeded),
        "{detail:#?}"
    );
    let [row] = &detail.machines[..] else {
        panic!("{detail:#?}");
    };
    assert_eq!((row.attempt.get(), row.earlier.len()), (2, 1));
    assert_eq!(row.earlier[0].outcome, MachineOutcome::Failed { code: 3 });
    for (attempt, written) in [(1, "bad\n"), (2, "good\n")] {
        let path = format!("/api/v1/runs/{run}/machines/{machine}/output/raw?attempt={attempt}");
        let answer = client.get(&path).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&answer.body), written, "{answer:?}");
    }
}
