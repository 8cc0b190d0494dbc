//! The runs: a registry of actors, one for each run that is not over.
//!
//! Whoever has something to say to a run (scheduler, executor, a machine's connection, an operator) gets a
//! [`RunHandle`] and sends it; only the run's actor changes the run. It persists a change before it answers,
//! acts on it or publishes it.

mod actor;
mod effects;
mod handle;
mod history;
mod occupant;
mod overlap;
mod port;
mod recovery;
mod registry;
#[cfg(test)]
mod tests;

pub use handle::{Dispatched, Gone, HelloAnswer, MachineInput, RunHandle, ToMachine};
pub use history::{History, Lasted, MachineResults, MachineWork, RunHistory};
pub use occupant::Occupant;
pub use port::{
    CreateError, Dispatch, Earlier, LaunchOrder, NewRun, ResolveOrder, RunStore, RunWrite,
    StoreError,
};
pub use registry::{Broken, Runs};

use saltpeter_domain::RunSpec;
use saltpeter_protocol::api::{MachineRow, RunSummary};
use saltpeter_protocol::{JobName, MachineId, RunCause, RunId};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// A run to begin.
#[derive(Debug, Clone)]
pub struct StartRun {
    /// The job.
    pub job: JobName,
    /// The job as it is now.
    pub spec: Arc<RunSpec>,
    /// Why.
    pub cause: RunCause,
    /// The only machines it may take (Run again); `None`: all that match.
    pub only: Option<BTreeSet<MachineId>>,
    /// For how long after contact was lost a wrapper may return before its machine counts as lost.
    pub reconnect_grace: Duration,
}

/// Why a run was not begun.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The job's run for this instant exists already.
    #[error("the run for this instant exists already: {0}")]
    AlreadyStarted(RunId),
    /// The job's run for this instant, or for a later one, has been and is deleted.
    #[error("the time of this start has passed, and the runs of that time are deleted")]
    Deleted,
    /// An earlier run is still going, and the job's policy is `skip`, or its queue of one is taken. For a
    /// scheduled run, a row in the history says so.
    #[error(
        "{active} of the job is still going, and its overlap policy lets no other wait or start"
    )]
    SkippedOverlap {
        /// The earlier run (or the one that waits).
        active: RunId,
    },
    /// The server is shutting down.
    #[error("the server is shutting down")]
    ShuttingDown,
    /// The run could not be written down.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why nothing was killed.
#[derive(Debug, thiserror::Error)]
pub enum KillError {
    /// No such run.
    #[error("there is no run {0}")]
    UnknownRun(RunId),
    /// The machine is not part of the run.
    #[error("machine {0} is not part of the run")]
    UnknownMachine(MachineId),
    /// It is over.
    #[error("nothing is running there any more")]
    NotRunning,
    /// The server is shutting down.
    #[error("the server is shutting down")]
    ShuttingDown,
    /// The run could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A run has changed. Sent after the change was persisted; changes in quick succession come as one.
#[derive(Debug, Clone, PartialEq)]
pub struct RunChange {
    /// The run as it is now.
    pub summary: RunSummary,
    /// The machines that have changed. Their `output` is left at zero: the output log knows it.
    pub machines: Vec<MachineRow>,
}
