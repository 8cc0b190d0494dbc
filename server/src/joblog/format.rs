//! The words of the jobs' log files. People's scripts look for them: they do not change.

use chrono::DateTime;
use saltpeter_domain::maintenance::Hold;
use saltpeter_protocol::{Attempt, JobName, MachineId, MachineOutcome, RunId, UnixMillis};
use std::fmt::Write as _;

/// A point in time as these files have always had it: UTC, microseconds, offset.
fn time(at: UnixMillis) -> impl std::fmt::Display {
    DateTime::from_timestamp_millis(at.0)
        .unwrap_or_default()
        .format("%Y-%m-%d %H:%M:%S%.6f+00:00")
}

pub(super) fn started(run: &RunId, at: UnixMillis) -> String {
    format!("###### Starting {run} at {} ################\n", time(at))
}

pub(super) fn finished(run: &RunId, at: UnixMillis) -> String {
    format!("###### Finished {run} at {} ################\n", time(at))
}

pub(super) fn overlap(active: &RunId, at: UnixMillis) -> String {
    format!(
        "###### Overlap detected on {active} at {} ################\n",
        time(at)
    )
}

pub(super) fn unresolved(run: &RunId, message: &str, at: UnixMillis) -> String {
    format!(
        "!!!!!! Targets not resolved for {run} at {} !!!!!!\n{message}\n",
        time(at)
    )
}

pub(super) fn no_targets(run: &RunId) -> String {
    format!("!!!!!! No targets matched for {run} !!!!!!\n")
}

pub(super) fn held(job: &JobName, hold: Hold, at: UnixMillis) -> String {
    format!(
        "###### Maintenance detected on {job} at {} ################\n{}\n",
        time(at),
        hold.words()
    )
}

pub(super) fn maintenance(run: &RunId, machines: &[MachineId], at: UnixMillis) -> String {
    let mut text = format!(
        "###### Maintenance detected on {run} at {} ################\n",
        time(at)
    );
    for machine in machines {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{machine}: Target under maintenance");
    }
    text
}

pub(super) fn machine_head(run: &RunId, machine: &MachineId, outcome: &MachineOutcome) -> String {
    let mut text = format!("########## {machine} from {run} ################\n");
    if let Some(code) = outcome.exit_code() {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "**** Exit Code {code} ******");
    }
    text
}

pub(super) fn stopped(run: &RunId, failures: u32, not_attempted: u32, at: UnixMillis) -> String {
    let word = if failures == 1 { "failure" } else { "failures" };
    format!(
        "!!!!!! {run} stopped after {failures} {word} at {}; {not_attempted} not attempted !!!!!!\n",
        time(at)
    )
}

pub(super) fn retries_given_up(run: &RunId, machine: &MachineId) -> String {
    format!("!!!!!! {machine} from {run} is not tried again, since the run has stopped !!!!!!\n")
}

pub(super) fn returned(
    run: &RunId,
    machine: &MachineId,
    replaced: &MachineOutcome,
    at: UnixMillis,
) -> String {
    let code = replaced.exit_code().unwrap_or_default();
    format!(
        "!!!!!! {machine} from {run} is back at {}: it was given up as {} (exit code {code}), and its real outcome follows !!!!!!\n",
        time(at),
        replaced.label(),
    )
}

pub(super) fn kill_unconfirmed(
    run: &RunId,
    machine: &MachineId,
    by: &str,
    at: UnixMillis,
) -> String {
    format!(
        "!!!!!! Kill of {machine} from {run} by {by} not confirmed after 30 s, at {} !!!!!!\n",
        time(at)
    )
}

/// Which attempt a block is of; nothing for a first one that no other follows.
pub(super) fn attempt(attempt: Attempt, next: Option<(Attempt, UnixMillis)>) -> String {
    match next {
        Some((last, at)) => format!(
            "Attempt {attempt} of {last}. The next begins at {}\n",
            time(at)
        ),
        None if attempt.is_first() => String::new(),
        None => format!("Attempt {attempt}\n"),
    }
}

pub(super) fn machine_foot(
    run: &RunId,
    machine: &MachineId,
    outcome: &MachineOutcome,
    at: UnixMillis,
) -> String {
    let mut text = String::new();
    if let Some(message) = outcome.message() {
        text.push_str(message);
        text.push('\n');
    }
    // Writing into a String cannot fail.
    let _ = writeln!(
        text,
        "####### END {machine} from {run} at {} #########",
        time(at)
    );
    text
}
