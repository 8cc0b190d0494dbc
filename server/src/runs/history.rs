//! The runs of the past, for whoever shows them.

use super::StoreError;
use futures::future::BoxFuture;
use saltpeter_domain::past::{Tally, tally};
use saltpeter_protocol::api::{JobPast, RunSummary};
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

    /// The attempt of `machine` in `run` that its state is about; `None` when there is no such run, `Some(None)` when the machine is not part of it.
    fn newest_attempt<'a>(
        &'a self,
        run: &'a RunId,
        machine: &'a MachineId,
    ) -> BoxFuture<'a, Result<Option<Option<Attempt>>, StoreError>>;
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

    /// The attempt of `machine` in `run` that its state is about; `None` when there is no such run, `Some(None)` when the machine is not part of it.
    pub async fn newest_attempt(
        &self,
        run: &RunId,
        machine: &MachineId,
    ) -> Result<Option<Option<Attempt>>, StoreError> {
        self.kept.newest_attempt(run, machine).await
    }
}
