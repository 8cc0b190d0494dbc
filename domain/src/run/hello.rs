//! A wrapper says hello: is it the machine's one, and how does it go on?

use super::{Bound, Effect, LogEvent, MachineRun, Refused, Run, Speaker, Step};
use saltpeter_protocol::api::ReplacedOutcome;
use saltpeter_protocol::launch::DEFAULT_RETAIN;
use saltpeter_protocol::machine::v2::{LeaveReason, Progress};
use saltpeter_protocol::{
    LaunchErrorKind, MachineId, MachineOutcome, MachineState, RunState, UnixMillis,
};
use std::time::Duration;

/// For how long after a machine's end an answer is given to a version 1 wrapper, which needs one to everything that it has
/// said: as long as wrappers keep what they could not deliver, and an hour for clocks. After that the run's token is good
/// for nothing more, but for machines that were given up in silence.
pub const ANSWERED_AFTER_END: Duration = DEFAULT_RETAIN.saturating_add(Duration::from_hours(1));

impl MachineRun {
    /// What a wrapper is told that has nothing more to say here.
    fn over(&self, now: UnixMillis) -> LeaveReason {
        match &self.state {
            MachineState::Ended { at, .. } if now.since(*at) > ANSWERED_AFTER_END => {
                LeaveReason::NotKnown
            }
            _ => LeaveReason::AlreadyEnded,
        }
    }

    /// Whether the outcome was a guess made in silence, which the wrapper's own report replaces.
    pub(super) fn may_return(&self) -> bool {
        matches!(
            self.state.outcome(),
            Some(
                MachineOutcome::Lost
                    | MachineOutcome::StartFailed {
                        kind_of: LaunchErrorKind::NoContact,
                        ..
                    }
            )
        )
    }

    /// Whether its last attempt was given up because no wrapper was heard.
    fn was_unheard(&self) -> bool {
        self.earlier.last().is_some_and(|last| {
            let no_contact = matches!(
                last.outcome,
                MachineOutcome::StartFailed {
                    kind_of: LaunchErrorKind::NoContact,
                    ..
                }
            );
            no_contact && last.speaker.is_none()
        })
    }

    /// Whether its command is known to have been started.
    pub(super) fn has_started(&self) -> bool {
        self.state.started_at().is_some() || self.bound.is_some_and(|bound| bound.speaker.is_v1())
    }

    /// Whether it was killed before a wrapper spoke for it, and one does now.
    pub(super) fn kill_still_due(&self) -> bool {
        match (&self.state, self.bound) {
            (MachineState::Ended { at, outcome, .. }, Some(bound)) => {
                *outcome == MachineOutcome::Killed && bound.at > *at
            }
            _ => false,
        }
    }
}

/// Whether the wrapper's command runs (or ran) whatever the server says now: version 1 wrappers start it
/// without asking.
fn has_command(speaker: Speaker, progress: Progress) -> bool {
    speaker.is_v1() || matches!(progress, Progress::Started { .. })
}

