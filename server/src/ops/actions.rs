//! Starting, killing and pausing.

use super::{Ops, internal, shutting_down, unwritable};
use crate::people::Caller;
use crate::runs::{KillError, StartError, StartRun};
use saltpeter_domain::Job;
use saltpeter_domain::maintenance::Hold;
use saltpeter_protocol::api::{ApiError, ErrorCode, JobRow, Pause};
use saltpeter_protocol::{JobName, MachineId, MachineOutcome, MachineState, RunCause, RunId};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// How long a kill may take to be written down before the answer says that it is not yet.
const KILL_ANSWER: Duration = Duration::from_secs(5);

impl Ops {
    /// Runs a job now, whatever its schedule says.
    pub async fn run_now(&self, caller: &Caller, job: &JobName) -> Result<RunId, ApiError> {
        let job = self.find_job(job)?;
        self.permit_job(caller, &job.name).await?;
        let by = caller.to_string();
        let run = self.start(&job, RunCause::Manual { by }, None).await?;
        self.record(caller, format!("ran {} as {run}", job.name))
            .await;
        Ok(run)
    }

    /// Runs a job again on the machines of `run` that did not succeed; on all of them when each did.
    pub async fn run_again(&self, caller: &Caller, run: &RunId) -> Result<RunId, ApiError> {
        self.permit_run(caller, run).await?;
        let ended = self.stored_run(run).await?;
        if !ended.state().is_ended() {
            let message = format!("{run} is still going; wait for its end or kill it first");
            return Err(ApiError::new(ErrorCode::Conflict, message));
        }
        let job = self.find_job(ended.job())?;
        let machines = || ended.machines().iter();
        let mut only: BTreeSet<MachineId> = machines()
            .filter(|(_, machine)| is_to_repeat(&machine.state))
            .map(|(id, _)| id.clone())
            .collect();
        if only.is_empty() {
            only = machines().map(|(id, _)| id.clone()).collect();
        }
        let cause = RunCause::Again {
            by: caller.to_string(),
            of: run.clone(),
        };
        // A run that found no machines has none to be limited to.
        let only = Some(only).filter(|only: &BTreeSet<_>| !only.is_empty());
        let again = self.start(&job, cause, only).await?;
        self.record(caller, format!("ran {run} again as {again}"))
            .await;
        Ok(again)
    }

    async fn start(
        &self,
        job: &Job,
        cause: RunCause,
        only: Option<BTreeSet<MachineId>>,
    ) -> Result<RunId, ApiError> {
        let jobs = self.parts.config.current();
        let now = self.parts.clock.now();
        if let Some(hold) = jobs.maintenance.hold(&job.group, now) {
            let reason = jobs.maintenance.reason.as_deref();
            let reason = reason.map_or(String::new(), |reason| format!(" ({reason})"));
            let message = match hold {
                Hold::Everything => {
                    format!("global maintenance is on{reason}: nothing new starts until it is off")
                }
                Hold::Group => format!(
                    "the group {} is under maintenance{reason}: none of its jobs starts until that is over",
                    job.group
                ),
            };
            return Err(ApiError::new(ErrorCode::Maintenance, message));
        }
        if let Some(trouble) = self.parts.health.state_failure() {
            return Err(unwritable(&trouble));
        }
        let start = StartRun {
            job: job.name.clone(),
            spec: Arc::new(job.freeze(&jobs.settings)),
            cause,
            only,
            reconnect_grace: job.reconnect_grace(&jobs.settings),
        };
        self.parts
            .runs
            .start(start)
            .await
            .map_err(|error| match error {
                StartError::SkippedOverlap { .. } => {
                    ApiError::new(ErrorCode::Overlap, error.to_string())
                }
                StartError::AlreadyStarted(_) | StartError::Deleted => {
                    ApiError::new(ErrorCode::Conflict, error.to_string())
                }
                StartError::ShuttingDown => shutting_down(),
                StartError::Store(error) => self.store_failed(&error),
            })
    }

