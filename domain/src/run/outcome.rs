//! From exits to outcomes, and from the machines' outcomes to the run's.

use super::{MachineExit, MachineRun, Run};
use saltpeter_protocol::machine::v2::Exit;
use saltpeter_protocol::status::EXIT_TIMED_OUT;
use saltpeter_protocol::{MachineOutcome, MachineState, RunOutcome, UnixMillis};
use std::time::Duration;

/// The command's start reaches the server a moment after it happened, so its running time by the server's
/// clock may fall short of the wrapper's by this much.
const START_DELAY: Duration = Duration::from_secs(1);

/// What an exit code is when the wrapper reports one that no command can have.
const CODES: std::ops::RangeInclusive<i32> = 1..=255;

fn by_code(code: i32) -> MachineOutcome {
    if code == 0 {
        MachineOutcome::Succeeded
    } else {
        MachineOutcome::Failed {
            code: code.clamp(*CODES.start(), *CODES.end()),
        }
    }
}

fn by_signal(signal: i32) -> MachineOutcome {
    by_code(signal.saturating_add(128).max(*CODES.start()))
}

impl MachineRun {
    /// What `exit` means for this machine. A version 1 wrapper reports a bare code, which says 0 or the
    /// signal's number also after a kill or a timeout.
    pub(super) fn outcome_of(
        &self,
        exit: MachineExit,
        killed: bool,
        limit: Option<Duration>,
        now: UnixMillis,
    ) -> MachineOutcome {
        match exit {
            MachineExit::V2(Exit::Exited { code }) => by_code(code),
            MachineExit::V2(Exit::Signalled { signal }) => by_signal(signal),
            MachineExit::V2(Exit::TimedOut) => MachineOutcome::TimedOut,
            MachineExit::V2(Exit::Killed) => MachineOutcome::Killed,
            MachineExit::V1 { .. } if killed => MachineOutcome::Killed,
            MachineExit::V1 { retcode } => {
                let ran = self.state.started_at().map(|since| now.since(since));
                let limit_passed =
                    matches!((ran, limit), (Some(ran), Some(limit)) if ran + START_DELAY >= limit);
                if limit_passed && (retcode == EXIT_TIMED_OUT || retcode < 0) {
                    MachineOutcome::TimedOut
                } else if retcode < 0 {
                    by_signal(retcode.saturating_neg())
                } else {
                    by_code(retcode)
                }
            }
        }
    }
}

impl Run {
    /// The run's outcome when each machine has its own; `None` before that.
    pub(super) fn outcome(&self) -> Option<RunOutcome> {
        let mut killed = false;
        let mut failed = false;
        let mut timed_out = false;
        let mut lost = false;
        let mut succeeded = false;
        for machine in self.machines.values() {
            let MachineState::Ended { outcome, .. } = &machine.state else {
                return None;
            };
            match outcome {
                MachineOutcome::Succeeded => succeeded = true,
                MachineOutcome::Failed { .. }
                | MachineOutcome::StartFailed { .. }
                | MachineOutcome::Unreachable { .. } => failed = true,
                MachineOutcome::TimedOut => timed_out = true,
                MachineOutcome::Killed => {
                    killed = true;
                    failed = true;
                }
                MachineOutcome::NotAttempted => killed = true,
                MachineOutcome::Lost => lost = true,
                MachineOutcome::Maintenance => {}
            }
        }
        Some(if killed && self.head.kill.is_some() {
            RunOutcome::Killed
        } else if failed || self.head.stopped.is_some() {
            RunOutcome::Failed
        } else if timed_out {
            RunOutcome::TimedOut
        } else if lost {
            RunOutcome::Lost
        } else if killed {
            // Machines that a person took out one by one before their turn: on those nothing has succeeded.
            RunOutcome::Killed
        } else if succeeded {
            RunOutcome::Succeeded
        } else if self.machines.is_empty() {
            RunOutcome::NoTargets
        } else {
            RunOutcome::Maintenance
        })
    }
}
