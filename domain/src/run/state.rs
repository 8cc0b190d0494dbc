//! A run as data, and what can be read off it.

use super::Changed;
use super::Earlier;
use super::late::Awaiting;
use crate::job::RunSpec;
use saltpeter_protocol::api::{
    Counts, KillView, MachineRow, OutputLength, ReplacedOutcome, RunSummary, StopView,
};
use saltpeter_protocol::launch::CommandSpec;
use saltpeter_protocol::machine::v2::WrapperId;
use saltpeter_protocol::{
    Attempt, JobName, MachineId, MachineOutcome, MachineState, RunCause, RunId, RunState,
    UnixMillis,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// How many machines "running on" names.
const RUNNING_ON: usize = 4;

/// A run and its machines.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    pub(super) head: RunHead,
    pub(super) machines: BTreeMap<MachineId, MachineRun>,
    pub(super) counts: Counts,
    /// What is still to be heard of the machines that match; `None`: nothing. Not persisted.
    pub(super) awaiting: Option<Awaiting>,
    /// When this server took it up again, if it did. Not persisted.
    pub(super) recovered: Option<UnixMillis>,
}

/// A run without its machines.
#[derive(Debug, Clone, PartialEq)]
pub struct RunHead {
    /// Its permanent name.
    pub id: RunId,
    /// Its job.
    pub job: JobName,
    /// Why it exists.
    pub cause: RunCause,
    /// When it was written down.
    pub created: UnixMillis,
    /// The job as it was then.
    pub spec: Arc<RunSpec>,
    /// Where it stands.
    pub state: RunState,
    /// Set once its end was asked for.
    pub kill: Option<KillView>,
    /// Set once it begins nothing more because too many machines have failed.
    pub stopped: Option<StopView>,
    /// The only machines it may take (Run again); `None`: all that match.
    pub only: Option<BTreeSet<MachineId>>,
    /// For how long after contact was lost a wrapper may return before its machine counts as lost.
    pub reconnect_grace: Duration,
}

/// One machine of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineRun {
    /// Where it stands.
    pub state: MachineState,
    /// Process id of the command's shell.
    pub pid: Option<u32>,
    /// The wrapper that runs its command, once one has said hello.
    pub bound: Option<Bound>,
    /// Set once its end was asked for.
    pub kill: Option<KillView>,
    /// Its attempts before the present one, oldest first. While the next one is waited for, all of them.
    pub earlier: Vec<Earlier>,
    /// The outcome that it was given in silence, before its wrapper came back.
    pub replaced: Option<ReplacedOutcome>,
    /// Whether it has yet to answer before its command is started. Not persisted: after a restart it is started like
    /// any other.
    pub awaited: bool,
    /// When the wrapper was last heard, or the server restarted. Not persisted.
    pub heard: Option<UnixMillis>,
    /// When the wrapper was last told to kill. Not persisted.
    pub kill_sent: Option<UnixMillis>,
}

/// A machine's one wrapper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    /// Who it is.
    pub speaker: Speaker,
    /// When it last said hello; until its command has started, when it first did.
    pub at: UnixMillis,
}

/// Who speaks for a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "version", content = "wrapper", rename_all = "snake_case")]
pub enum Speaker {
    /// A version 2 wrapper process.
    V2(WrapperId),
    /// A version 1 wrapper of the first attempt; these cannot be told apart.
    V1,
    /// A version 1 wrapper of a later attempt, by the name that it was given for the run.
    V1Retry(Attempt),
}

impl Speaker {
    /// The speaker for a version 1 wrapper of `attempt`.
    pub fn v1(attempt: Attempt) -> Self {
        if attempt.is_first() {
            Self::V1
        } else {
            Self::V1Retry(attempt)
        }
    }

    /// Whether it is a version 1 wrapper, which starts its command without asking.
    pub fn is_v1(self) -> bool {
        matches!(self, Self::V1 | Self::V1Retry(_))
    }
}

impl MachineRun {
    /// A machine in `state` of which nothing else is known.
    pub fn new(state: MachineState) -> Self {
        Self {
            state,
            pid: None,
            bound: None,
            kill: None,
            earlier: Vec::new(),
            replaced: None,
            awaited: false,
            heard: None,
            kill_sent: None,
        }
    }
}

impl Run {
    /// A run as it is first written down, or as it was read back with its machines.
    pub fn new(head: RunHead, machines: BTreeMap<MachineId, MachineRun>) -> Self {
        let mut counts = Counts::default();
        for machine in machines.values() {
            counts.total += 1;
            *count_of(&mut counts, &machine.state) += 1;
        }
        Self {
            head,
            machines,
            counts,
            awaiting: None,
            recovered: None,
        }
    }

