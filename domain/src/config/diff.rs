//! What changed from one [`JobSet`] to the next.

use super::keys::Effect;
use super::{JobSet, Settings};
use crate::job::Job;
use saltpeter_protocol::JobName;
use serde::Serialize;
use std::sync::Arc;

/// What changed from one [`JobSet`] to the next.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct JobSetDiff {
    /// Jobs that were not there before.
    pub added: Vec<JobName>,
    /// Jobs whose definition is another one. A job that only moved within its file is not among them.
    pub changed: Vec<JobName>,
    /// Jobs that are not there any more.
    pub removed: Vec<JobName>,
    /// Settings whose value is another one, by key.
    pub settings: Vec<SettingChange>,
    /// Whether the maintenance state is another one.
    pub maintenance: bool,
}

/// A setting whose value is another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SettingChange {
    /// The key.
    pub key: &'static str,
    /// When the change takes effect.
    pub effect: Effect,
}

impl JobSetDiff {
    /// What changed from `old` to `new`.
    pub fn between(old: &JobSet, new: &JobSet) -> Self {
        let mut diff = Self {
            settings: changed_settings(&old.settings, &new.settings),
            maintenance: old.maintenance != new.maintenance,
            ..Self::default()
        };
        for (name, job) in &new.jobs {
            match old.jobs.get(name) {
                None => diff.added.push(name.clone()),
                Some(before) if !same_definition(before, job) => diff.changed.push(name.clone()),
                Some(_) => {}
            }
        }
        diff.removed = old
            .jobs
            .keys()
            .filter(|name| !new.jobs.contains_key(*name))
            .cloned()
            .collect();
        diff
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The keys of settings that need a restart.
    pub fn needs_restart(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.settings
            .iter()
            .filter(|change| change.effect == Effect::Restart)
            .map(|change| change.key)
    }
}

fn same_definition(old: &Arc<Job>, new: &Arc<Job>) -> bool {
    if Arc::ptr_eq(old, new) {
        return true;
    }
    let mut moved = Job::clone(new);
    moved.source = old.source.clone();
    **old == moved
}

/// The settings whose values differ. The running server compares those it was started with to those now in force, to
/// say what needs a restart.
pub fn changed_settings(old: &Settings, new: &Settings) -> Vec<SettingChange> {
    let (old, new) = (old.exposed(), new.exposed());
    let changed = super::keys::settings_keys()
        .zip(old.iter().zip(&new))
        .filter(|(_, (old, new))| old != new);
    changed
        .map(|(key, _)| SettingChange {
            key: key.name,
            effect: key.effect,
        })
        .collect()
}
