//! A job is due while an earlier run of it is still going: which of them go on?
//!
//! Decided under one lock per job. What waits is written down as queued and is taken up after a restart.

use super::{CreateError, NewRun, RunHandle, Runs, StartError, StartRun};
use saltpeter_domain::job::Overlap;
use saltpeter_domain::run::{Input, LogEvent};
use saltpeter_protocol::api::RunSummary;
use saltpeter_protocol::{JobName, RunCause, RunId, RunOutcome, RunState};

/// What becomes of a run that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    /// It begins.
    Begin,
    /// It waits until the others are over.
    Wait,
    /// It waits until the others are over, and they are killed.
    Replace,
    /// It does not begin, because of this one.
    Skip(RunId),
}

fn judge(policy: Overlap, cause: &RunCause, active: &[RunSummary]) -> Verdict {
    let Some(first) = active.first() else {
        return Verdict::Begin;
    };
    match policy {
        // What makes up for missed runs is not to be skipped in its turn, nor to end another.
        Overlap::Skip | Overlap::Queue | Overlap::Replace
            if matches!(cause, RunCause::CatchUp { .. }) =>
        {
            Verdict::Wait
        }
        Overlap::Allow => Verdict::Begin,
        Overlap::Skip => Verdict::Skip(first.id.clone()),
        Overlap::Replace => Verdict::Replace,
        Overlap::Queue => active
            .iter()
            .find(|run| run.state == RunState::Queued)
            .map_or(Verdict::Wait, |waiting| Verdict::Skip(waiting.id.clone())),
    }
}

impl Runs {
    pub(super) async fn start_under_policy(&self, start: StartRun) -> Result<RunId, StartError> {
        if self.inner.stop.is_cancelled() {
            return Err(StartError::ShuttingDown);
        }
        let deciding = self.deciding(&start.job);
        let _decision = deciding.lock().await;
        let active = self.active(&start.job);
        let verdict = judge(start.spec.overlap, &start.cause, &active);
        let state = match verdict {
            Verdict::Begin => RunState::Resolving,
            Verdict::Wait | Verdict::Replace => RunState::Queued,
            Verdict::Skip(earlier) => return Err(self.skip(start, earlier).await),
        };
        let run = self
            .create(NewRun {
                job: start.job.clone(),
                cause: start.cause,
                created: self.inner.clock.now(),
                spec: start.spec,
                state,
                only: start.only,
                reconnect_grace: start.reconnect_grace,
            })
            .await?;
        if verdict == Verdict::Replace {
            self.kill_for(&active, run.run()).await;
        }
        if verdict != Verdict::Begin {
            // The others may have ended while this one was written down.
            self.begin_next(&start.job).await;
        }
        Ok(run.run().clone())
    }

    /// Notes that a run was not begun. A scheduled one gets its row in the history.
    async fn skip(&self, start: StartRun, earlier: RunId) -> StartError {
        let event = LogEvent::Overlap {
            active: earlier.clone(),
        };
        self.log(start.job.clone(), start.spec.group.clone(), event);
        if start.cause.instant().is_some() {
            let outcome = RunOutcome::SkippedOverlap;
            if let Err(error) = self
                .record(start.job, start.spec, start.cause, outcome)
                .await
            {
                return error;
            }
        }
        StartError::SkippedOverlap { active: earlier }
    }

    /// Kills `others` for the sake of `by`. Does not wait: the lock is held.
    async fn kill_for(&self, others: &[RunSummary], by: &RunId) {
        for other in others {
            match self.handle(&other.id).await {
                Ok(Some(handle)) => {
                    handle
                        .post(Input::Kill {
                            machine: None,
                            by: format!("replaced by {by}"),
                        })
                        .await;
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(run = %other.id, %error, "a run that is to be replaced could not be read");
                }
            }
        }
    }

    /// A run of the job is over: lets the one begin that waits for it.
    pub(super) async fn after_end(&self, job: &JobName) {
        let deciding = self.deciding(job);
        let _decision = deciding.lock().await;
        self.begin_next(job).await;
    }

    /// Lets the oldest queued run begin when no other is going. The lock is held.
    async fn begin_next(&self, job: &JobName) {
        let active = self.active(job);
        if active.iter().any(|run| run.state != RunState::Queued) {
            return;
        }
        let Some(next) = active.first() else {
            return;
        };
        if let Ok(Some(handle)) = self.handle(&next.id).await {
            begin(&handle).await;
        }
    }

    /// After a restart: goes on with what was decided before. `replacement` waits, and what is older is to end for it.
    pub(super) async fn decide_again(&self, job: &JobName, replacement: Option<&RunId>) {
        let deciding = self.deciding(job);
        let _decision = deciding.lock().await;
        let active = self.active(job);
        if let Some(replacement) = replacement
            && let Some(place) = active.iter().position(|run| run.id == *replacement)
        {
            // A kill that was stored before stays as it was.
            self.kill_for(&active[..place], replacement).await;
        }
        self.begin_next(job).await;
    }
}

async fn begin(handle: &RunHandle) {
    handle.post(Input::Begin).await;
}

impl From<CreateError> for StartError {
    fn from(error: CreateError) -> Self {
        match error {
            CreateError::AlreadyStarted(run) => Self::AlreadyStarted(run),
            CreateError::Store(error) => Self::Store(error),
        }
    }
}
