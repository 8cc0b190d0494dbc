//! What applying an input leads to.

use crate::maintenance::Hold;
use saltpeter_protocol::api::Counts;
use saltpeter_protocol::machine::v2::LeaveReason;
use saltpeter_protocol::{
    Attempt, JobName, MachineId, MachineOutcome, RunId, RunOutcome, UnixMillis,
};
use std::collections::BTreeSet;

/// The result of applying an input. The changes are persisted before any effect is carried out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Step {
    /// What is to be persisted and published.
    pub changed: Changed,
    /// What is to be done then, in this order.
    pub effects: Vec<Effect>,
}

/// The parts of a run that have changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changed {
    /// The run itself: state, counts, kill.
    pub run: bool,
    /// These machines.
    pub machines: BTreeSet<MachineId>,
}

impl Changed {
    /// Whether nothing has.
    pub fn is_empty(&self) -> bool {
        !self.run && self.machines.is_empty()
    }

    /// Takes `other`'s changes in as well.
    pub fn merge(&mut self, other: Self) {
        self.run |= other.run;
        self.machines.extend(other.machines);
    }
}

/// Something to do once the changes are persisted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Ask the executor which machines match.
    Resolve,
    /// Start these machines' wrappers.
    Launch(Vec<MachineId>),
    /// Answer a hello: the wrapper is the machine's one.
    Welcome {
        /// The machine.
        machine: MachineId,
        /// Whether it is to start the command.
        start: bool,
        /// Whether a kill is pending.
        kill: bool,
    },
    /// Answer a hello: the wrapper has nothing to do here.
    Leave {
        /// The machine.
        machine: MachineId,
        /// Why.
        reason: LeaveReason,
    },
    /// Tell the machine's wrapper to end its command, if it is connected.
    SendKill(MachineId),
    /// Tell the machine's wrapper that its outcome is durable, if it is connected.
    SendDone(MachineId),
    /// The same, and close the connection: it is that of an attempt which is over, and another one follows.
    Dismiss(MachineId),
    /// Write to the job's log.
    Log(LogEntry),
    /// The run is over (again, when a lost wrapper had come back).
    Finished(RunOutcome),
}

/// An entry of a job's log file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// The job.
    pub job: JobName,
    /// The job's group.
    pub group: String,
    /// When it happened.
    pub at: UnixMillis,
    /// What happened.
    pub event: LogEvent,
}

/// What a job's log tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogEvent {
    /// A run has begun.
    RunStarted {
        /// The run.
        run: RunId,
    },
    /// A machine's wrapper is about to be started.
    MachineStarted {
        /// The run.
        run: RunId,
        /// The machine.
        machine: MachineId,
        /// Which of its attempts.
        attempt: Attempt,
    },
    /// A machine has its outcome and all of its output.
    MachineEnded {
        /// The run.
        run: RunId,
        /// The machine.
        machine: MachineId,
        /// Its last attempt.
        attempt: Attempt,
        /// How it ended.
        outcome: MachineOutcome,
    },
    /// An attempt of a machine has failed, and another one follows.
    AttemptEnded {
        /// The run.
        run: RunId,
        /// The machine.
        machine: MachineId,
        /// The attempt.
        attempt: Attempt,
        /// The last one that there can be.
        last: Attempt,
        /// How it ended.
        outcome: MachineOutcome,
        /// When the next one begins.
        next: UnixMillis,
    },
    /// The attempt that a machine was to have next does not come about, since the run begins nothing more.
    RetriesGivenUp {
        /// The run.
        run: RunId,
        /// The machine.
        machine: MachineId,
        /// How its last attempt ended, which is its outcome now.
        outcome: MachineOutcome,
    },
    /// A run begins nothing more because too many machines have failed.
    RunStopped {
        /// The run.
        run: RunId,
        /// Machines that have failed.
        failures: u32,
        /// Machines whose turn had not come.
        not_attempted: u32,
    },
    /// A machine that was given up in silence is heard again. Its real outcome follows.
    MachineReturned {
        /// The run.
        run: RunId,
        /// The machine.
        machine: MachineId,
        /// The outcome that no longer holds.
        replaced: MachineOutcome,
    },
    /// A machine was to be killed 30 s ago and has not ended.
    KillUnconfirmed {
        /// The run.
        run: RunId,
        /// The machine.
        machine: MachineId,
        /// Who asked.
        by: String,
    },
    /// A run is over.
    RunFinished {
        /// The run.
        run: RunId,
        /// How it ended.
        outcome: RunOutcome,
        /// How its machines ended.
        counts: Counts,
    },
    /// A run was due while an earlier one was still going.
    Overlap {
        /// The earlier run.
        active: RunId,
    },
    /// No machine matched.
    NoTargets {
        /// The run.
        run: RunId,
    },
    /// Something was not started because of maintenance.
    Maintenance {
        /// What.
        scope: MaintenanceScope,
    },
}

/// What maintenance has kept from starting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MaintenanceScope {
    /// These machines of a run.
    Machines {
        /// The run.
        run: RunId,
        /// The machines.
        machines: Vec<MachineId>,
    },
    /// The entry's job.
    Job(Hold),
}

/// Why an input does not apply. The run is unchanged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The machine is not part of the run.
    #[error("machine {0} is not part of the run")]
    UnknownMachine(MachineId),
    /// Only a queued run begins.
    #[error("the run has already begun")]
    AlreadyBegun,
    /// Machines are taken in only while they are asked for.
    #[error("the run is not waiting for its machines")]
    NotResolving,
    /// There is nothing left to kill.
    #[error("nothing is running there any more")]
    NotRunning,
    /// The report is about a machine whose turn has not come, or that no wrapper speaks for.
    #[error("machine {machine} is {state} and no wrapper speaks for it")]
    NoSpeaker {
        /// The machine.
        machine: MachineId,
        /// The word for its state.
        state: &'static str,
    },
    /// The machine already has another outcome.
    #[error("machine {0} already has its outcome")]
    AlreadyEnded(MachineId),
}
