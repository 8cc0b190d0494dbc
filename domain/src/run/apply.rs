//! The transitions.

use super::timers::KILL_REPEAT;
use super::{
    Effect, Input, LogEntry, LogEvent, MachineExit, MachineRun, MaintenanceScope, Refused,
    Resolution, Run, Step,
};
use saltpeter_protocol::{
    LaunchErrorKind, MachineId, MachineOutcome, MachineState, RunOutcome, RunState, UnixMillis,
};

/// The outcomes of machines that match and do not run the command.
pub(super) fn not_taken(
    silent: Vec<MachineId>,
    maintenance: Vec<MachineId>,
) -> impl Iterator<Item = (MachineId, MachineOutcome)> {
    let silent = silent.into_iter().map(|machine| {
        let message = "Target did not respond.".to_owned();
        (machine, MachineOutcome::Unreachable { message })
    });
    let maintenance = maintenance
        .into_iter()
        .map(|machine| (machine, MachineOutcome::Maintenance));
    silent.chain(maintenance)
}

impl Run {
    /// What is to be done about a run that has just been written down.
    pub fn begun(&self) -> Vec<Effect> {
        if self.head.state == RunState::Resolving {
            let event = LogEvent::RunStarted {
                run: self.head.id.clone(),
            };
            vec![self.log(event, self.head.created), Effect::Resolve]
        } else {
            Vec::new()
        }
    }

    /// Applies `input` at the time `now`.
    pub fn apply(&mut self, input: Input, now: UnixMillis) -> Result<Step, Refused> {
        match input {
            Input::Begin => self.begin(now),
            Input::Resolved(resolution) => self.resolved(resolution, now),
            Input::Late(late) => self.late(late, now),
            Input::ResolveFailed { message } => self.resolve_failed(message, now),
            Input::LaunchGoesOn { machines } => Ok(self.launch_goes_on(&machines, now)),
            Input::LaunchFailed { machine, message } => self.launch_failed(&machine, message, now),
            Input::Hello {
                machine,
                speaker,
                progress,
            } => self.hello(&machine, speaker, progress, now),
            Input::Started { machine, pid, .. } => self.started(&machine, pid, now),
            Input::Heard { machine } => self.heard(&machine, now),
            Input::Ended { machine, exit } => self.ended(&machine, exit, now),
            Input::CannotStart { machine, message } => self.given_up(
                &machine,
                MachineOutcome::StartFailed {
                    kind_of: LaunchErrorKind::Command,
                    message,
                },
                now,
            ),
            Input::WrapperError { machine, message } => {
                self.given_up(&machine, MachineOutcome::Unreachable { message }, now)
            }
            Input::Kill { machine, by } => self.kill(machine, by, now),
            Input::ClockSet => Ok(self.clock_set(now)),
            Input::Recovered => Ok(self.recovered(now)),
            Input::Tick => Ok(self.tick(now)),
        }
    }

    fn begin(&mut self, now: UnixMillis) -> Result<Step, Refused> {
        if self.head.state != RunState::Queued {
            return Err(Refused::AlreadyBegun);
        }
        self.head.state = RunState::Resolving;
        let mut step = Step::default();
        step.changed.run = true;
        let event = LogEvent::RunStarted {
            run: self.head.id.clone(),
        };
        step.effects.push(self.log(event, now));
        step.effects.push(Effect::Resolve);
        Ok(step)
    }

    fn resolved(&mut self, resolution: Resolution, now: UnixMillis) -> Result<Step, Refused> {
        if self.head.state != RunState::Resolving {
            return Err(Refused::NotResolving);
        }
        self.head.state = RunState::Running;
        let mut step = Step::default();
        step.changed.run = true;
        self.log_maintenance(&resolution.maintenance, now, &mut step);
        for machine in resolution.machines {
            self.add_machine(machine, MachineState::Waiting, &mut step.changed);
        }
        for (machine, outcome) in not_taken(resolution.silent, resolution.maintenance) {
            if !self.machines.contains_key(&machine) {
                self.add_machine(machine.clone(), MachineState::Waiting, &mut step.changed);
                self.end_machine(&machine, None, outcome, now, &mut step);
            }
        }
        self.await_machines(resolution.awaited, resolution.open, now, &mut step.changed);
        self.proceed(now, &mut step);
        Ok(step)
    }

    pub(super) fn log_maintenance(&self, machines: &[MachineId], now: UnixMillis, step: &mut Step) {
        if !machines.is_empty() {
            let scope = MaintenanceScope::Machines {
                run: self.head.id.clone(),
                machines: machines.to_vec(),
            };
            step.effects
                .push(self.log(LogEvent::Maintenance { scope }, now));
        }
    }

    fn resolve_failed(&mut self, message: String, now: UnixMillis) -> Result<Step, Refused> {
        if self.head.state != RunState::Resolving {
            return Err(Refused::NotResolving);
        }
        let mut step = Step::default();
        self.finish(RunOutcome::ResolveFailed { message }, now, &mut step);
        Ok(step)
    }

    fn launch_goes_on(&mut self, machines: &[MachineId], now: UnixMillis) -> Step {
        let mut step = Step::default();
        for id in machines {
            if let Some(machine) = self.machines.get_mut(id)
                && machine.bound.is_none()
                && let MachineState::Starting { since } = &mut machine.state
            {
                *since = now;
                step.changed.machines.insert(id.clone());
            }
        }
        step
    }

