//! How a run gets on: machines begin as places are free, each gets its outcome, and at last so does the run.

use super::attempts::Earlier;
use super::{Effect, LogEvent, MachineRun, Run, Step};
use saltpeter_protocol::{
    Attempt, MachineId, MachineOutcome, MachineState, RunOutcome, RunState, UnixMillis,
};

impl Run {
    /// Gives `machine` its outcome, or its attempt where another one follows.
    pub(super) fn end_machine(
        &mut self,
        machine: &MachineId,
        since: Option<UnixMillis>,
        outcome: MachineOutcome,
        now: UnixMillis,
        step: &mut Step,
    ) {
        let Some(known) = self.machines.get(machine) else {
            return;
        };
        if let Some(at) = self.next_attempt(known, &outcome, now) {
            let past = Earlier {
                since,
                at: now,
                outcome,
                speaker: known.bound.map(|bound| bound.speaker),
            };
            return self.end_attempt(machine, past, at, step);
        }
        // One that was to be tried again and is not has begun the next attempt as far as anybody is told.
        let attempt = Attempt::after(known.earlier.len());
        let event = LogEvent::MachineEnded {
            run: self.head.id.clone(),
            machine: machine.clone(),
            attempt,
            outcome: outcome.clone(),
        };
        let attempted = outcome.exit_code().is_some();
        self.forget_awaited(machine);
        self.set_state(
            machine,
            MachineState::Ended {
                since,
                at: now,
                outcome,
            },
            &mut step.changed,
        );
        if attempted {
            step.effects.push(self.log(event, now));
        }
    }

    /// Starts as many waiting machines as the batch size allows; ends the run when every machine has.
    pub(super) fn proceed(&mut self, now: UnixMillis, step: &mut Step) {
        if self.head.state != RunState::Running {
            return;
        }
        self.stop_if_failed_enough(now, step);
        self.try_again(now, step);
        let in_work = self.in_work();
        if self.counts.waiting > 0 {
            let room = self
                .head
                .spec
                .batch_size
                .map_or(u32::MAX, |size| size.get().saturating_sub(in_work));
            let next: Vec<MachineId> = self
                .machines
                .iter()
                .filter(|(_, machine)| machine.state == MachineState::Waiting && !machine.awaited)
                .map(|(id, _)| id.clone())
                .take(room as usize)
                .collect();
            self.begin_on(next, now, step);
        } else if in_work == 0
            && self.awaiting.is_none()
            && let Some(outcome) = self.outcome()
        {
            self.finish(outcome, now, step);
        }
    }

    /// Has the wrappers of `machines` started.
    pub(super) fn begin_on(&mut self, machines: Vec<MachineId>, now: UnixMillis, step: &mut Step) {
        for id in &machines {
            self.set_state(id, MachineState::Starting { since: now }, &mut step.changed);
            let event = LogEvent::MachineStarted {
                run: self.head.id.clone(),
                machine: id.clone(),
                attempt: self
                    .machines
                    .get(id)
                    .map(MachineRun::attempt)
                    .unwrap_or_default(),
            };
            step.effects.push(self.log(event, now));
        }
        if !machines.is_empty() {
            step.effects.push(Effect::Launch(machines));
        }
    }

    pub(super) fn finish(&mut self, outcome: RunOutcome, now: UnixMillis, step: &mut Step) {
        if outcome == RunOutcome::NoTargets {
            let run = self.head.id.clone();
            step.effects
                .push(self.log(LogEvent::NoTargets { run }, now));
        }
        self.head.state = RunState::Ended {
            at: now,
            outcome: outcome.clone(),
        };
        step.changed.run = true;
        let event = LogEvent::RunFinished {
            run: self.head.id.clone(),
            outcome: outcome.clone(),
            counts: self.counts,
        };
        step.effects.push(self.log(event, now));
        step.effects.push(Effect::Finished(outcome));
    }
}
