//! What became of a run's machines.

use saltpeter_protocol::MachineOutcome;
use saltpeter_protocol::api::RunDetail;

/// Each machine's exit code, in the order of their names.
pub(crate) fn codes(detail: &RunDetail) -> Vec<(String, Option<i32>)> {
    let code = |outcome: &MachineOutcome| outcome.exit_code();
    let row = |row: &saltpeter_protocol::api::MachineRow| {
        let outcome = row.state.outcome().and_then(code);
        (row.machine.to_string(), outcome)
    };
    detail.machines.iter().map(row).collect()
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