    fn launch_failed(
        &mut self,
        machine: &MachineId,
        message: String,
        now: UnixMillis,
    ) -> Result<Step, Refused> {
        let known = self.machine(machine)?;
        if !matches!(known.state, MachineState::Starting { .. }) || known.bound.is_some() {
            // The wrapper has shown up all the same, or another end came first.
            return Err(Refused::AlreadyEnded(machine.clone()));
        }
        let mut step = Step::default();
        let outcome = MachineOutcome::StartFailed {
            kind_of: LaunchErrorKind::Launch,
            message,
        };
        self.end_machine(machine, None, outcome, now, &mut step);
        self.proceed(now, &mut step);
        Ok(step)
    }

    fn started(
        &mut self,
        machine: &MachineId,
        pid: Option<u32>,
        now: UnixMillis,
    ) -> Result<Step, Refused> {
        let known = self.spoken_for(machine)?;
        let mut step = Step::default();
        if known.may_return() {
            self.reopen(machine, now, &mut step);
        }
        let known = self.spoken_for(machine)?;
        if known.state.is_ended() {
            return Err(Refused::AlreadyEnded(machine.clone()));
        }
        known.heard = Some(now);
        if pid.is_some() && known.pid != pid {
            known.pid = pid;
            step.changed.machines.insert(machine.clone());
        }
        match known.state {
            MachineState::Starting { .. } => {
                self.set_state(
                    machine,
                    MachineState::Running { since: now },
                    &mut step.changed,
                );
            }
            MachineState::LostContact { since, .. } => {
                self.set_state(machine, MachineState::Running { since }, &mut step.changed);
            }
            MachineState::Waiting
            | MachineState::Running { .. }
            | MachineState::Retrying { .. }
            | MachineState::Ended { .. } => {}
        }
        Ok(step)
    }

    fn heard(&mut self, machine: &MachineId, now: UnixMillis) -> Result<Step, Refused> {
        let run_kill = self.head.kill.is_some();
        let known = self.spoken_for(machine)?;
        let mut step = Step::default();
        known.heard = Some(now);
        if known.may_return() {
            // One that has started is back; of one that has not, its own word tells more.
            if known.has_started() {
                self.reopen(machine, now, &mut step);
            }
            return Ok(step);
        }
        if known.state.is_ended() {
            step.effects.push(if known.kill_still_due() {
                Effect::SendKill(machine.clone())
            } else {
                // It has not heard that it may leave.
                Effect::SendDone(machine.clone())
            });
            return Ok(step);
        }
        if (run_kill || known.kill.is_some())
            && known
                .kill_sent
                .is_none_or(|sent| now.since(sent) >= KILL_REPEAT)
        {
            known.kill_sent = Some(now);
            step.effects.push(Effect::SendKill(machine.clone()));
        }
        let since = match (&known.state, known.bound) {
            (MachineState::LostContact { since, .. }, _) => *since,
            // Version 1 wrappers start their command without asking, so one that is alive runs it.
            (MachineState::Starting { .. }, Some(bound)) if bound.speaker.is_v1() => now,
            _ => return Ok(step),
        };
        self.set_state(machine, MachineState::Running { since }, &mut step.changed);
        Ok(step)
    }

    fn ended(
        &mut self,
        machine: &MachineId,
        exit: MachineExit,
        now: UnixMillis,
    ) -> Result<Step, Refused> {
        let killed = self.head.kill.is_some();
        let limit = self.head.spec.timeout.term_after();
        let known = self.spoken_for(machine)?;
        let outcome = known.outcome_of(exit, killed || known.kill.is_some(), limit, now);
        self.report_end(machine, outcome, now)
    }

    /// The wrapper has given up before or without an exit.
    fn given_up(
        &mut self,
        machine: &MachineId,
        outcome: MachineOutcome,
        now: UnixMillis,
    ) -> Result<Step, Refused> {
        self.spoken_for(machine)?;
        self.report_end(machine, outcome, now)
    }

    fn report_end(
        &mut self,
        machine: &MachineId,
        outcome: MachineOutcome,
        now: UnixMillis,
    ) -> Result<Step, Refused> {
        let known = self.spoken_for(machine)?;
        known.heard = Some(now);
        let since = known.state.started_at();
        let mut step = Step::default();
        if known.state.is_ended() && !known.may_return() {
            // Said again, because the answer was lost; the outcome stands.
            step.effects.push(Effect::SendDone(machine.clone()));
            return Ok(step);
        }
        if known.may_return() {
            // The run has its outcome from the guess, and gets another.
            self.reopen(machine, now, &mut step);
        }
        self.end_machine(machine, since, outcome, now, &mut step);
        if self.machine(machine)?.state.is_ended() {
            step.effects.push(Effect::SendDone(machine.clone()));
        }
        self.proceed(now, &mut step);
        Ok(step)
    }

    pub(super) fn log(&self, event: LogEvent, at: UnixMillis) -> Effect {
        Effect::Log(LogEntry {
            job: self.head.job.clone(),
            group: self.head.spec.group.clone(),
            at,
            event,
        })
    }

    pub(super) fn machine(&mut self, machine: &MachineId) -> Result<&mut MachineRun, Refused> {
        self.machines
            .get_mut(machine)
            .ok_or_else(|| Refused::UnknownMachine(machine.clone()))
    }

    /// The machine, when a wrapper speaks for it.
    fn spoken_for(&mut self, machine: &MachineId) -> Result<&mut MachineRun, Refused> {
        let known = self.machine(machine)?;
        if known.bound.is_none() {
            return Err(Refused::NoSpeaker {
                machine: machine.clone(),
                state: known.state.label(),
            });
        }
        Ok(known)
    }
}
