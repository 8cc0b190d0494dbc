//! What people and programs can ask of the server. The edges turn requests into these calls and nothing else.

mod actions;
mod audit;
mod config_file;
pub mod editor;
mod import;
mod lines;
mod lists;
mod maintenance;
mod pages;
mod preview;
mod timeline;

use crate::audit::Trail;
use crate::clock::Clock;
use crate::config_watch::Config;
use crate::executor::Executor;
use crate::fanout::Board;
use crate::lifecycle::Lifecycle;
use crate::machines::Wrappers;
use crate::outputs::Outputs;
use crate::pauses::Pauses;
use crate::people::audit::What;
use crate::people::oidc::Oidc;
use crate::people::{Caller, People};
use crate::runs::{History, Runs, StoreError};
use crate::settings::InForce;
use crate::sinks::SinkBoard;
use crate::store::health::{Health, Trouble};
use saltpeter_domain::Job;
use saltpeter_domain::access::Deed;
use saltpeter_domain::config::AuthProxy;
use saltpeter_domain::run::Run;
use saltpeter_protocol::api::{ApiError, ErrorCode};
use saltpeter_protocol::{JobName, RunId};
use std::sync::Arc;

/// The use cases. Clones share their parts.
#[derive(Clone)]
pub struct Ops {
    parts: Arc<Parts>,
}

/// What the use cases work with.
pub struct Parts {
    /// What is in force.
    pub config: Config,
    /// The settings as they were at the start.
    pub settings: InForce,
    /// All runs.
    pub runs: Runs,
    /// Those of the past.
    pub history: History,
    /// Which wrappers machines have.
    pub wrappers: Wrappers,
    /// Their output.
    pub outputs: Outputs,
    /// Whether the storage can be written.
    pub health: Health,
    /// What browsers are shown.
    pub board: Board,
    /// The clusters that get documents.
    pub sinks: SinkBoard,
    /// Paused jobs.
    pub pauses: Pauses,
    /// Who did what.
    pub trail: Trail,
    /// Who may do what.
    pub people: People,
    /// The provider at which people log in, if there is one.
    pub oidc: Option<Oidc>,
    /// The machines.
    pub executor: Arc<dyn Executor>,
    /// How they are reached, and why so, in a sentence.
    pub executor_is: String,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The server's life, for what goes on after its answer.
    pub life: Lifecycle,
    /// One edit of the configuration's files at a time.
    pub editing: tokio::sync::Mutex<()>,
}

/// Whether what happens can be written down; and why not, a line for each reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Storage {
    /// It can.
    Well,
    /// It can, after a while.
    Slow(String),
    /// It cannot.
    Failing(String),
}

impl Ops {
    /// Puts the parts together.
    pub fn new(parts: Parts) -> Self {
        Self {
            parts: Arc::new(parts),
        }
    }

    /// What browsers are shown.
    pub fn board(&self) -> &Board {
        &self.parts.board
    }

    /// The time.
    pub fn clock(&self) -> &dyn Clock {
        &*self.parts.clock
    }

    /// Who may do what.
    pub fn people(&self) -> &People {
        &self.parts.people
    }

    /// The proxy that vouches for people, as at the start.
    pub fn auth_proxy(&self) -> Option<&AuthProxy> {
        self.parts.settings.started_with().auth_proxy.as_ref()
    }

    /// The provider at which people log in, as at the start.
    pub fn oidc(&self) -> Option<&Oidc> {
        self.parts.oidc.as_ref()
    }

    /// Nothing, if `caller` may run, kill and pause this job. One that is in no file is of no group.
    async fn permit_job(&self, caller: &Caller, job: &JobName) -> Result<(), ApiError> {
        let jobs = self.parts.config.current();
        let deed = match jobs.jobs.get(job) {
            Some(job) => Deed::Operate { group: &job.group },
            None => Deed::OperateAll,
        };
        Ok(self.parts.people.permit(caller, deed).await?)
    }

    /// The same for the job of a run.
    async fn permit_run(&self, caller: &Caller, run: &RunId) -> Result<(), ApiError> {
        if caller.may(Deed::OperateAll).is_ok() {
            return Ok(());
        }
        let stored = self.stored_run(run).await?;
        self.permit_job(caller, stored.job()).await
    }

    /// A run with its machines.
    async fn stored_run(&self, run: &RunId) -> Result<Run, ApiError> {
        let stored = self.parts.runs.stored(run).await;
        let stored = stored.map_err(|e| self.store_failed(&e))?;
        stored.ok_or_else(|| unknown_run(run))
    }

    /// Puts down what `caller` did.
    async fn record(&self, caller: &Caller, did: String) {
        self.parts.people.record(caller, What::Did(did)).await;
    }

    /// Whether what happens can be written down.
    pub fn storage(&self) -> Storage {
        let troubles = self.parts.health.troubles();
        let lines = || troubles.iter().map(|trouble| trouble.sentence() + "\n");
        if troubles.is_empty() {
            Storage::Well
        } else if troubles.iter().any(Trouble::is_failure) {
            Storage::Failing(lines().collect())
        } else {
            Storage::Slow(lines().collect())
        }
    }

    fn store_failed(&self, error: &StoreError) -> ApiError {
        match self.parts.health.state_failure() {
            Some(trouble) => unwritable(&trouble),
            None => internal(error),
        }
    }

    /// All output.
    pub fn outputs(&self) -> &Outputs {
        &self.parts.outputs
    }

    fn find_job(&self, name: &JobName) -> Result<Arc<Job>, ApiError> {
        let jobs = self.parts.config.current();
        if let Some(job) = jobs.jobs.get(name) {
            return Ok(Arc::clone(job));
        }
        let invalid = jobs.invalid.iter().find(|job| job.name == name.as_str());
        Err(match invalid {
            Some(invalid) => ApiError {
                code: ErrorCode::UnknownJob,
                message: format!(
                    "job {name} is not in force: what {} says of it is wrong",
                    invalid.source
                ),
                details: invalid.problems.iter().map(ToString::to_string).collect(),
            },
            None => ApiError::new(
                ErrorCode::UnknownJob,
                format!(
                    "there is no job {name} in {}",
                    self.parts.config.directory().display()
                ),
            ),
        })
    }
}

/// A name of a job as it stands in a request.
pub fn job_name(text: &str) -> Result<JobName, ApiError> {
    JobName::new(text).map_err(|error| {
        ApiError::new(
            ErrorCode::UnknownJob,
            format!("there is no such job: {error}"),
        )
    })
}

/// A name of a run as it stands in a request.
pub fn run_id(text: &str) -> Result<RunId, ApiError> {
    RunId::new(text).map_err(|error| {
        ApiError::new(
            ErrorCode::UnknownRun,
            format!("there is no such run: {error}"),
        )
    })
}

fn unknown_run(run: &RunId) -> ApiError {
    ApiError::new(ErrorCode::UnknownRun, format!("there is no run {run}"))
}

fn unwritable(trouble: &Trouble) -> ApiError {
    ApiError::new(ErrorCode::Unavailable, trouble.sentence())
}

fn internal(error: &dyn std::fmt::Display) -> ApiError {
    ApiError::new(ErrorCode::Internal, error.to_string())
}

fn shutting_down() -> ApiError {
    ApiError::new(
        ErrorCode::Unavailable,
        "the server is shutting down; try again once it is back",
    )
}
