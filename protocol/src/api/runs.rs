//! Runs and their machines, and what people ask of them.

use super::ConfigEntry;
use crate::attempt::Attempt;
use crate::ids::{JobName, MachineId, RunId};
use crate::status::{MachineOutcome, MachineState, RunCause, RunState};
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

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
    /// Set once it begins nothing more because too many machines have failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<StopView>,
}

/// A run that begins nothing more because as many machines have failed as its `max_failures` allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopView {
    /// Machines that had failed then.
    pub failures: u32,
    /// When.
    pub at: UnixMillis,
}

/// A kill that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KillView {
    /// Who asked.
    pub by: String,
    /// When.
    pub at: UnixMillis,
    /// Of a machine: whether it had not ended 30 s later. It is told again and again all the same.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unconfirmed: bool,
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
    /// Waiting for their next attempt.
    #[serde(default)]
    pub retrying: u32,
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
    /// Its machines, by name. Shared, so that a page that keeps thousands of them copies few.
    pub machines: Vec<Arc<MachineRow>>,
    /// The job's settings at the time of the run; secret values masked.
    pub config: Vec<ConfigEntry>,
    /// The command as it was run.
    pub command: String,
    /// How often a machine is tried at most.
    #[serde(default)]
    pub attempts: Attempt,
    /// The group that the job is of now, which says who may do something with the run. Empty when no file has the job any more.
    #[serde(default)]
    pub group: String,
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
    /// Length of the output of `attempt`.
    pub output: OutputLength,
    /// Set once its end was asked for.
    pub kill: Option<KillView>,
    /// The attempt that `state` is about; while the next one is waited for, the one that has failed.
    #[serde(default)]
    pub attempt: Attempt,
    /// The attempts before it, oldest first. While the next one is waited for, the last of them is `attempt` itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<PastAttempt>,
    /// The outcome that it was given in silence, before its wrapper came back after all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced: Option<ReplacedOutcome>,
}

impl MachineRow {
    /// Every attempt that has or had a wrapper, oldest first.
    pub fn attempts(&self) -> impl Iterator<Item = Attempt> + use<> {
        self.attempt.up_to()
    }

    /// Notes how much output an attempt has.
    pub fn set_output(&mut self, attempt: Attempt, length: OutputLength) {
        if attempt == self.attempt {
            self.output = length;
        }
        if let Some(past) = self.earlier.get_mut(attempt.get() as usize - 1) {
            past.output = length;
        }
    }
}

/// An attempt that was not the machine's last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastAttempt {
    /// When the command started; `None` if it never did.
    pub since: Option<UnixMillis>,
    /// When it ended.
    pub at: UnixMillis,
    /// How.
    pub outcome: MachineOutcome,
    /// Length of its output.
    pub output: OutputLength,
}

/// An outcome that did not stand: the machine was given up, and its wrapper came back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplacedOutcome {
    /// What was assumed.
    pub outcome: MachineOutcome,
    /// When it was assumed.
    pub given: UnixMillis,
    /// When the wrapper was heard again.
    pub returned: UnixMillis,
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
