//! The command that a wrapper runs: its start, its end, and whoever ends it.

use super::{Runner, core_now};
use crate::process::Process;
use saltpeter_domain::run::Speaker;
use saltpeter_protocol::launch::{CommandSpec, LockRule};
use saltpeter_protocol::{JobName, MachineId};
use saltpeter_wrapper::core::kill::{Cause, Killer, Strike};
use std::time::Duration;
use tokio::time::Instant;

const LOOK_EVERY: Duration = Duration::from_millis(20);

pub(super) struct Running {
    pub(super) process: Process,
    pub(super) killer: Killer,
    pub(super) look_at: Option<Instant>,
    pub(super) lock: Option<(JobName, MachineId)>,
}

impl Runner {
    pub(super) fn start(&mut self, command: &CommandSpec) {
        let speaker = Some(Speaker::V2(self.id));
        let written = self.stored(|machine, _| machine.bound.map(|bound| bound.speaker) == speaker);
        if written != Some(true) {
            self.violation(format_args!("told to start, and not stored as the one"));
        }
        let lock = (self.launch.job.clone(), self.launch.machine.clone());
        let exclusive = command.overlap != LockRule::Shared;
        if exclusive && !self.world.machines().locks.insert(lock.clone()) {
            let held = "the job's lock is held".to_owned();
            return self.session.cannot_start(held, core_now());
        }
        let lock = exclusive.then_some(lock);
        if self.world.dice().one_in(40) {
            if let Some(lock) = lock {
                self.world.machines().locks.remove(&lock);
            }
            let missing = "no such directory".to_owned();
            return self.session.cannot_start(missing, core_now());
        }
        let process = Process::begin(&mut self.world.dice());
        self.running = Some(Running {
            process,
            killer: Killer::new(command.time_limit, core_now()),
            look_at: None,
            lock,
        });
        self.known(|known| known.started = true);
        let at = self.wall();
        self.session.started(7, at);
        self.note(format_args!("started"));
    }

    pub(super) fn end(&mut self, cause: Cause) {
        if let Some(running) = &mut self.running
            && let Some(strike) = running.killer.end(cause, core_now())
        {
            self.strike(strike);
        }
    }

    pub(super) fn on_killer(&mut self) {
        if let Some(running) = &mut self.running
            && let Some(strike) = running.killer.tick(core_now())
        {
            self.strike(strike);
        }
    }

    fn strike(&mut self, strike: Strike) {
        self.note(format_args!("strike: {strike:?}"));
        if let Some(running) = &mut self.running {
            running.look_at.get_or_insert(Instant::now() + LOOK_EVERY);
            running.process.strike(strike, &mut self.world.dice());
            if strike == Strike::GiveUp {
                running.look_at = None;
            }
        }
    }

    pub(super) fn end_if_over(&mut self, now: Instant) {
        let Some(running) = &mut self.running else {
            return;
        };
        let ending = running.killer.cause().is_some() && !running.killer.gave_up();
        if ending && running.look_at.is_some_and(|at| now >= at) {
            running.look_at = running.process.exit.is_none().then_some(now + LOOK_EVERY);
        }
        let Some(exit) = running.process.exit else {
            return;
        };
        if (ending && running.look_at.is_some()) || !running.process.pipe.is_empty() {
            return;
        }
        let verdict = running.killer.verdict(exit);
        if let Some(lock) = running.lock.take() {
            self.world.machines().locks.remove(&lock);
        }
        self.running = None;
        self.gather(|batch, out| batch.cut(core_now(), out));
        let length = self.buffer.end();
        let at = self.wall();
        self.note(format_args!("ended: {verdict:?}, {length} bytes"));
        self.session.ended(verdict, length, at, core_now());
    }
}
