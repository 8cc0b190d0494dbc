//! Every key of the configuration: its name, type, default, meaning, and how its value is read.
//!
//! These tables are the only place where a key is named. They drive the reading, the warnings about unknown keys, and the
//! reference in `docs/CONFIG.md`.

mod documents;
mod draft;
mod job;
mod machines;
mod maintenance;
mod oidc;
mod plain;
mod proxy;
mod salt;
mod secrets;
mod settings;
mod tls;
mod words;

pub(crate) use draft::{At, JobDraft, WrittenTargets};
pub(crate) use job::JOB_KEYS;
pub(crate) use maintenance::MAINTENANCE_KEYS;
pub(crate) use settings::SETTINGS_KEYS;

use super::raw::Node;
use super::reader::Reader;
use serde::Serialize;

/// The key of the global settings.
pub const SETTINGS: &str = "saltpeter_config";
/// The key of the maintenance state.
pub const MAINTENANCE: &str = "saltpeter_maintenance";

/// When a change of a key takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// As soon as the file is read.
    AtOnce,
    /// When the server is started again.
    Restart,
}

impl Effect {
    /// In words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AtOnce => "at once",
            Self::Restart => "restart",
        }
    }
}

/// What is known of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct KeyInfo {
    /// Its name.
    pub name: &'static str,
    /// The type of its value, in words.
    pub kind: &'static str,
    /// What holds without it, in words; empty where there is no default.
    pub default: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// When a change takes effect. For keys of a job: for runs that start from then on.
    pub effect: Effect,
}

/// A key and the reading of its value into `T`.
pub(crate) struct Key<T> {
    pub(crate) info: KeyInfo,
    pub(crate) read: fn(&mut T, &Node, &mut Reader),
    /// The value as text, secrets and all, where it is shown and compared one by one.
    pub(crate) show: Option<fn(&T) -> String>,
}

const fn key<T>(
    name: &'static str,
    kind: &'static str,
    default: &'static str,
    effect: Effect,
    meaning: &'static str,
    read: fn(&mut T, &Node, &mut Reader),
) -> Key<T> {
    Key {
        info: KeyInfo {
            name,
            kind,
            default,
            meaning,
            effect,
        },
        read,
        show: None,
    }
}

/// The keys of a job, in the order of the reference.
pub fn job_keys() -> impl Iterator<Item = KeyInfo> {
    JOB_KEYS.iter().map(|key| key.info)
}

/// The keys of `saltpeter_config`, in the order of the reference.
pub fn settings_keys() -> impl Iterator<Item = KeyInfo> {
    SETTINGS_KEYS.iter().map(|key| key.info)
}

/// The keys of `saltpeter_maintenance`, in the order of the reference.
pub fn maintenance_keys() -> impl Iterator<Item = KeyInfo> {
    MAINTENANCE_KEYS.iter().map(|key| key.info)
}
