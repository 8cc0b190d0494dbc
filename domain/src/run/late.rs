//! Machines that answer after the run has begun on others: a slow one is neither given up early, nor does it, or a
//! dead one, hold up those that are quick.

use super::apply::not_taken;
use super::{Changed, Late, Refused, Run, Step};
use saltpeter_protocol::{MachineId, MachineState, RunState, UnixMillis};
use std::time::Duration;

/// How long machines may be awaited after the others were resolved, whatever the executor says or fails to say.
pub const AWAITED_LIMIT: Duration = Duration::from_secs(30);

/// What is still to be heard of the machines that match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Awaiting {
    /// When it is given up.
    pub(super) until: UnixMillis,
    /// How many of the run's machines are awaited.
    named: u32,
    /// How many more machines may be added.
    open: u32,
}

impl Run {
    /// Takes machines in whose answer is still to come.
    pub(super) fn await_machines(
        &mut self,
        machines: Vec<MachineId>,
        open: u32,
        now: UnixMillis,
        changed: &mut Changed,
    ) {
        let mut named = 0;
        for id in machines {
            self.add_machine(id.clone(), MachineState::Waiting, changed);
            if let Some(machine) = self.machines.get_mut(&id)
                && machine.state == MachineState::Waiting
                && !machine.awaited
            {
                machine.awaited = true;
                named += 1;
            }
        }
        self.awaiting = (named > 0 || open > 0).then(|| Awaiting {
            until: now + AWAITED_LIMIT,
            named,
            open,
        });
    }

    /// Something was heard of machines that are awaited. Of others, nothing is changed by it.
    pub(super) fn late(&mut self, late: Late, now: UnixMillis) -> Result<Step, Refused> {
        if self.head.state != RunState::Running || self.awaiting.is_none() {
            return Err(Refused::NotResolving);
        }
        let mut step = Step::default();
        for id in late.up {
            self.admit(&id, &mut step.changed);
        }
        let mut maintenance = late.maintenance;
        maintenance.retain(|id| self.admit(id, &mut step.changed));
        let mut silent = late.silent;
        silent.retain(|id| self.admit(id, &mut step.changed));
        self.log_maintenance(&maintenance, now, &mut step);
        for (id, outcome) in not_taken(silent, maintenance) {
            self.end_machine(&id, None, outcome, now, &mut step);
        }
        if let Some(awaiting) = &mut self.awaiting {
            awaiting.open = awaiting.open.min(late.open);
        }
        self.settle_awaiting();
        self.proceed(now, &mut step);
        Ok(step)
    }

    /// Lets a machine take part: one that is awaited, or one for which a place is open. True when it now waits for
    /// its turn.
    fn admit(&mut self, id: &MachineId, changed: &mut Changed) -> bool {
        let Some(awaiting) = &mut self.awaiting else {
            return false;
        };
        if let Some(machine) = self.machines.get_mut(id) {
            let awaited = std::mem::take(&mut machine.awaited);
            awaiting.named -= u32::from(awaited);
            return awaited;
        }
        if awaiting.open == 0 {
            return false;
        }
        awaiting.open -= 1;
        self.add_machine(id.clone(), MachineState::Waiting, changed);
        true
    }

    /// A machine has ended that may have been awaited.
    pub(super) fn forget_awaited(&mut self, id: &MachineId) {
        if let (Some(awaiting), Some(machine)) = (&mut self.awaiting, self.machines.get_mut(id))
            && std::mem::take(&mut machine.awaited)
        {
            awaiting.named -= 1;
        }
        self.settle_awaiting();
    }

    /// Nobody else is to be taken in.
    pub(super) fn close_places(&mut self) {
        if let Some(awaiting) = &mut self.awaiting {
            awaiting.open = 0;
        }
        self.settle_awaiting();
    }

    /// The time is up: what has not answered is silent.
    pub(super) fn give_up_awaited(&mut self, now: UnixMillis, step: &mut Step) {
        if self.awaiting.is_none_or(|awaiting| awaiting.until > now) {
            return;
        }
        let silent: Vec<MachineId> = self
            .machines
            .iter()
            .filter(|(_, machine)| machine.awaited)
            .map(|(id, _)| id.clone())
            .collect();
        for (id, outcome) in not_taken(silent, Vec::new()) {
            self.end_machine(&id, None, outcome, now, step);
        }
        self.close_places();
    }

    fn settle_awaiting(&mut self) {
        if self
            .awaiting
            .is_some_and(|awaiting| awaiting.named == 0 && awaiting.open == 0)
        {
            self.awaiting = None;
        }
    }
}