    /// Kills a run, or one machine of it.
    pub async fn kill_run(
        &self,
        caller: &Caller,
        run: &RunId,
        machine: Option<MachineId>,
    ) -> Result<(), ApiError> {
        self.permit_run(caller, run).await?;
        self.kill_permitted(caller, run, machine).await
    }

    async fn kill_permitted(
        &self,
        caller: &Caller,
        run: &RunId,
        machine: Option<MachineId>,
    ) -> Result<(), ApiError> {
        let did = match &machine {
            Some(machine) => format!("killed {run} on {machine}"),
            None => format!("killed {run}"),
        };
        let (ops, by, run) = (self.clone(), caller.clone(), run.clone());
        // On its own: one that lands after the answer is put down too, and the server's end waits for it.
        let killing = self.parts.life.spawn_brief(async move {
            ops.parts.runs.kill(&run, machine, by.to_string()).await?;
            ops.record(&by, did).await;
            Ok(())
        });
        let Ok(killed) = tokio::time::timeout(KILL_ANSWER, killing).await else {
            return Err(self.kill_waits());
        };
        let killed = killed.map_err(|error| internal(&error))?;
        killed.map_err(|error| match error {
            KillError::UnknownRun(_) => ApiError::new(ErrorCode::UnknownRun, error.to_string()),
            KillError::UnknownMachine(_) => {
                ApiError::new(ErrorCode::UnknownMachine, error.to_string())
            }
            KillError::NotRunning => ApiError::new(ErrorCode::NotRunning, error.to_string()),
            KillError::ShuttingDown => shutting_down(),
            KillError::Store(error) => self.store_failed(&error),
        })
    }

    fn kill_waits(&self) -> ApiError {
        let trouble = self.parts.health.state_failure();
        let why = trouble.map_or(String::new(), |trouble| format!(" {}", trouble.sentence()));
        let message = format!(
            "the kill cannot be written down yet; it is carried out as soon as it is.{why}"
        );
        ApiError::new(ErrorCode::Unavailable, message)
    }

    /// Kills every run of a job that is not over, or one machine in all of them. Returns those runs.
    pub async fn kill_job(
        &self,
        caller: &Caller,
        job: &JobName,
        machine: Option<MachineId>,
    ) -> Result<Vec<RunId>, ApiError> {
        self.permit_job(caller, job).await?;
        let active = self.parts.runs.active(job);
        if active.is_empty() {
            // A job that is gone from the files may still have runs; one that never was has none.
            self.find_job(job)?;
            let message = format!("no run of {job} is going");
            return Err(ApiError::new(ErrorCode::NotRunning, message));
        }
        let mut killed = Vec::new();
        let mut refused = None;
        for run in active {
            let killing = self.kill_permitted(caller, &run.id, machine.clone());
            match killing.await {
                Ok(()) => killed.push(run.id),
                Err(error) => refused = Some(error),
            }
        }
        match refused {
            Some(error) if killed.is_empty() => Err(error),
            _ => Ok(killed),
        }
    }

    /// Pauses or resumes a job's schedule. Run now stays possible.
    pub async fn pause(
        &self,
        caller: &Caller,
        job: &JobName,
        paused: bool,
    ) -> Result<JobRow, ApiError> {
        self.find_job(job)?;
        self.permit_job(caller, job).await?;
        let pause = paused.then(|| Pause {
            by: caller.to_string(),
            at: self.parts.clock.now(),
        });
        let pauses = &self.parts.pauses;
        pauses
            .set(job, pause)
            .await
            .map_err(|e| self.store_failed(&e))?;
        let verb = if paused { "paused" } else { "resumed" };
        self.record(caller, format!("{verb} {job}")).await;
        self.parts.board.pause(&pauses.current());
        let row = self.parts.board.row(job);
        row.ok_or_else(|| internal(&"the job went away meanwhile"))
    }
}

/// Whether a machine that stands so is one that Run again takes.
fn is_to_repeat(state: &MachineState) -> bool {
    state.outcome().is_some_and(|outcome| {
        !matches!(
            outcome,
            MachineOutcome::Succeeded | MachineOutcome::Maintenance
        )
    })
}
