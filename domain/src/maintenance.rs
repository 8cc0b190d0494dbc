//! Maintenance: nothing new starts, everywhere or on some machines.

use saltpeter_protocol::{MachineId, UnixMillis};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What `saltpeter_maintenance` says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Maintenance {
    /// Whether nothing new starts at all.
    pub global: bool,
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

impl Maintenance {
    /// Whether global maintenance is on at `now`.
    pub fn is_global(&self, now: UnixMillis) -> bool {
        self.global && !self.is_over(now)
    }

    /// Whether `machine` is taken out of every job's targets at `now`. Global maintenance is another matter:
    /// ask [`Maintenance::is_global`].
    pub fn covers(&self, machine: &MachineId, now: UnixMillis) -> bool {
        !self.is_over(now) && self.machines.contains(machine)
    }

    fn is_over(&self, now: UnixMillis) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}
