//! What a run wants done, done.

use super::actor::Actor;
use super::{Earlier, LaunchOrder, ResolveOrder, RunHandle, ToMachine};
use saltpeter_domain::run::{Effect, LogEvent, Speaker};
use saltpeter_protocol::{Attempt, MachineId};
use std::collections::BTreeMap;

impl Actor {
    /// Carries effects out. The changes that led to them are durable.
    pub(super) fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Resolve => {
                    let head = self.run.head();
                    let order = ResolveOrder {
                        run: head.id.clone(),
                        job: head.job.clone(),
                        created: head.created,
                        spec: head.spec.clone(),
                        only: head.only.clone(),
                    };
                    if let Some(reply) = self.handle() {
                        self.runs.inner.dispatch.resolve(order, reply);
                    }
                }
                Effect::Launch(machines) => {
                    let machines = self.still_starting(machines);
                    if machines.is_empty() {
                        continue;
                    }
                    let head = self.run.head();
                    let order = LaunchOrder {
                        run: head.id.clone(),
                        job: head.job.clone(),
                        created: head.created,
                        spec: head.spec.clone(),
                        attempts: self.attempts(&machines),
                        earlier: self.earlier(&machines),
                        machines,
                    };
                    if let Some(reply) = self.handle() {
                        self.runs.inner.dispatch.launch(order, reply);
                    }
                }
                Effect::SendKill(machine) => self.tell(&machine, ToMachine::Kill),
                Effect::SendDone(machine) => self.tell(&machine, ToMachine::Done),
                Effect::Dismiss(machine) => {
                    self.tell(&machine, ToMachine::Done);
                    self.tell(&machine, ToMachine::Displaced);
                    self.outboxes.remove(&machine);
                }
                Effect::Log(entry) => {
                    if let LogEvent::KillUnconfirmed { run, machine, by } = &entry.event {
                        tracing::warn!(%run, %machine, by, "a kill is not confirmed: the machine has not ended within 30 s");
                    }
                    self.runs.inner.dispatch.log(entry);
                }
                Effect::Finished(outcome) => {
                    tracing::info!(run = %self.run.id(), outcome = outcome.label(), "finished");
                }
                // These answer a hello and are taken out of its effects before.
                Effect::Welcome { .. } | Effect::Leave { .. } => {}
            }
        }
    }

    /// Those of `machines` whose start is still wanted: what came together with what led to it may have ended it.
    fn still_starting(&self, mut machines: Vec<MachineId>) -> Vec<MachineId> {
        machines.retain(|id| {
            let known = self.run.machines().get(id);
            known.is_some_and(|machine| !machine.state.is_ended())
        });
        machines
    }

    /// Tells a machine's connection something. One that is away hears it in the answer to its next hello, one that
    /// is slow at its next sign of life.
    fn tell(&mut self, machine: &MachineId, what: ToMachine) {
        if let Some(outbox) = self.outboxes.get(machine)
            && outbox.try_send(what).is_err()
            && outbox.is_closed()
        {
            self.outboxes.remove(machine);
        }
    }

    /// The attempts of those of `machines` that are not at their first.
    fn attempts(&self, machines: &[MachineId]) -> BTreeMap<MachineId, Attempt> {
        let attempt = |id: &MachineId| {
            let attempt = self.run.machines().get(id)?.attempt();
            (!attempt.is_first()).then(|| (id.clone(), attempt))
        };
        machines.iter().filter_map(attempt).collect()
    }

    /// Who speaks for those of `machines` that were launched before.
    fn earlier(&self, machines: &[MachineId]) -> BTreeMap<MachineId, Earlier> {
        let earlier = |id: &MachineId| {
            let machine = self.run.machines().get(id)?;
            let Speaker::V2(wrapper) = machine.bound?.speaker else {
                return None;
            };
            let started = machine.state.started_at().is_some();
            Some((id.clone(), Earlier { wrapper, started }))
        };
        machines.iter().filter_map(earlier).collect()
    }

    fn handle(&self) -> Option<RunHandle> {
        self.runs.present(self.run.id())
    }
}
