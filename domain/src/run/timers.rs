//! What the passing of time does to a run.

use super::late::AWAITED_LIMIT;
use super::{Changed, Effect, LogEvent, MachineRun, Run, Step};
use crate::job::LaunchWay;
use saltpeter_protocol::{
    LaunchErrorKind, MachineId, MachineOutcome, MachineState, RunState, UnixMillis,
};
use std::time::Duration;

/// How long a wrapper has to come up, and then to start its command.
pub const START_WINDOW: Duration = Duration::from_secs(30);
/// Silence after which contact counts as lost: three missed heartbeats.
pub const SILENCE: Duration = Duration::from_secs(15);
/// Time between SIGTERM and SIGKILL where a job does not say.
pub const KILL_GRACE: Duration = Duration::from_secs(5);
/// How often a wrapper that is heard and has not ended is told to kill.
pub const KILL_REPEAT: Duration = Duration::from_secs(5);
/// How long after a kill was asked for it is said that it has not been confirmed.
pub const KILL_CONFIRM: Duration = Duration::from_secs(30);

impl MachineRun {
    /// When time alone changes this machine's state; `None` if never.
    fn deadline(&self, reconnect_grace: Duration) -> Option<UnixMillis> {
        match self.state {
            MachineState::Waiting | MachineState::Ended { .. } => None,
            MachineState::Retrying { at } => Some(at),
            MachineState::Starting { since } => {
                let from = self.bound.map_or(since, |bound| bound.at.max(since));
                Some(from + START_WINDOW)
            }
            MachineState::Running { since } => Some(self.heard.unwrap_or(since) + SILENCE),
            MachineState::LostContact { last_heard, .. } => {
                Some(self.heard.unwrap_or(last_heard) + SILENCE + reconnect_grace)
            }
        }
    }

    /// When a kill counts as unconfirmed; `None`: it was not asked for, has come about, or that was said already.
    fn kill_deadline(&self, recovered: Option<UnixMillis>) -> Option<UnixMillis> {
        let kill = self.kill.as_ref().filter(|kill| !kill.unconfirmed)?;
        let from = recovered.map_or(kill.at, |at| at.max(kill.at));
        (!self.state.is_ended()).then_some(from + KILL_CONFIRM)
    }

    /// The state that a passed deadline leads to.
    fn overdue(&self) -> MachineState {
        match self.state {
            MachineState::Running { since } => MachineState::LostContact {
                since,
                last_heard: self.heard.unwrap_or(since),
            },
            MachineState::LostContact { since, .. } => MachineState::Ended {
                since: Some(since),
                at: UnixMillis::default(),
                outcome: MachineOutcome::Lost,
            },
            _ => {
                let message = if self.bound.is_some() {
                    "The wrapper connected and did not start the command within 30 s."
                } else {
                    "The wrapper did not connect within 30 s of its launch."
                };
                MachineState::Ended {
                    since: None,
                    at: UnixMillis::default(),
                    outcome: MachineOutcome::StartFailed {
                        kind_of: LaunchErrorKind::NoContact,
                        message: message.to_owned(),
                    },
                }
            }
        }
    }
}

impl Run {
    /// The next moment at which [`super::Input::Tick`] has something to do; `None`: only when something happens.
    ///
    /// Looks at every machine: to be called after a change, not after each sign of life (which only ever
    /// moves it to later).
    pub fn next_deadline(&self) -> Option<UnixMillis> {
        let awaited = self.awaiting.map(|awaiting| awaiting.until);
        if self.in_work() == 0 {
            return awaited;
        }
        self.machines
            .values()
            .flat_map(|machine| {
                let change = machine.deadline(self.head.reconnect_grace);
                [change, machine.kill_deadline(self.recovered)]
            })
            .flatten()
            .chain(awaited)
            .min()
    }