impl Run {
    pub(super) fn hello(
        &mut self,
        machine: &MachineId,
        speaker: Speaker,
        progress: Progress,
        now: UnixMillis,
    ) -> Result<Step, Refused> {
        let killed = self.head.kill.is_some();
        let known = self.machine(machine)?;
        let leave = |reason| {
            Ok(Step {
                effects: vec![Effect::Leave {
                    machine: machine.clone(),
                    reason,
                }],
                ..Step::default()
            })
        };
        if known.is_of_earlier(speaker) {
            return leave(known.over(now));
        }
        if known.bound.is_some_and(|bound| bound.speaker != speaker) {
            return leave(LeaveReason::NotTheOne);
        }
        match &known.state {
            // Its turn has not come, so nobody has launched it.
            MachineState::Waiting => leave(LeaveReason::NotTheOne),
            MachineState::Starting { .. }
            | MachineState::Running { .. }
            | MachineState::LostContact { .. } => {
                let started = known.state.started_at();
                if started.is_some() && !speaker.is_v1() && progress == Progress::New {
                    // The wrapper that started the command knows that it did.
                    return leave(LeaveReason::NotTheOne);
                }
                if started.is_none()
                    && (killed || known.kill.is_some())
                    && !has_command(speaker, progress)
                {
                    // Killed while its one wrapper was away and had not started: it need not any more.
                    let mut step = Step::default();
                    self.end_machine(machine, None, MachineOutcome::Killed, now, &mut step);
                    step.effects.push(Effect::Leave {
                        machine: machine.clone(),
                        reason: LeaveReason::AlreadyEnded,
                    });
                    self.proceed(now, &mut step);
                    return Ok(step);
                }
                Ok(self.welcome(machine, speaker, progress, started, now))
            }
            MachineState::Retrying { .. } => {
                if !known.was_unheard() || !has_command(speaker, progress) {
                    return leave(LeaveReason::AlreadyEnded);
                }
                // The attempt that nobody was heard of goes on after all, so no other is begun.
                let last = known.take_back();
                let mut step = Step::default();
                let state = last.map(|last| MachineState::Ended {
                    since: last.since,
                    at: last.at,
                    outcome: last.outcome,
                });
                if let Some(state) = state {
                    self.set_state(machine, state, &mut step.changed);
                }
                let returned = self.returned(machine, speaker, progress, None, now);
                step.changed.merge(returned.changed);
                step.effects.extend(returned.effects);
                Ok(step)
            }
            MachineState::Ended { since, outcome, .. } => {
                let since = *since;
                if !has_command(speaker, progress) {
                    return leave(LeaveReason::AlreadyEnded);
                }
                if known.may_return() {
                    return Ok(self.returned(machine, speaker, progress, since, now));
                }
                if *outcome == MachineOutcome::Killed && known.bound.is_none() {
                    // Killed before anybody spoke for it, and running all the same: the kill is still due.
                    known.bound = Some(Bound { speaker, at: now });
                    let mut step = Step::default();
                    step.changed.machines.insert(machine.clone());
                    step.effects.push(Effect::Welcome {
                        machine: machine.clone(),
                        start: false,
                        kill: true,
                    });
                    return Ok(step);
                }
                leave(known.over(now))
            }
        }
    }

    /// Goes on with a wrapper whose machine was given up.
    fn returned(
        &mut self,
        machine: &MachineId,
        speaker: Speaker,
        progress: Progress,
        since: Option<UnixMillis>,
        now: UnixMillis,
    ) -> Step {
        let mut step = Step::default();
        self.reopen(machine, now, &mut step);
        let welcomed = self.welcome(machine, speaker, progress, Some(since.unwrap_or(now)), now);
        step.changed.merge(welcomed.changed);
        step.effects.extend(welcomed.effects);
        step
    }

    /// A machine that was given up runs after all, and so does the run.
    pub(super) fn reopen(&mut self, machine: &MachineId, now: UnixMillis, step: &mut Step) {
        let Some(known) = self.machines.get_mut(machine) else {
            return;
        };
        known.heard = Some(now);
        let since = known.state.started_at();
        if let MachineState::Ended { at, outcome, .. } = &known.state {
            let replaced = outcome.clone();
            known.replaced = Some(ReplacedOutcome {
                outcome: replaced.clone(),
                given: *at,
                returned: now,
            });
            let event = LogEvent::MachineReturned {
                run: self.head.id.clone(),
                machine: machine.clone(),
                replaced,
            };
            step.effects.push(self.log(event, now));
        }
        let state = MachineState::Running {
            since: since.unwrap_or(now),
        };
        self.set_state(machine, state, &mut step.changed);
        self.head.state = RunState::Running;
    }

    fn welcome(
        &mut self,
        machine: &MachineId,
        speaker: Speaker,
        progress: Progress,
        started: Option<UnixMillis>,
        now: UnixMillis,
    ) -> Step {
        let mut step = Step::default();
        let killed = self.head.kill.is_some();
        let Some(known) = self.machines.get_mut(machine) else {
            return step;
        };
        // The time to start the command runs from the first hello, or a wrapper that comes again and again would have it
        // anew each time.
        let first = known
            .bound
            .filter(|_| matches!(known.state, MachineState::Starting { .. }));
        let at = first.map_or(now, |bound| bound.at);
        known.bound = Some(Bound { speaker, at });
        known.heard = Some(now);
        let kill = killed || known.kill.is_some();
        if kill {
            known.kill_sent = Some(now);
        }
        step.changed.machines.insert(machine.clone());
        let mut start = started.is_none();
        if let Progress::Started { pid, .. } = progress {
            start = false;
            // 0 where nobody knows it.
            known.pid = Some(pid).filter(|pid| *pid != 0);
            let since = started.unwrap_or(now);
            self.set_state(machine, MachineState::Running { since }, &mut step.changed);
        } else if let (Some(since), MachineState::LostContact { .. }) = (started, &known.state) {
            self.set_state(machine, MachineState::Running { since }, &mut step.changed);
        }
        step.effects.push(Effect::Welcome {
            machine: machine.clone(),
            start,
            kill,
        });
        step
    }
}
