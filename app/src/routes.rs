//! Addresses of pages and of the REST interface. Names and runs are safe in a path as they stand;
//! machines are escaped.

use saltpeter_protocol::{Attempt, JobName, MachineId, RunId};
use std::fmt::Write as _;

/// The page of a job.
pub(crate) fn job_page(job: &JobName) -> String {
    format!("/jobs/{job}")
}

/// Where a job is edited. The name is one as written, which need not be valid.
pub(crate) fn edit_page(job: &str) -> String {
    format!("/jobs/{}/edit", escape(job))
}

/// The page of a run.
pub(crate) fn run_page(run: &RunId) -> String {
    format!("/runs/{run}")
}

/// The page of a run with one of its machines chosen.
pub(crate) fn machine_page(run: &RunId, machine: &MachineId) -> String {
    format!("/runs/{run}?machine={}", escape(machine.as_str()))
}

/// The page of a run with one attempt of one of its machines chosen.
pub(crate) fn attempt_page(run: &RunId, machine: &MachineId, attempt: Attempt) -> String {
    format!("{}&attempt={attempt}", machine_page(run, machine))
}

/// Stands for the first machines to look at where machines are named.
pub(crate) const ALL: &str = "*";

/// The page of a run with the output of its machines merged.
pub(crate) fn merged_page(run: &RunId) -> String {
    format!("/runs/{run}?merged={ALL}")
}

/// Where the output of all machines of a run is downloaded.
pub(crate) fn archive_api(run: &RunId) -> String {
    format!("/api/v1/runs/{run}/output/archive")
}

/// Where maintenance is read and written.
pub(crate) const MAINTENANCE_API: &str = "/api/v1/maintenance";

/// Where a machine's output is read.
pub(crate) fn output_api(run: &RunId, machine: &MachineId) -> String {
    format!(
        "/api/v1/runs/{run}/machines/{}/output",
        escape(machine.as_str())
    )
}

/// Escapes all that is not plainly safe in a path segment or a query value.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            escaped.push(char::from(byte));
        } else {
            // Writing into a String cannot fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_are_escaped() {
        let run = RunId::new("a_1").unwrap();
        let machine = MachineId::new("web#1?ü").unwrap();
        assert_eq!(
            machine_page(&run, &machine),
            "/runs/a_1?machine=web%231%3F%C3%BC"
        );
    }
}
