//! What the runs need from the rest of the server.

use super::RunHandle;
use futures::future::BoxFuture;
use saltpeter_domain::RunSpec;
use saltpeter_domain::run::{Changed, LogEntry, MachineRun, Run, RunHead};
use saltpeter_protocol::api::{Counts, KillView, StopView};
use saltpeter_protocol::machine::v2::WrapperId;
use saltpeter_protocol::{Attempt, JobName, MachineId, RunCause, RunId, RunState, UnixMillis};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

pub use crate::store::StoreError;

/// Finds machines, starts wrappers and writes job logs. Every method returns at once; results come back
/// through `reply`.
pub trait Dispatch: Send + Sync + 'static {
    /// Finds out which machines a run takes: matching, up, not under maintenance, `number_of_targets` of them,
    /// and within `only`. Answered by [`super::Dispatched::Resolved`], after which machines that were slow to answer
    /// may come as [`super::Dispatched::Late`], or by `ResolveFailed`.
    fn resolve(&self, order: ResolveOrder, reply: RunHandle);

    /// Starts the wrappers of `order.machines`, or has the executor run the command and stands in for them. A failure is answered by [`super::Dispatched::LaunchFailed`], what takes
    /// longer by `LaunchGoesOn`;
    /// success shows in the wrapper's hello. May be asked for the same machine again after a restart.
    fn launch(&self, order: LaunchOrder, reply: RunHandle);

    /// Writes to a job's log.
    fn log(&self, entry: LogEntry);
}

/// Which machines does this run take?
#[derive(Debug, Clone)]
pub struct ResolveOrder {
    /// The run.
    pub run: RunId,
    /// Its job.
    pub job: JobName,
    /// When it was written down.
    pub created: UnixMillis,
    /// The job as it was then.
    pub spec: Arc<RunSpec>,
    /// The only machines it may take.
    pub only: Option<BTreeSet<MachineId>>,
}

/// Start these machines' wrappers.
#[derive(Debug, Clone)]
pub struct LaunchOrder {
    /// The run.
    pub run: RunId,
    /// Its job.
    pub job: JobName,
    /// When the run was written down.
    pub created: UnixMillis,
    /// The job as it was then.
    pub spec: Arc<RunSpec>,
    /// The machines.
    pub machines: Vec<MachineId>,
    /// Which attempt it is for those of them for which it is not the first.
    pub attempts: BTreeMap<MachineId, Attempt>,
    /// Who speaks for those of them that were launched by an earlier life of this server.
    pub earlier: BTreeMap<MachineId, Earlier>,
}

/// A launch by an earlier life of this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Earlier {
    /// Who speaks for the machine.
    pub wrapper: WrapperId,
    /// Whether the command was said to have started.
    pub started: bool,
}

/// A run to write down.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// The job.
    pub job: JobName,
    /// Why it exists.
    pub cause: RunCause,
    /// When it is written down.
    pub created: UnixMillis,
    /// The job as it is now.
    pub spec: Arc<RunSpec>,
    /// The state it begins in.
    pub state: RunState,
    /// The only machines it may take.
    pub only: Option<BTreeSet<MachineId>>,
    /// See [`super::StartRun::reconnect_grace`].
    pub reconnect_grace: Duration,
}

impl NewRun {
    /// The run, under its name.
    pub fn named(&self, id: RunId) -> Run {
        let head = RunHead {
            id,
            job: self.job.clone(),
            cause: self.cause.clone(),
            created: self.created,
            spec: self.spec.clone(),
            state: self.state.clone(),
            kill: None,
            stopped: None,
            only: self.only.clone(),
            reconnect_grace: self.reconnect_grace,
        };
        Run::new(head, BTreeMap::new())
    }
}

/// The parts of a run that have changed, to be written.
#[derive(Debug, Clone)]
pub struct RunWrite {
    /// The run.
    pub id: RunId,
    /// Where it stands.
    pub state: RunState,
    /// Set once its end was asked for.
    pub kill: Option<KillView>,
    /// Set once it begins nothing more because too many machines have failed.
    pub stopped: Option<StopView>,
    /// Machines by state.
    pub counts: Counts,
    /// Up to four machines that are running.
    pub running_on: Vec<MachineId>,
    /// The settings as they stay, without the environment's values, when it has some and is over for good.
    pub settled: Option<Arc<RunSpec>>,
    /// The machines that have changed.
    pub machines: Vec<(MachineId, MachineRun)>,
}

impl RunWrite {
    /// What has changed of `run`.
    pub fn of(run: &Run, changed: &Changed) -> Self {
        Self {
            id: run.id().clone(),
            state: run.state().clone(),
            kill: run.head().kill.clone(),
            stopped: run.head().stopped,
            counts: run.counts(),
            running_on: run.running_on(),
            settled: (run.is_settled() && !run.spec().env.is_empty())
                .then(|| Arc::new(run.spec().without_values())),
            machines: changed
                .machines
                .iter()
                .filter_map(|id| Some((id.clone(), run.machines().get(id)?.clone())))
                .collect(),
        }
    }
}

/// Why a run was not written down.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The job's run for this instant exists already.
    #[error("the run for this instant exists already: {0}")]
    AlreadyStarted(RunId),
    /// The job's run for this instant, or for a later one, has been and is deleted.
    #[error("the time of this start has passed, and the runs of that time are deleted")]
    Deleted,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Where runs are kept. A future that is ready means that the data is durable.
pub trait RunStore: Send + Sync + 'static {
    /// Writes a run down under a name of its own. At most one exists for each job and scheduled instant.
    fn create_run(&self, new: NewRun) -> BoxFuture<'_, Result<Run, CreateError>>;

    /// Notes that a job's instant is done with, without a run: that what came due by then is not missed.
    fn pass_over(&self, job: JobName, instant: UnixMillis)
    -> BoxFuture<'_, Result<(), StoreError>>;

    /// Writes what has changed, all of it or nothing.
    fn save(&self, write: RunWrite) -> BoxFuture<'_, Result<(), StoreError>>;

    /// A run with its machines.
    fn run<'a>(&'a self, id: &'a RunId) -> BoxFuture<'a, Result<Option<Run>, StoreError>>;

    /// Every run that is not over, in the order in which they were written down.
    fn unfinished_runs(&self) -> BoxFuture<'_, Result<Vec<Run>, StoreError>>;
}
