//! The runs of the past, for whoever shows them.

use super::StoreError;
use futures::future::BoxFuture;
use saltpeter_domain::past::{Tally, tally};
use saltpeter_domain::timeline::Ran;
use saltpeter_protocol::api::{JobPast, LaneBy, RunList, RunQuery, RunSummary};
use saltpeter_protocol::{Attempt, JobName, MachineId, RunId, UnixMillis};
use std::sync::Arc;

/// Where the runs of the past are kept.
pub trait RunHistory: Send + Sync + 'static {
    /// The job's `limit` newest runs, newest first.
    fn newest<'a>(
        &'a self,
        job: &'a JobName,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<RunSummary>, StoreError>>;

    /// What the job's past says at `now`. `failed` is its newest run that counts, if that is no success.
    fn past<'a>(
        &'a self,
        job: &'a JobName,
        failed: Option<&'a RunId>,
        now: UnixMillis,
    ) -> BoxFuture<'a, Result<JobPast, StoreError>>;

    /// When the job's last success began, also where that run is among the deleted.
    fn last_succeeded<'a>(
        &'a self,
        job: &'a JobName,
    ) -> BoxFuture<'a, Result<Option<UnixMillis>, StoreError>>;

    /// The attempt of `machine` in `run` that its state is about; `None` when there is no such run, `Some(None)` when the machine is not part of it.
    fn newest_attempt<'a>(
        &'a self,
        run: &'a RunId,
        machine: &'a MachineId,
    ) -> BoxFuture<'a, Result<Option<Option<Attempt>>, StoreError>>;

    /// The runs that `asked` asks for, newest first, `limit` of them.
    fn by<'a>(
        &'a self,
        asked: &'a RunQuery,
        limit: u32,
    ) -> BoxFuture<'a, Result<RunList, StoreError>>;

    /// The machines that have taken part in a run, in order, `limit` of them, and what the results of each
    /// say of the `days` up to `now`.
    fn machines(
        &self,
        days: u32,
        now: UnixMillis,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<MachineResults>, StoreError>>;

    /// What goes on on machines, oldest run first, `limit` of it.
    fn work(&self, limit: u32) -> BoxFuture<'_, Result<Vec<MachineWork>, StoreError>>;

    /// What ran within `span`, in whichever order, `limit` of it: of each run, or of each machine of each run. What has
    /// not ended lasts until `now`.
    fn lasted(
        &self,
        by: LaneBy,
        span: (UnixMillis, UnixMillis),
        now: UnixMillis,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<Lasted>, StoreError>>;
}

/// Something that ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lasted {
    /// The job's name, or the machine's.
    pub lane: String,
    /// What, and when.
    pub ran: Ran,
}

/// What the results of a machine say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineResults {
    /// The machine.
    pub machine: MachineId,
    /// How many there are.
    pub results: u32,
    /// How many of those are no success.
    pub failed: u32,
    /// When a command was last heard of there.
    pub seen: Option<UnixMillis>,
}

/// Something that goes on on a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineWork {
    /// The machine.
    pub machine: MachineId,
    /// The run.
    pub run: RunId,
    /// Whether its wrapper is heard, as far as is known: a command runs, and contact is not lost.
    pub is_heard: bool,
}

/// A way to ask for them. Clones share it.
#[derive(Clone)]
pub struct History {
    kept: Arc<dyn RunHistory>,
}

impl History {
    /// Over where they are kept.
    pub fn new(kept: Arc<dyn RunHistory>) -> Self {
        Self { kept }
    }

    /// The job's `limit` newest runs, newest first.
    pub async fn newest(&self, job: &JobName, limit: u32) -> Result<Vec<RunSummary>, StoreError> {
        self.kept.newest(job, limit).await
    }

    /// What the job's past says at `now`; `newest` are its newest runs, newest first.
    pub async fn past(
        &self,
        job: &JobName,
        newest: &[RunSummary],
        now: UnixMillis,
    ) -> Result<JobPast, StoreError> {
        let mut counted = newest.iter().filter_map(|run| {
            let tally = tally(run.state.outcome()?);
            (tally != Tally::Other).then_some((&run.id, tally))
        });
        let failed = match counted.next() {
            Some((run, Tally::Failed)) => Some(run),
            _ => None,
        };
        self.kept.past(job, failed, now).await
    }

    /// When the job's last success began, also where that run is among the deleted.
    pub async fn last_succeeded(&self, job: &JobName) -> Result<Option<UnixMillis>, StoreError> {
        self.kept.last_succeeded(job).await
    }

    /// The attempt of `machine` in `run` that its state is about; `None` when there is no such run, `Some(None)` when the machine is not part of it.
    pub async fn newest_attempt(
        &self,
        run: &RunId,
        machine: &MachineId,
    ) -> Result<Option<Option<Attempt>>, StoreError> {
        self.kept.newest_attempt(run, machine).await
    }

    /// The runs that `asked` asks for, newest first, `limit` of them.
    pub async fn by(&self, asked: &RunQuery, limit: u32) -> Result<RunList, StoreError> {
        self.kept.by(asked, limit).await
    }

    /// The machines that have taken part in a run, in order, `limit` of them, and what the results of each
    /// say of the `days` up to `now`.
    pub async fn machines(
        &self,
        days: u32,
        now: UnixMillis,
        limit: u32,
    ) -> Result<Vec<MachineResults>, StoreError> {
        self.kept.machines(days, now, limit).await
    }

    /// What goes on on machines, oldest run first, `limit` of it.
    pub async fn work(&self, limit: u32) -> Result<Vec<MachineWork>, StoreError> {
        self.kept.work(limit).await
    }

    /// What ran within `span`, in whichever order, `limit` of it: of each run, or of each machine of each run. What has
    /// not ended lasts until `now`.
    pub async fn lasted(
        &self,
        by: LaneBy,
        span: (UnixMillis, UnixMillis),
        now: UnixMillis,
        limit: u32,
    ) -> Result<Vec<Lasted>, StoreError> {
        self.kept.lasted(by, span, now, limit).await
    }
}
