//! A run on which too many machines have failed begins nothing more.

use super::{LogEvent, MachineRun, Run, Step};
use saltpeter_protocol::api::StopView;
use saltpeter_protocol::{MachineId, MachineOutcome, MachineState, UnixMillis};

/// Whether a machine that ended so counts towards `max_failures`. What a person ended does not.
fn is_failure(outcome: &MachineOutcome) -> bool {
    match outcome {
        MachineOutcome::Failed { .. }
        | MachineOutcome::TimedOut
        | MachineOutcome::Lost
        | MachineOutcome::StartFailed { .. }
        | MachineOutcome::Unreachable { .. } => true,
        MachineOutcome::Succeeded
        | MachineOutcome::Killed
        | MachineOutcome::Maintenance
        | MachineOutcome::NotAttempted => false,
    }
}

fn has_failed(machine: &MachineRun) -> bool {
    machine.state.outcome().is_some_and(is_failure)
}

impl Run {
    /// Whether as many machines have failed as it takes.
    pub(super) fn has_failed_enough(&self) -> bool {
        if self.head.stopped.is_some() {
            return true;
        }
        // Killed ones are among them, so this is never less than what counts.
        let Some(limit) = self
            .head
            .spec
            .max_failures
            .filter(|_| self.counts.failed > 0)
        else {
            return false;
        };
        limit.is_reached(self.failures(), self.counts.total - self.counts.maintenance)
    }

    fn failures(&self) -> u32 {
        let failed = self.machines.values().filter(|known| has_failed(known));
        u32::try_from(failed.count()).unwrap_or(u32::MAX)
    }

    /// Stops the run if that keeps anything from beginning: machines that wait are not attempted, those that wait
    /// for another attempt end with the outcome of their last. What runs goes on.
    pub(super) fn stop_if_failed_enough(&mut self, now: UnixMillis, step: &mut Step) {
        let waits = self.counts.waiting + self.counts.retrying > 0 || self.awaiting.is_some();
        if !waits || !self.has_failed_enough() {
            return;
        }
        self.close_places();
        let waiting = self.machines.iter().filter(|(_, machine)| {
            matches!(
                machine.state,
                MachineState::Waiting | MachineState::Retrying { .. }
            )
        });
        let waiting: Vec<MachineId> = waiting.map(|(id, _)| id.clone()).collect();
        if self.head.stopped.is_none() {
            let failures = self.failures();
            self.head.stopped = Some(StopView { failures, at: now });
            step.changed.run = true;
            let event = LogEvent::RunStopped {
                run: self.head.id.clone(),
                failures,
                not_attempted: self.counts.waiting,
            };
            step.effects.push(self.log(event, now));
        }
        for id in waiting {
            if self.counts_as_retrying(&id) {
                self.give_retries_up(&id, now, step);
            } else {
                self.end_machine(&id, None, MachineOutcome::NotAttempted, now, step);
            }
        }
    }

    fn counts_as_retrying(&self, machine: &MachineId) -> bool {
        self.machines
            .get(machine)
            .is_some_and(|known| matches!(known.state, MachineState::Retrying { .. }))
    }

    /// The machine's last attempt was its last one after all.
    fn give_retries_up(&mut self, machine: &MachineId, now: UnixMillis, step: &mut Step) {
        let known = self.machines.get_mut(machine);
        let Some(last) = known.and_then(MachineRun::take_back) else {
            return;
        };
        let event = LogEvent::RetriesGivenUp {
            run: self.head.id.clone(),
            machine: machine.clone(),
            outcome: last.outcome.clone(),
        };
        let state = MachineState::Ended {
            since: last.since,
            at: last.at,
            outcome: last.outcome,
        };
        self.set_state(machine, state, &mut step.changed);
        step.effects.push(self.log(event, now));
    }
}
