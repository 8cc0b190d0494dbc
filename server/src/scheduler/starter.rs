//! Writes down what is due, however long that takes.

use crate::clock::Clock;
use crate::runs::{Runs, StartError, StartRun};
use crate::store::health::{Health, Trouble};
use saltpeter_domain::planner::{Due, Fire, FireKind, Missed};
use saltpeter_domain::{Job, JobSet, RunSpec};
use saltpeter_protocol::{JobName, MissedReason, RunCause, UnixMillis};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Between two attempts to write what fails although the storage is well.
const TRY_AGAIN: Duration = Duration::from_secs(5);

/// What becomes of a job's fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// They are started.
    Start,
    /// The job is paused: they pass, and so do those that nobody saw to.
    Paused,
    /// Global maintenance is on, or maintenance of the group: they pass.
    Maintenance,
}

/// See the module.
pub(super) struct Starter {
    pub(super) runs: Runs,
    pub(super) health: Health,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) stop: CancellationToken,
    pub(super) set: Arc<JobSet>,
}

/// Something about an instant of a job that is to be written down.
enum Entry {
    /// It is started, unless that could not be written for longer than the start window.
    Start(StartRun),
    /// It was missed.
    Missed(JobName, Arc<RunSpec>, UnixMillis, MissedReason),
    /// It, and what came before, is done with.
    PassedOver(JobName, UnixMillis),
}

impl Starter {
    /// Writes a job's instants down, the oldest first: after a death in between, those that are left are found again. What
    /// passes gets no run, neither now nor from a server that starts later. Broken off when the server stops before something
    /// could be written: then nothing that is later may be.
    pub(super) async fn see_to(&self, due: Due, fate: Fate) -> ControlFlow<()> {
        let job = &due.job;
        let spec = Arc::new(job.freeze(&self.set.settings));
        let last = due.last();
        if fate != Fate::Paused && !due.missed.is_empty() {
            let least = if due.unlisted { "more than " } else { "" };
            let count = due.missed.len();
            tracing::warn!(job = %job.name, "{least}{count} starts were missed: their time had passed");
            for Missed { instant, reason } in due.missed {
                let entry = Entry::Missed(job.name.clone(), Arc::clone(&spec), instant, reason);
                self.write(job, entry).await?;
            }
        }
        if fate != Fate::Start {
            if let Some(last) = last {
                self.write(job, Entry::PassedOver(job.name.clone(), last))
                    .await?;
            }
            return ControlFlow::Continue(());
        }
        for Fire { instant, kind } in due.fires {
            let start = StartRun {
                job: job.name.clone(),
                spec: Arc::clone(&spec),
                cause: match kind {
                    FireKind::OnTime => RunCause::Schedule { instant },
                    FireKind::CatchUp => RunCause::CatchUp { instant },
                },
                only: None,
                reconnect_grace: job.reconnect_grace(&self.set.settings),
            };
            self.write(job, Entry::Start(start)).await?;
        }
        ControlFlow::Continue(())
    }

    /// Writes, and tries again what could not be written once the storage says that it can be. Nothing is dropped
    /// meanwhile: what is not written by the end of the server is found by the next one.
    async fn write(&self, job: &Job, mut entry: Entry) -> ControlFlow<()> {
        let mut health = self.health.subscribe();
        let mut tried_again = false;
        loop {
            let outcome = self.attempt(&entry).await;
            let error = match &outcome {
                Err(StartError::Store(error)) => error,
                Err(StartError::AlreadyStarted(run)) if tried_again => {
                    // It was written after all, and nobody looks after it yet.
                    let handle = self.runs.handle(run).await;
                    return report(job, handle.map(drop).map_err(Into::into));
                }
                _ => return report(job, outcome),
            };
            tracing::error!(job = %job.name, "a start cannot be written down yet: {error}");
            // A write that failed just before the storage was well again may go through at once. One that fails although
            // it is well is kept and tried again too: no instant is dropped.
            let pause = if tried_again && self.health.state_failure().is_none() {
                TRY_AGAIN
            } else {
                Duration::ZERO
            };
            tried_again = true;
            let writable = async {
                tokio::time::sleep(pause).await;
                health
                    .wait_for(|troubles| !troubles.iter().any(Trouble::stops_starts))
                    .await
                    .map(drop)
            };
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return report(job, Err(StartError::ShuttingDown)),
                _ = writable => {}
            }
            if let Entry::Start(start) = &entry
                && let RunCause::Schedule { instant } = start.cause
                && self.clock.now().since(instant) > self.set.settings.start_window
            {
                let (name, spec) = (start.job.clone(), Arc::clone(&start.spec));
                entry = Entry::Missed(name, spec, instant, MissedReason::StorageFailed);
            }
        }
    }

    async fn attempt(&self, entry: &Entry) -> Result<(), StartError> {
        match entry {
            Entry::Start(start) => self.runs.start(start.clone()).await.map(drop),
            Entry::Missed(job, spec, instant, reason) => {
                let (job, spec) = (job.clone(), Arc::clone(spec));
                let missed = self.runs.record_missed(job, spec, *instant, *reason);
                missed.await.map(drop)
            }
            Entry::PassedOver(job, instant) => {
                Ok(self.runs.pass_over(job.clone(), *instant).await?)
            }
        }
    }
}

fn report(job: &Job, outcome: Result<(), StartError>) -> ControlFlow<()> {
    match outcome {
        Ok(()) => {}
        Err(StartError::SkippedOverlap { active }) => {
            tracing::info!(job = %job.name, "not started: {active} is still going");
        }
        Err(StartError::AlreadyStarted(run)) => {
            tracing::debug!(job = %job.name, %run, "already started");
        }
        Err(error @ StartError::Deleted) => {
            tracing::debug!(job = %job.name, "not started: {error}");
        }
        Err(StartError::ShuttingDown) => {
            tracing::info!(job = %job.name, "not started: the server is shutting down");
            return ControlFlow::Break(());
        }
        Err(StartError::Store(error)) => {
            tracing::error!(job = %job.name, "not written down: {error}");
        }
    }
    ControlFlow::Continue(())
}
