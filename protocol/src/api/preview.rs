//! What a job would do, before it is saved or run.

use super::{FireTime, Problem, TargetRow};
use crate::ids::JobName;
use serde::{Deserialize, Serialize};

/// How many jobs of a text are previewed; the others are checked all the same.
pub const MAX_PREVIEWED_JOBS: usize = 10;

/// Body of `POST /api/v1/preview`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviewRequest {
    /// A job as it stands in a file, with its name: `backup: {schedule: …, …}`. Several are allowed.
    pub yaml: String,
    /// The file that it is for: its name gives the group, and stands in the problems.
    #[serde(default = "some_file")]
    pub file: String,
}

fn some_file() -> String {
    "job.yaml".to_owned()
}

/// What a text would be as a file of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preview {
    /// What is wrong with it, in the order of its lines.
    pub problems: Vec<Problem>,
    /// The valid jobs in it, by name; the first [`MAX_PREVIEWED_JOBS`].
    pub jobs: Vec<JobPreview>,
}

/// What a job would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobPreview {
    /// The job.
    pub job: JobName,
    /// Its schedule in words, or the expression.
    pub schedule: String,
    /// The schedule as written.
    pub expression: String,
    /// The zone in which the schedule is read.
    pub timezone: String,
    /// The next twenty fire times.
    pub upcoming: Vec<FireTime>,
    /// How many of the matching machines a run takes, chosen at random; `None`: all.
    pub takes: Option<u32>,
    /// The machines as they would match now, or why that could not be found out.
    pub machines: Result<Vec<TargetRow>, String>,
}
