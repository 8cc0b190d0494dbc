//! The configuration: files, their problems, the settings in force.

use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// Something wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// File name, relative to the configuration directory.
    pub file: String,
    /// Line, from 1; 0 for the whole file.
    pub line: u32,
    /// Column, from 1; 0 for the whole line.
    pub column: u32,
    /// How bad.
    pub severity: Severity,
    /// What was wrong and what was expected.
    pub message: String,
    /// The job it is in, where that is known.
    pub job: Option<String>,
    /// Whether an earlier good version of the file is still in force.
    pub last_good_in_force: bool,
}

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The thing is not in force.
    Error,
    /// It is in force, and probably not as meant.
    Warning,
}

impl Severity {
    /// The word in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// The Config page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigPage {
    /// The configuration directory.
    pub directory: String,
    /// Its files.
    pub files: Vec<ConfigFile>,
    /// Everything wrong with them.
    pub problems: Vec<Problem>,
    /// How machines are reached, and why so, in a sentence.
    pub executor: String,
    /// The settings in force.
    pub settings: Vec<SettingRow>,
    /// The clusters that get documents.
    #[serde(default)]
    pub sinks: Vec<SinkRow>,
}

/// How a cluster that gets documents is doing. The counts are of documents since the server's start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkRow {
    /// `elasticsearch` or `opensearch`.
    pub name: String,
    /// Its address; a password in it is masked.
    pub address: String,
    /// Whether it takes them.
    pub health: SinkHealth,
    /// Documents that wait on disk.
    pub waiting: u64,
    /// Their bytes.
    pub waiting_bytes: u64,
    /// Taken by the cluster.
    pub sent: u64,
    /// Lost here: there was no more room to wait in, or the disk failed.
    pub dropped: u64,
    /// Refused for good by the cluster, one by one, and dropped.
    pub rejected: u64,
}

/// Whether a cluster takes documents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "health", rename_all = "snake_case")]
pub enum SinkHealth {
    /// The last attempt went well, or there was none.
    Working,
    /// It does not; what comes waits on disk and is tried again.
    Failing {
        /// Since when.
        since: UnixMillis,
        /// What went wrong last.
        reason: String,
    },
}

/// A configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigFile {
    /// Its name.
    pub name: String,
    /// How many jobs it defines.
    pub jobs: u32,
    /// When its version in force was read; `None` when nothing of it is in force.
    pub loaded: Option<UnixMillis>,
    /// Whether the version on disk is the one in force.
    pub state: ConfigFileState,
    /// How many errors the version on disk has.
    #[serde(default)]
    pub errors: u32,
    /// How many warnings.
    #[serde(default)]
    pub warnings: u32,
}

/// Whether a file's version on disk is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConfigFileState {
    /// It is.
    InForce,
    /// It has errors; an earlier good version is.
    LastGoodInForce,
    /// It has errors, and what is valid of it is in force.
    PartlyInForce,
    /// It cannot be read, and no earlier version is known.
    NotInForce,
}

/// A global setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingRow {
    /// The key.
    pub key: String,
    /// The value in force; masked when it is a secret.
    pub value: String,
    /// Where it comes from: `default`, `flag`, or `file:line`.
    pub source: String,
    /// When a change takes effect.
    pub effect: SettingEffect,
}

/// When a change of a setting takes effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub enum SettingEffect {
    /// Within a second.
    AtOnce,
    /// At the next start.
    Restart,
    /// At the next start, and the files already hold another value.
    RestartPending {
        /// The value in the files.
        pending: String,
    },
}
