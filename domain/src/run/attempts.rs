//! Machines that are tried again.
//!
//! Only where it is certain that nothing of the attempt goes on: a machine that is lost, or whose wrapper gave up, may
//! still run the command.

use super::{Effect, LogEvent, MachineRun, Run, Speaker, Step};
use crate::job::{LaunchWay, Overlap, RunSpec, WrapperProtocol};
use saltpeter_protocol::api::{OutputLength, PastAttempt};
use saltpeter_protocol::{
    Attempt, LaunchErrorKind, MachineId, MachineOutcome, MachineState, UnixMillis,
};
use serde::{Deserialize, Serialize};

/// An attempt that is over, and was not the last when it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Earlier {
    /// When the command started; `None` if it never did.
    pub since: Option<UnixMillis>,
    /// When it ended.
    pub at: UnixMillis,
    /// How.
    pub outcome: MachineOutcome,
    /// Who spoke for the machine; `None`: nobody did.
    pub speaker: Option<Speaker>,
}

impl Earlier {
    /// As the run's page shows it; its output is not the run's to know.
    pub(super) fn row(&self) -> PastAttempt {
        PastAttempt {
            since: self.since,
            at: self.at,
            outcome: self.outcome.clone(),
            output: OutputLength::default(),
        }
    }
}

impl MachineRun {
    /// The attempt that the state is about; while the next one is waited for, the one that has failed.
    pub fn attempt(&self) -> Attempt {
        match self.state {
            MachineState::Retrying { .. } => Attempt::after(self.earlier.len().saturating_sub(1)),
            _ => Attempt::after(self.earlier.len()),
        }
    }

    /// Whether `speaker` belongs to an attempt that is over.
    pub(super) fn is_of_earlier(&self, speaker: Speaker) -> bool {
        match speaker {
            Speaker::V2(_) => self
                .earlier
                .iter()
                .any(|attempt| attempt.speaker == Some(speaker)),
            Speaker::V1 => !self.attempt().is_first(),
            Speaker::V1Retry(attempt) => attempt != self.attempt(),
        }
    }

    /// Takes the last attempt back, as if no other were to follow it.
    pub(super) fn take_back(&mut self) -> Option<Earlier> {
        let last = self.earlier.pop()?;
        self.bound = last.speaker.map(|speaker| super::Bound {
            speaker,
            at: last.at,
        });
        Some(last)
    }
}

/// Whether an attempt that ended so leaves nothing behind that could still run the command.
fn is_over(outcome: &MachineOutcome, bound: bool, spec: &RunSpec) -> bool {
    match outcome {
        MachineOutcome::Failed { .. } | MachineOutcome::TimedOut => true,
        MachineOutcome::StartFailed { kind_of, .. } => match kind_of {
            LaunchErrorKind::Launch | LaunchErrorKind::Command => true,
            // A wrapper that was heard may just have started it. One of version 2 that was not has nothing to start; one of
            // version 1 may run it unheard, and where it may be one, its lock keeps a second away.
            LaunchErrorKind::NoContact => {
                !bound
                    && spec.launch == LaunchWay::Wrapper
                    && match spec.wrapper.protocol {
                        WrapperProtocol::V1 => false,
                        WrapperProtocol::Auto => spec.overlap != Overlap::Allow,
                        WrapperProtocol::V2 => true,
                    }
            }
        },
        MachineOutcome::Succeeded
        | MachineOutcome::Killed
        | MachineOutcome::Lost
        | MachineOutcome::Unreachable { .. }
        | MachineOutcome::Maintenance
        | MachineOutcome::NotAttempted => false,
    }
}

impl Run {
    /// When `machine`, whose attempt ends now with `outcome`, is tried again; `None`: never.
    pub(super) fn next_attempt(
        &self,
        machine: &MachineRun,
        outcome: &MachineOutcome,
        now: UnixMillis,
    ) -> Option<UnixMillis> {
        let spec = &self.head.spec;
        let tried = match machine.state {
            MachineState::Starting { .. }
            | MachineState::Running { .. }
            | MachineState::LostContact { .. } => true,
            MachineState::Waiting | MachineState::Retrying { .. } | MachineState::Ended { .. } => {
                false
            }
        };
        let wanted = self.head.kill.is_none()
            && machine.kill.is_none()
            && machine.replaced.is_none()
            && !self.has_failed_enough();
        if !(tried && wanted && is_over(outcome, machine.bound.is_some(), spec)) {
            return None;
        }
        Some(now + spec.retry?.pause_after(machine.attempt())?)
    }

    /// An attempt is over, and the next one begins at `at`.
    pub(super) fn end_attempt(
        &mut self,
        machine: &MachineId,
        past: Earlier,
        at: UnixMillis,
        step: &mut Step,
    ) {
        let Some(known) = self.machines.get_mut(machine) else {
            return;
        };
        let event = LogEvent::AttemptEnded {
            run: self.head.id.clone(),
            machine: machine.clone(),
            attempt: known.attempt(),
            last: self.head.spec.last_attempt(),
            outcome: past.outcome.clone(),
            next: at,
        };
        let now = past.at;
        if past.speaker.is_some() {
            step.effects.push(Effect::Dismiss(machine.clone()));
        }
        known.earlier.push(past);
        known.bound = None;
        known.pid = None;
        known.heard = None;
        known.kill_sent = None;
        self.set_state(machine, MachineState::Retrying { at }, &mut step.changed);
        step.effects.push(self.log(event, now));
    }

    /// Begins the attempts whose time has come.
    pub(super) fn try_again(&mut self, now: UnixMillis, step: &mut Step) {
        if self.counts.retrying == 0 {
            return;
        }
        let due =
            |state: &MachineState| matches!(state, MachineState::Retrying { at } if *at <= now);
        let machines: Vec<MachineId> = self
            .machines
            .iter()
            .filter(|(_, machine)| due(&machine.state))
            .map(|(id, _)| id.clone())
            .collect();
        self.begin_on(machines, now, step);
    }
}