    /// The run without its machines.
    pub fn head(&self) -> &RunHead {
        &self.head
    }

    /// Its permanent name.
    pub fn id(&self) -> &RunId {
        &self.head.id
    }

    /// Its job.
    pub fn job(&self) -> &JobName {
        &self.head.job
    }

    /// Where it stands.
    pub fn state(&self) -> &RunState {
        &self.head.state
    }

    /// The job as it was when the run was written down.
    pub fn spec(&self) -> &Arc<RunSpec> {
        &self.head.spec
    }

    /// Whether it is over for good: nothing of it is launched any more, for no machine may come back that was given up in silence.
    pub fn is_settled(&self) -> bool {
        self.head.state.is_ended() && !self.machines.values().any(MachineRun::may_return)
    }

    /// Its machines.
    pub fn machines(&self) -> &BTreeMap<MachineId, MachineRun> {
        &self.machines
    }

    /// Machines by state.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Up to four machines that are running or starting.
    pub fn running_on(&self) -> Vec<MachineId> {
        let going = self.counts.starting + self.counts.running + self.counts.lost_contact;
        self.machines
            .iter()
            .filter(|(_, machine)| {
                matches!(
                    machine.state,
                    MachineState::Starting { .. }
                        | MachineState::Running { .. }
                        | MachineState::LostContact { .. }
                )
            })
            .map(|(id, _)| id.clone())
            .take(RUNNING_ON.min(going as usize))
            .collect()
    }

    /// The run as lists show it.
    pub fn summary(&self) -> RunSummary {
        RunSummary {
            id: self.head.id.clone(),
            job: self.head.job.clone(),
            cause: self.head.cause.clone(),
            state: self.head.state.clone(),
            created: self.head.created,
            counts: self.counts,
            running_on: self.running_on(),
            kill: self.head.kill.clone(),
            stopped: self.head.stopped,
        }
    }

    /// Machines that hold a place in the batch: those that are going, and those that are tried again soon.
    pub(super) fn in_work(&self) -> u32 {
        let Counts {
            starting,
            running,
            lost_contact,
            retrying,
            ..
        } = self.counts;
        starting + running + lost_contact + retrying
    }

    /// A machine as the run's page shows it; `output` is not the run's to know, nor is that of earlier attempts, which is
    /// left at zero.
    pub fn machine_row(&self, machine: &MachineId, output: OutputLength) -> Option<MachineRow> {
        let known = self.machines.get(machine)?;
        Some(MachineRow {
            machine: machine.clone(),
            state: known.state.clone(),
            pid: known.pid,
            output,
            kill: known.kill.clone(),
            attempt: known.attempt(),
            earlier: known.earlier.iter().map(Earlier::row).collect(),
            replaced: known.replaced.clone(),
        })
    }

    /// What a wrapper is told to run.
    pub fn command(&self) -> CommandSpec {
        self.head.spec.command()
    }

    /// Puts `machine` into `state` and keeps the counts right.
    pub(super) fn set_state(
        &mut self,
        machine: &MachineId,
        state: MachineState,
        changed: &mut Changed,
    ) {
        if let Some(known) = self.machines.get_mut(machine) {
            *count_of(&mut self.counts, &known.state) -= 1;
            *count_of(&mut self.counts, &state) += 1;
            known.state = state;
            changed.run = true;
            changed.machines.insert(machine.clone());
        }
    }

    /// Adds a machine in `state`; one that is already there stays as it is.
    pub(super) fn add_machine(
        &mut self,
        machine: MachineId,
        state: MachineState,
        changed: &mut Changed,
    ) {
        if self.machines.contains_key(&machine) {
            return;
        }
        self.counts.total += 1;
        *count_of(&mut self.counts, &state) += 1;
        changed.run = true;
        changed.machines.insert(machine.clone());
        self.machines.insert(machine, MachineRun::new(state));
    }
}

fn count_of<'a>(counts: &'a mut Counts, state: &MachineState) -> &'a mut u32 {
    match state {
        MachineState::Waiting => &mut counts.waiting,
        MachineState::Starting { .. } => &mut counts.starting,
        MachineState::Running { .. } => &mut counts.running,
        MachineState::LostContact { .. } => &mut counts.lost_contact,
        MachineState::Retrying { .. } => &mut counts.retrying,
        MachineState::Ended { outcome, .. } => match outcome {
            MachineOutcome::Succeeded => &mut counts.succeeded,
            MachineOutcome::Maintenance => &mut counts.maintenance,
            MachineOutcome::NotAttempted => &mut counts.not_attempted,
            _ => &mut counts.failed,
        },
    }
}
