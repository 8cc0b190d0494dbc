//! The configuration directory: from the bytes of its files to a [`JobSet`].
//!
//! The server reads files; [`Loader`] remembers for each what it said last, parses only what changed, and
//! keeps the last good version of a file in force while its new one is wrong.

mod across;
mod assemble;
mod check;
mod diff;
mod edit;
pub mod keys;
mod loader;
mod migrating;
mod nearest;
mod raw;
mod reader;
mod reference;
mod settings;
mod show;
mod sinks;
mod trial;
mod validate;
mod written;

pub use check::{CheckReport, JobSecret};
pub use diff::{JobSetDiff, SettingChange, changed_settings};
pub use edit::{
    ChangedFile, EditError, JobBlock, JobChange, JobEditError, change_job, edit_maintenance,
    job_block, maintenance_section,
};
pub use loader::{FileChange, Loader, MAX_FILE_BYTES, is_config_file};
pub use migrating::{MigrationNote, migration_notes};
pub use reference::reference;
pub use settings::{AuthProxy, Executor, Grains, Plaintext, Settings};
pub use show::ShownSetting;
pub use sinks::SinkAccess;
pub use trial::{Standing, Trial};

pub(crate) use edit::quote;
pub(crate) use nearest::nearest;

use crate::job::{Job, SourceRef};
use crate::maintenance::Maintenance;
use chrono_tz::Tz;
use saltpeter_protocol::{JobName, UnixMillis};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// All that is in force at a moment, and what is wrong with it.
#[derive(Debug, Clone, PartialEq)]
pub struct JobSet {
    /// The valid jobs. A job whose definition did not change is the same `Arc` as before.
    pub jobs: BTreeMap<JobName, Arc<Job>>,
    /// Jobs that are written down and are not in force, or not as written.
    pub invalid: Vec<InvalidJob>,
    /// `saltpeter_config`, with the defaults filled in.
    pub settings: Arc<Settings>,
    /// Where each of them is written that a file gives.
    pub settings_sources: BTreeMap<&'static str, SourceRef>,
    /// `saltpeter_maintenance`.
    pub maintenance: Arc<Maintenance>,
    /// The zone of schedules that name none: `timezone` of the settings, else the server's.
    pub default_zone: Tz,
    /// Everything that is wrong or doubtful, ordered by file and place.
    pub problems: Vec<Problem>,
    /// Every file, ordered by name.
    pub files: Vec<FileInfo>,
}

impl JobSet {
    /// Whether any problem is an error.
    pub fn has_errors(&self) -> bool {
        self.problems
            .iter()
            .any(|problem| problem.severity == Severity::Error)
    }

    /// The file in which the maintenance state is edited: the last that has a say in it, else `maintenance.yaml`.
    pub fn maintenance_file(&self) -> &str {
        let file = self.files.iter().rev().find(|file| file.has_maintenance);
        file.map_or("maintenance.yaml", |file| &file.name)
    }
}

/// A job that did not validate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InvalidJob {
    /// Its name as written; not necessarily a valid one.
    pub name: String,
    /// Its group.
    pub group: String,
    /// Where it is written.
    pub source: SourceRef,
    /// The errors.
    pub problems: Vec<Problem>,
    /// Whether an earlier, valid version of it is still in force.
    pub last_good_in_force: bool,
}

/// What a file of the configuration directory contributes at the moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FileInfo {
    /// Its name within the directory.
    pub name: Arc<str>,
    /// Which version of it is in force.
    pub state: FileState,
    /// When the version in force was read; `None` when none is.
    pub loaded_at: Option<UnixMillis>,
    /// How many of its jobs are in force.
    pub jobs: usize,
    /// Whether it has a say in `saltpeter_maintenance`.
    pub has_maintenance: bool,
    /// How many errors its present content has.
    pub errors: usize,
    /// How many warnings.
    pub warnings: usize,
}

/// Which version of a file is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FileState {
    /// Its present content.
    Current,
    /// An earlier version, for the present one is wrong.
    LastGood,
    /// The valid jobs of a file that never was without errors since the start.
    Partial,
    /// Nothing: it never could be read since the start.
    Rejected,
}

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// What was written is not in force.
    Error,
    /// It is in force, and probably not what was meant.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// Something wrong or doubtful at a place of a file. `Display` gives the line that `saltpeter check` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The file's name within the directory.
    pub file: Arc<str>,
    /// Line, counted from 1; 1 when the whole file is meant.
    pub line: u32,
    /// Column in characters, counted from 1; 1 when the whole file is meant.
    pub column: u32,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong and what was expected.
    pub message: String,
    /// The job it belongs to, as written.
    pub job: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            column,
            severity,
            message,
            ..
        } = self;
        write!(f, "{file}:{line}:{column}: {severity}: {message}")
    }
}
