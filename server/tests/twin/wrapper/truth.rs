//! What a wrapper holds the server to: nothing is acknowledged, told or asked for that is not stored.

use super::Runner;
use crate::machines::Wrapper;
use saltpeter_domain::run::{MachineRun, Speaker};
use saltpeter_protocol::launch::Launch;

impl Runner {
    pub(super) fn note(&self, what: std::fmt::Arguments<'_>) {
        let Launch { run, machine, .. } = &self.launch;
        let id = self.id.0 >> 48;
        self.world
            .note(format_args!("{run} {machine} w{id:04x}: {what}"));
    }

    pub(super) fn violation(&self, what: std::fmt::Arguments<'_>) {
        let Launch { run, machine, .. } = &self.launch;
        let id = self.id.0 >> 48;
        self.world
            .violation(format_args!("{run} {machine} w{id:04x}: {what}"));
    }

    pub(super) fn known(&self, change: impl FnOnce(&mut Wrapper)) {
        if let Some(known) = self.world.machines().wrappers.get_mut(&self.id.0) {
            change(known);
        }
    }

    /// What the store says of the machine.
    pub(super) fn stored<T>(&self, look: impl FnOnce(&MachineRun, bool) -> T) -> Option<T> {
        let disk = self.world.disk();
        let run = disk.run(&self.launch.run)?;
        let machine = run.machines().get(&self.launch.machine)?;
        Some(look(machine, run.head().kill.is_some()))
    }

    /// Whether the store has how this wrapper's attempt ended.
    pub(super) fn is_end_stored(&self) -> bool {
        let speaker = Some(Speaker::V2(self.id));
        let stored = self.stored(|machine, _| {
            let of_earlier = machine.earlier.iter().any(|past| past.speaker == speaker);
            let is_the_one = machine.bound.map(|bound| bound.speaker) == speaker;
            of_earlier || (is_the_one && machine.state.is_ended())
        });
        stored == Some(true)
    }

    pub(super) fn must_be_durable(&self, said: u64) {
        let speaker = Speaker::V2(self.id);
        let attempt = self.stored(|machine, _| {
            let past = machine.earlier.iter();
            let place = past.clone().position(|past| past.speaker == Some(speaker));
            place.map_or(machine.attempt(), saltpeter_protocol::Attempt::after)
        });
        let Some(attempt) = attempt else { return };
        let key = (
            self.launch.run.clone(),
            self.launch.machine.clone(),
            attempt,
        );
        let kept = self.world.disk().output.get(&key).map_or(0, Vec::len) as u64;
        if kept < said {
            self.violation(format_args!(
                "{said} bytes are acknowledged, {kept} are durable"
            ));
        }
    }
}
