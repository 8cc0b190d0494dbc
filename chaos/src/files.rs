//! The configuration of a chaos run's server.

use crate::plan::{Ends, JobPlan, MACHINES};
use std::fmt::Write as _;
use std::path::Path;

/// What the files need to know.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The wrapper's binary.
    pub wrapper: &'a Path,
    /// The directory of the wrappers' logs.
    pub wrapper_logs: &'a Path,
    /// The program that commands run.
    pub command: &'a Path,
    /// Where it keeps its ledgers.
    pub ledger: &'a Path,
    /// Where wrappers connect.
    pub advertised: u16,
}

/// The settings for these machines. `more` are further lines of `saltpeter_config`, indented by two.
pub fn settings(place: Place<'_>, machines: &[String], more: &str) -> String {
    format!(
        "saltpeter_config:\n  executor: local\n  local_machines: [{}]\n  default_wrapper_path: {}\n  \
         default_wrapper_logdir: {}\n  default_wrapper_loglevel: normal\n  advertised_machines_port: {}\n  \
         reconnect_grace: 3\n  timezone: UTC\n{more}",
        machines.join(", "),
        place.wrapper.display(),
        place.wrapper_logs.display(),
        place.advertised,
    )
}

/// A job under its own name.
pub fn job(place: Place<'_>, name: &str, job: &JobPlan) -> String {
    let mut text = format!("{name}:\n");
    let schedule = job.schedule.as_deref().unwrap_or("0 0 0 1 1 * 2099");
    let machines = MACHINES.get(..job.machines).unwrap_or(&MACHINES);
    // Writing to a String does not fail.
    let _ = write!(
        text,
        "  schedule: '{schedule}'\n  overlap: {}\n  missed: {}\n  timeout: {}\n  targets: [{}]\n  command: \"{}\"\n",
        job.overlap,
        job.missed,
        job.timeout,
        machines.join(", "),
        command(place, job)
    );
    if job.retries > 0 {
        let _ = write!(text, "  retries: {}\n  retry_delay: 1\n", job.retries);
    }
    text
}

/// The command of a job.
pub fn command(place: Place<'_>, job: &JobPlan) -> String {
    let shape = job.shape;
    let ends = match shape.ends {
        Ends::Any => "any".to_owned(),
        Ends::Exit(code) => format!("exit:{code}"),
        Ends::After(times) => format!("after:{times}"),
        Ends::Signal(signal) => format!("signal:{signal}"),
    };
    let call = format!("{} {}", place.command.display(), place.ledger.display());
    let (bytes, millis) = (shape.bytes, shape.millis);
    let trap = if shape.ignores_term {
        "trap '' TERM; "
    } else {
        ""
    };
    if shape.forks {
        let longer = millis + 300;
        return format!(
            "{trap}{call} child {bytes} {longer} exit:0 & {call} main-out {bytes} {millis} {ends}; code=$?; wait; exit $code"
        );
    }
    format!("{trap}exec {call} main {bytes} {millis} {ends}")
}