    pub(super) fn tick(&mut self, now: UnixMillis) -> Step {
        let grace = self.head.reconnect_grace;
        let overdue: Vec<(MachineId, MachineState)> = self
            .machines
            .iter()
            .filter(|(_, machine)| !matches!(machine.state, MachineState::Retrying { .. }))
            .filter(|(_, machine)| machine.deadline(grace).is_some_and(|at| at <= now))
            .map(|(id, machine)| (id.clone(), machine.overdue()))
            .collect();
        let mut step = Step::default();
        for (id, state) in overdue {
            match state {
                MachineState::Ended { since, outcome, .. } => {
                    self.end_machine(&id, since, outcome, now, &mut step);
                }
                other => self.set_state(&id, other, &mut step.changed),
            }
        }
        self.give_up_awaited(now, &mut step);
        self.note_unconfirmed_kills(now, &mut step);
        self.proceed(now, &mut step);
        step
    }

    /// The clock shows something else than the time that has passed: every wait begins anew, so that nobody is given up too
    /// early, and none is waited for until the clock is where it was.
    pub(super) fn clock_set(&mut self, now: UnixMillis) -> Step {
        let mut step = Step::default();
        self.recovered = Some(now);
        let retry = self.head.spec.retry;
        for (id, machine) in &mut self.machines {
            machine.kill_sent = None;
            let attempt = machine.attempt();
            let pause = retry.and_then(|retry| retry.pause_after(attempt));
            match &mut machine.state {
                MachineState::Waiting | MachineState::Ended { .. } => {}
                MachineState::Retrying { at } => {
                    let latest = now + pause.unwrap_or_default();
                    if *at > latest {
                        *at = latest;
                        step.changed.machines.insert(id.clone());
                    }
                }
                MachineState::Starting { since } => {
                    match &mut machine.bound {
                        Some(bound) => bound.at = now,
                        None => *since = now,
                    }
                    step.changed.machines.insert(id.clone());
                }
                MachineState::Running { .. } | MachineState::LostContact { .. } => {
                    machine.heard = Some(now);
                }
            }
        }
        if let Some(awaiting) = &mut self.awaiting {
            awaiting.until = now + AWAITED_LIMIT;
        }
        step
    }

    /// Says of machines that they have not ended although they were to be killed.
    fn note_unconfirmed_kills(&mut self, now: UnixMillis, step: &mut Step) {
        let recovered = self.recovered;
        let mut unconfirmed = Vec::new();
        for (id, machine) in &mut self.machines {
            let due = machine.kill_deadline(recovered).is_some_and(|at| at <= now);
            if let (true, Some(kill)) = (due, &mut machine.kill) {
                kill.unconfirmed = true;
                step.changed.machines.insert(id.clone());
                unconfirmed.push((id.clone(), kill.by.clone()));
            }
        }
        for (machine, by) in unconfirmed {
            let run = self.head.id.clone();
            let event = LogEvent::KillUnconfirmed { run, machine, by };
            step.effects.push(self.log(event, now));
        }
    }

    /// After a restart: nobody was listened to meanwhile, so every clock begins anew, and what was asked for
    /// and not yet answered is asked for again.
    pub(super) fn recovered(&mut self, now: UnixMillis) -> Step {
        let mut step = Step::default();
        self.recovered = Some(now);
        if self.head.state == RunState::Resolving {
            step.effects.push(Effect::Resolve);
        }
        // Commands that the executor runs itself have no wrapper that comes back: it is asked for them again.
        let by_executor = self.head.spec.launch == LaunchWay::Executor;
        let mut again = Vec::new();
        let mut changed = Changed::default();
        for (id, machine) in &mut self.machines {
            match &mut machine.state {
                // The time of the next attempt is stored.
                MachineState::Waiting
                | MachineState::Retrying { .. }
                | MachineState::Ended { .. } => continue,
                MachineState::Starting { since } => {
                    if let Some(bound) = &mut machine.bound {
                        bound.at = now;
                    } else {
                        *since = now;
                    }
                    if machine.bound.is_none() || by_executor {
                        again.push(id.clone());
                    }
                }
                MachineState::Running { .. } | MachineState::LostContact { .. } => {
                    machine.heard = Some(now);
                    if by_executor {
                        again.push(id.clone());
                    }
                    continue;
                }
            }
            changed.machines.insert(id.clone());
        }
        step.changed = changed;
        if !again.is_empty() {
            step.effects.push(Effect::Launch(again));
        }
        self.proceed(now, &mut step);
        step
    }
}
