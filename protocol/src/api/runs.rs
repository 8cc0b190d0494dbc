//! Runs and their machines, and what people ask of them.

use super::ConfigEntry;
use crate::ids::{JobName, MachineId, RunId};
use crate::status::{MachineState, RunCause, RunState};
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// A run without its machines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSummary {
    /// Its permanent name.
    pub id: RunId,
    /// Its job.
    pub job: JobName,
    /// Why it exists.
    pub cause: RunCause,
    /// Where it stands.
    pub state: RunState,
    /// When it was written down, before anything was launched.
    pub created: UnixMillis,
    /// Machines by state.
    pub counts: Counts,
    /// Up to four machines that are running or starting, for "running on".
    pub running_on: Vec<MachineId>,
    /// Set once a person (or a replacing run) asked for its end.
    pub kill: Option<KillView>,
}

/// A kill that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KillView {
    /// Who asked.
    pub by: String,
    /// When.
    pub at: UnixMillis,
}

/// How many machines of a run are in which state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// All machines of the run.
    pub total: u32,
    /// Waiting for their batch.
    pub waiting: u32,
    /// Asked for, not yet running.
    pub starting: u32,
    /// Running.
    pub running: u32,
    /// Out of contact.
    pub lost_contact: u32,
    /// Ended well.
    pub succeeded: u32,
    /// Ended in any other way, but for the two below.
    pub failed: u32,
    /// Under maintenance.
    pub maintenance: u32,
    /// Never begun.
    pub not_attempted: u32,
}

/// A run with its machines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunDetail {
    /// The run.
    pub summary: RunSummary,
    /// Its machines, by name.
    pub machines: Vec<MachineRow>,
    /// The job's settings at the time of the run; secret values masked.
    pub config: Vec<ConfigEntry>,
    /// The command as it was run.
    pub command: String,
}

/// One machine of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineRow {
    /// The machine.
    pub machine: MachineId,
    /// Where it stands.
    pub state: MachineState,
    /// Process id of the command's shell.
    pub pid: Option<u32>,
    /// Length of its output.
    pub output: OutputLength,
    /// Set once its end was asked for.
    pub kill: Option<KillView>,
}

/// How much output there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OutputLength {
    /// Bytes.
    pub bytes: u64,
    /// Line feeds among them.
    pub lines: u64,
}

/// Answer to Run now and to Run again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunStarted {
    /// The new run.
    pub run: RunId,
}

/// Body of `POST …/kill`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KillRequest {
    /// Only this machine; every machine when absent.
    #[serde(default)]
    pub machine: Option<MachineId>,
}
