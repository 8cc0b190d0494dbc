//! Maintenance: nothing new starts, everywhere, of some groups of jobs, or on some machines.

pub mod past;

use chrono::{DateTime, SecondsFormat};
use saltpeter_protocol::{MachineId, UnixMillis};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// What `saltpeter_maintenance` says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Maintenance {
    /// Whether nothing new starts at all.
    pub global: bool,
    /// Groups whose jobs do not start.
    #[serde(default)]
    pub groups: BTreeSet<String>,
    /// Machines that are taken out of every job's targets.
    pub machines: BTreeSet<MachineId>,
    /// Why, for those who read the banner.
    pub reason: Option<String>,
    /// Who switched it on.
    pub by: Option<String>,
    /// Since when.
    pub since: Option<UnixMillis>,
    /// When it ends by itself; `None`: when it is switched off.
    pub until: Option<UnixMillis>,
}

/// What keeps a job from starting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// Nothing starts.
    Everything,
    /// Nothing of the job's group does.
    Group,
}

impl Hold {
    /// What job logs and documents say of it. The first is the earlier implementation's.
    pub fn words(self) -> &'static str {
        match self {
            Self::Everything => "Global maintenance mode active",
            Self::Group => "Group under maintenance",
        }
    }
}

impl Maintenance {
    /// Whether global maintenance is on at `now`.
    pub fn is_global(&self, now: UnixMillis) -> bool {
        self.global && !self.is_over(now)
    }

    /// What keeps jobs of `group` from starting at `now`, if anything does.
    pub fn hold(&self, group: &str, now: UnixMillis) -> Option<Hold> {
        if self.is_global(now) {
            return Some(Hold::Everything);
        }
        let is_held = !self.is_over(now) && self.groups.contains(group);
        is_held.then_some(Hold::Group)
    }

    /// Whether `machine` is taken out of every job's targets at `now`. Global maintenance is another matter:
    /// ask [`Maintenance::is_global`].
    pub fn covers(&self, machine: &MachineId, now: UnixMillis) -> bool {
        !self.is_over(now) && self.machines.contains(machine)
    }

    /// As it is in force at `now`: nothing of it when it is over. When it began is left out.
    pub fn in_force(&self, now: UnixMillis) -> Self {
        if self.is_over(now) {
            return Self::default();
        }
        Self {
            since: None,
            ..self.clone()
        }
    }

    /// Whether there is nothing under maintenance at `now`.
    pub fn is_nothing(&self, now: UnixMillis) -> bool {
        self.is_over(now) || (!self.global && self.groups.is_empty() && self.machines.is_empty())
    }

    fn is_over(&self, now: UnixMillis) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

impl fmt::Display for Maintenance {
    /// In words, for the audit log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.global { "on" } else { "off" };
        let groups: Vec<&str> = self.groups.iter().map(String::as_str).collect();
        let machines: Vec<&str> = self.machines.iter().map(MachineId::as_str).collect();
        write!(
            f,
            "global {state}, groups [{}], machines [{}], reason {}, until ",
            groups.join(", "),
            machines.join(", "),
            self.reason.as_deref().unwrap_or("-"),
        )?;
        let until = self
            .until
            .and_then(|until| DateTime::from_timestamp(until.seconds(), 0));
        match until {
            None => f.write_str("-"),
            Some(until) => f.write_str(&until.to_rfc3339_opts(SecondsFormat::Secs, true)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_in_its_words_with_the_end() {
        let maintenance = Maintenance {
            groups: ["db".to_owned()].into(),
            until: Some(UnixMillis(1_780_275_600_000)),
            ..Maintenance::default()
        };
        insta::assert_snapshot!(
            maintenance,
            @"global off, groups [db], machines [], reason -, until 2026-06-01T01:00:00Z"
        );
    }
}
