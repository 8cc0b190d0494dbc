//! Somebody wants it to end.

use super::{Effect, Refused, Run, Step};
use saltpeter_protocol::api::KillView;
use saltpeter_protocol::{
    MachineId, MachineOutcome, MachineState, RunOutcome, RunState, UnixMillis,
};

impl Run {
    /// Somebody wants the run, or one machine of it, to end.
    pub(super) fn kill(
        &mut self,
        machine: Option<MachineId>,
        by: String,
        now: UnixMillis,
    ) -> Result<Step, Refused> {
        let view = KillView {
            by,
            at: now,
            unconfirmed: false,
        };
        let mut step = Step::default();
        let targets: Vec<MachineId> = if let Some(machine) = machine {
            if self.machine(&machine)?.state.is_ended() {
                return Err(Refused::NotRunning);
            }
            vec![machine]
        } else {
            if self.head.state.is_ended() {
                return Err(Refused::NotRunning);
            }
            if self.head.kill.is_none() {
                self.head.kill = Some(view.clone());
                step.changed.run = true;
            }
            if self.head.state != RunState::Running {
                self.finish(RunOutcome::Killed, now, &mut step);
                return Ok(step);
            }
            self.close_places();
            self.machines
                .iter()
                .filter(|(_, machine)| !machine.state.is_ended())
                .map(|(id, _)| id.clone())
                .collect()
        };
        for id in targets {
            self.kill_machine(&id, &view, now, &mut step);
        }
        self.proceed(now, &mut step);
        Ok(step)
    }

    fn kill_machine(&mut self, id: &MachineId, view: &KillView, now: UnixMillis, step: &mut Step) {
        let Some(known) = self.machines.get_mut(id) else {
            return;
        };
        if known.kill.is_none() {
            known.kill = Some(view.clone());
            step.changed.machines.insert(id.clone());
        }
        match (&known.state, known.bound) {
            (MachineState::Waiting, _) => {
                self.end_machine(id, None, MachineOutcome::NotAttempted, now, step);
            }
            (MachineState::Starting { .. }, None) | (MachineState::Retrying { .. }, _) => {
                self.end_machine(id, None, MachineOutcome::Killed, now, step);
            }
            _ => {
                known.kill_sent = Some(now);
                step.effects.push(Effect::SendKill(id.clone()));
            }
        }
    }
}
