//! Jobs: the overview that the first page shows, one job, what it would run on.

use super::{JobPast, MaintenanceView, Problem, RunSummary};
use crate::ids::{JobName, MachineId, RunId};
use crate::status::RunState;
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// Everything the Jobs page and the frame around every page show.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Overview {
    /// All jobs, by name.
    pub jobs: Vec<JobRow>,
    /// Jobs (or whole files) that could not be loaded.
    pub problems: Vec<Problem>,
    /// Maintenance as it is in force.
    pub maintenance: MaintenanceView,
    /// What keeps the server from writing to its disk.
    #[serde(default)]
    pub troubles: Vec<StorageTrouble>,
    /// The server.
    pub server: ServerView,
}

/// Something that keeps the server from writing to its disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StorageTrouble {
    /// Since when.
    pub since: UnixMillis,
    /// What it is, what it means and what to do.
    pub message: String,
}

/// The server, as every page's header and footer show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerView {
    /// Its version.
    pub version: String,
    /// Its clock when this was written.
    pub now: UnixMillis,
    /// Its time zone's name, for schedules that name none.
    pub timezone: String,
    /// Above how many machines Run now asks for confirmation.
    pub confirm_above: u32,
    /// Whether admins may change jobs from the dashboard.
    #[serde(default)]
    pub editor: bool,
}

/// A job in the table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobRow {
    /// Its name.
    pub name: JobName,
    /// Its file's name without the extension.
    pub group: String,
    /// When it runs, in words ("02:00 daily"), or the expression where words would be longer.
    pub schedule: String,
    /// The command, as written.
    pub command: String,
    /// The target expression, as written.
    pub targets: String,
    /// How the expression is read: `glob`, `list` …
    pub target_type: String,
    /// Next fire time; `None` when it never fires again or is paused.
    pub next: Option<UnixMillis>,
    /// Set while the job is paused.
    pub paused: Option<Pause>,
    /// The newest run that is over.
    pub last: Option<RunSummary>,
    /// Runs that are not over, oldest first.
    pub active: Vec<RunSummary>,
    /// The newest thirty ended runs, oldest first.
    pub recent: Vec<RecentRun>,
    /// Every key of the job as written in its file, in order; secret values masked.
    pub config: Vec<ConfigEntry>,
}

/// A job that a person has paused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Who.
    pub by: String,
    /// When.
    pub at: UnixMillis,
}

/// One bar of the small history chart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecentRun {
    /// The run.
    pub run: RunId,
    /// How it stands.
    pub state: RunState,
    /// When it was begun.
    pub started: UnixMillis,
}

/// A key and its value, both as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigEntry {
    /// The key.
    pub key: String,
    /// Its value; `••••` for a secret.
    pub value: String,
}

/// What the Job page shows besides the row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobDetail {
    /// The row.
    pub row: JobRow,
    /// Where the job is defined: `file:line`.
    pub source: String,
    /// The schedule as written.
    pub expression: String,
    /// The zone in which the schedule is read.
    pub timezone: String,
    /// The next twenty fire times.
    pub upcoming: Vec<FireTime>,
    /// How many of the matching machines a run takes, chosen at random; `None`: all.
    #[serde(default)]
    pub takes: Option<u32>,
    /// The machines as they would match now, or why that could not be found out.
    pub preview: Result<Vec<TargetRow>, String>,
    /// The newest hundred runs, newest first.
    pub history: Vec<RunSummary>,
    /// Every key with its effective value, defaults included; secret values masked.
    pub effective: Vec<ConfigEntry>,
    /// What its past says.
    #[serde(default)]
    pub past: JobPast,
}

/// A future fire time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FireTime {
    /// When.
    pub at: UnixMillis,
    /// The same in the schedule's zone, RFC 3339 with its offset.
    pub local: String,
    /// What a change of the clocks does to it, where it does anything.
    pub dst: Option<DstMark>,
}

/// What a change of the clocks does to a fire time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DstMark {
    /// Its wall-clock time does not exist that day: it fires at the first moment after the gap.
    MovedByGap,
    /// Its wall-clock time comes twice that day: it fires at the first.
    FirstOfTwo,
}

impl DstMark {
    /// The mark as a sentence.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::MovedByGap => "clocks go forward: moved to the first moment after the gap",
            Self::FirstOfTwo => "clocks go back: runs at the first of the two",
        }
    }
}

/// A machine in a preview of the targets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetRow {
    /// The machine.
    pub machine: MachineId,
    /// Whether it is in.
    pub verdict: TargetVerdict,
    /// Why it is not, where there is more to say than the verdict does: `it is not in the list`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Whether a machine would take part, and if not, why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetVerdict {
    /// It would run.
    Included,
    /// The expression does not match it.
    NotMatched,
    /// It is under maintenance.
    Maintenance,
    /// It does not respond.
    Down,
}

impl TargetVerdict {
    /// The verdict's words, as shown in every preview.
    pub fn label(self) -> &'static str {
        match self {
            Self::Included => "matches",
            Self::NotMatched => "not matched",
            Self::Maintenance => "under maintenance",
            Self::Down => "does not respond",
        }
    }
}

/// Body of `POST /api/v1/jobs/{job}/pause`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PauseRequest {
    /// Pause or resume.
    pub paused: bool,
}
