//! Maintenance: what is in force, and its editing.

use crate::ids::MachineId;
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// Maintenance as it is in force.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MaintenanceView {
    /// Whether nothing new starts at all.
    pub global: bool,
    /// Since when, as far as this server knows.
    pub global_since: Option<UnixMillis>,
    /// Groups whose jobs do not start, in order.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Machines that are taken out of every job's targets.
    pub machines: Vec<MachineId>,
    /// Why, for people.
    pub reason: Option<String>,
    /// When all of it ends by itself.
    #[serde(default)]
    pub until: Option<UnixMillis>,
}

/// The maintenance editor's page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaintenancePage {
    /// What is in force.
    pub current: MaintenanceView,
    /// The file that an edit would change.
    pub file: String,
    /// Identifies the file's present content; an edit must name it.
    pub version: String,
    /// Machines known from the executor or from earlier runs, for completion.
    pub known_machines: Vec<MachineId>,
    /// The groups that there are jobs of, for completion.
    #[serde(default)]
    pub known_groups: Vec<String>,
}

/// An edit of the maintenance settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaintenanceEdit {
    /// The version that the editor started from.
    pub version: String,
    /// Whether nothing new is to start.
    pub global: bool,
    /// Groups whose jobs are not to start.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Machines to take out, one text each; checked by the server.
    pub machines: Vec<String>,
    /// Why, for people.
    pub reason: Option<String>,
    /// When all of it is to end by itself: a date and a time in UTC, such as `2026-03-29T02:30`. `None`: when it is switched off.
    #[serde(default)]
    pub until: Option<String>,
}

/// What an edit would write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaintenanceDiff {
    /// The file.
    pub file: String,
    /// Its lines, in order.
    pub lines: Vec<DiffLine>,
    /// Problems beside their field; the edit can be saved only when there are none.
    pub problems: Vec<FieldProblem>,
}

/// A line of a diff.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiffLine {
    /// What happens to it.
    pub change: DiffChange,
    /// The line without its end.
    pub text: String,
}

/// What happens to a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiffChange {
    /// It stays.
    Same,
    /// It is new.
    Added,
    /// It goes.
    Removed,
}

/// A problem with one field of a form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldProblem {
    /// The field's name: `machines`, `reason` …
    pub field: String,
    /// What was wrong.
    pub message: String,
}
