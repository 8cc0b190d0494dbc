//! A crontab made into jobs.

use crate::ids::JobName;
use serde::{Deserialize, Serialize};

/// What is to be made of a crontab.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportRequest {
    /// The crontab's text.
    pub crontab: String,
    /// Which machines the jobs are for: a glob over their names, as in a job's `targets`.
    pub targets: String,
    /// Whether its lines name a user.
    #[serde(default)]
    pub form: CrontabForm,
    /// Whose crontab it is, where its lines do not say so.
    #[serde(default)]
    pub user: Option<String>,
    /// The group, which is the name of the file that the jobs are to stand in.
    #[serde(default)]
    pub group: Option<String>,
}

/// The two forms of crontabs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CrontabForm {
    /// To be found out.
    #[default]
    Detect,
    /// A user's, as `crontab -l` prints it: the command follows the five fields.
    User,
    /// The system's (`/etc/crontab`, `/etc/cron.d`): a user stands before the command.
    System,
}

/// The jobs that a crontab makes, and what became of each of its lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportResult {
    /// A file for the configuration directory.
    pub yaml: String,
    /// How many jobs it has.
    pub jobs: u32,
    /// The form that the crontab was read in.
    pub form: CrontabForm,
    /// The lines that are neither empty nor comments, in order.
    pub lines: Vec<ImportLine>,
    /// What concerns all of it.
    pub notes: Vec<String>,
}

/// What became of a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportLine {
    /// Its number, from 1.
    pub line: u32,
    /// Where in it the trouble is, in characters from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// The line.
    pub text: String,
    /// Whether it is in the file.
    pub outcome: ImportOutcome,
    /// The jobs that it makes.
    pub jobs: Vec<JobName>,
    /// What is to be known of it; with [`ImportOutcome::Refused`], why it is not in the file.
    pub remarks: Vec<String>,
}

/// Whether a line is in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportOutcome {
    /// As it was.
    Converted,
    /// With a remark that is worth reading.
    Remarked,
    /// It is not.
    Refused,
}

impl ImportResult {
    /// How many lines are not in the file.
    pub fn refused(&self) -> usize {
        let is_refused = |line: &&ImportLine| line.outcome == ImportOutcome::Refused;
        self.lines.iter().filter(is_refused).count()
    }
}
