//! States and outcomes of runs and of their machines.
//!
//! A machine's outcome carries its own data, so an exit code without a reason, or the other way
//! round, cannot be written down. The numbers that operators and log files see come from
//! [`MachineOutcome::exit_code`].

use crate::api::OutcomeKind;
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Exit code of a machine whose command ran into its timeout.
pub const EXIT_TIMED_OUT: i32 = 124;
/// Exit code of a machine whose command a person (or the `replace` policy) killed.
pub const EXIT_KILLED: i32 = 143;
/// Exit code of a machine whose wrapper was lost.
pub const EXIT_LOST: i32 = 253;
/// Exit code of a machine whose wrapper did not start or did not connect in time.
pub const EXIT_START_FAILED: i32 = 254;
/// Exit code of a machine that did not respond, or whose wrapper reported an error.
pub const EXIT_UNREACHABLE: i32 = 255;

/// What ended a machine's part of a run. Each machine of each run gets exactly one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum MachineOutcome {
    /// The command exited 0.
    Succeeded,
    /// The command exited with `code`, 1 to 255 (128+N for death by signal N).
    Failed {
        /// The command's own exit code.
        code: i32,
    },
    /// The command ran into its timeout and was ended.
    TimedOut,
    /// Killed by a person, or by a run that replaced this one.
    Killed,
    /// Nothing heard from the wrapper within the limit and the reconnect grace.
    Lost,
    /// The wrapper never came up.
    StartFailed {
        /// What went wrong there.
        kind_of: LaunchErrorKind,
        /// A sentence for the operator.
        message: String,
    },
    /// The machine did not respond, or its wrapper reported an error.
    Unreachable {
        /// A sentence for the operator.
        message: String,
    },
    /// The machine was under maintenance when the run began.
    Maintenance,
    /// The run ended before this machine's turn.
    NotAttempted,
}

/// The ways a start can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LaunchErrorKind {
    /// The executor could not start the wrapper.
    Launch,
    /// The wrapper did not connect within the start window.
    NoContact,
    /// The wrapper connected but could not start the command (user, directory, lock …).
    Command,
}

impl MachineOutcome {
    /// The code shown to people and written to log files; `None` where nothing was attempted.
    pub fn exit_code(&self) -> Option<i32> {
        match self {
            Self::Succeeded => Some(0),
            Self::Failed { code } => Some(*code),
            Self::TimedOut => Some(EXIT_TIMED_OUT),
            Self::Killed => Some(EXIT_KILLED),
            Self::Lost => Some(EXIT_LOST),
            Self::StartFailed { .. } => Some(EXIT_START_FAILED),
            Self::Unreachable { .. } => Some(EXIT_UNREACHABLE),
            Self::Maintenance | Self::NotAttempted => None,
        }
    }

    /// Whether this is what the operator hoped for.
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Succeeded)
    }

    /// The outcome's word, as shown next to its mark in every view.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed { .. } => "failed",
            Self::TimedOut => "timed out",
            Self::Killed => "killed",
            Self::Lost => "lost",
            Self::StartFailed { .. } => "failed to start",
            Self::Unreachable { .. } => "unreachable",
            Self::Maintenance => "under maintenance",
            Self::NotAttempted => "not attempted",
        }
    }

    /// The sentence that explains the outcome, where there is one.
    pub fn message(&self) -> Option<&str> {
        match self {
            Self::StartFailed { message, .. } | Self::Unreachable { message } => Some(message),
            Self::Maintenance => Some("Target under maintenance"),
            _ => None,
        }
    }
}

impl fmt::Display for MachineOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed { code } => write!(f, "failed with exit code {code}"),
            other => f.write_str(other.label()),
        }
    }
}

/// Where one machine of a run stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum MachineState {
    /// Waits for its batch.
    Waiting,
    /// The wrapper has been asked for and has not yet reported the command's start.
    Starting {
        /// When it was asked for.
        since: UnixMillis,
    },
    /// The command runs.
    Running {
        /// When the command started, by the server's clock.
        since: UnixMillis,
    },
    /// The command ran when last heard of; the wrapper has been silent for too long.
    LostContact {
        /// When the command started.
        since: UnixMillis,
        /// When the wrapper was last heard.
        last_heard: UnixMillis,
    },
    /// An attempt has failed, and the next one waits for its time.
    Retrying {
        /// When it begins.
        at: UnixMillis,
    },
    /// It is over.
    Ended {
        /// When the command started; `None` if it never did.
        since: Option<UnixMillis>,
        /// When it ended.
        at: UnixMillis,
        /// How.
        outcome: MachineOutcome,
    },
}

impl MachineState {
    /// Whether this machine has its outcome.
    pub fn is_ended(&self) -> bool {
        matches!(self, Self::Ended { .. })
    }

    /// The outcome, once there is one.
    pub fn outcome(&self) -> Option<&MachineOutcome> {
        match self {
            Self::Ended { outcome, .. } => Some(outcome),
            _ => None,
        }
    }

    /// When the command started, if it did.
    pub fn started_at(&self) -> Option<UnixMillis> {
        match self {
            Self::Running { since } | Self::LostContact { since, .. } => Some(*since),
            Self::Ended { since, .. } => *since,
            Self::Waiting | Self::Starting { .. } | Self::Retrying { .. } => None,
        }
    }

    /// The state's word, as shown in every view.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Starting { .. } => "starting",
            Self::Running { .. } => "running",
            Self::LostContact { .. } => "lost contact",
            Self::Retrying { .. } => "waiting to retry",
            Self::Ended { outcome, .. } => outcome.label(),
        }
    }
}

/// How a whole run ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RunOutcome {
    /// It had at least one machine and each exited 0.
    Succeeded,
    /// At least one machine failed, in whatever way has no outcome of its own below.
    Failed,
    /// The worst that happened on any machine was its timeout.
    TimedOut,
    /// It was killed, or a machine of it before its turn.
    Killed,
    /// At least one machine was lost and none failed otherwise.
    Lost,
    /// The target expression matched nothing.
    NoTargets,
    /// Every matched machine was under maintenance.
    Maintenance,
    /// Not started: an earlier run of the job was still going and its policy is `skip`.
    SkippedOverlap,
    /// Not started: its time had passed when the server could see to it.
    Missed {
        /// Why nobody saw to it in time.
        #[serde(default)]
        reason: MissedReason,
    },
    /// The executor could not say which machines match, or refused to.
    ResolveFailed {
        /// A sentence for the operator.
        message: String,
    },
}

impl RunOutcome {
    /// The outcome's word, as shown next to its mark in every view.
    pub fn label(&self) -> &'static str {
        OutcomeKind::from(self).label()
    }

    /// Whether this is what the operator hoped for.
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Succeeded)
    }
}

/// Why a scheduled instant passed without a start.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum MissedReason {
    /// No server was running.
    NotRunning,
    /// The server was running and saw it too late: the host was asleep or overloaded, or its clock was set forward.
    #[default]
    Late,
    /// A later instant was due as well by then, whose run stands for this one.
    Superseded,
    /// The server could not write its start down: the disk was full, or failing.
    StorageFailed,
}

impl MissedReason {
    /// The reason as a sentence.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::NotRunning => "No server was running at its time.",
            Self::Late => {
                "The server saw its time too late: the host was asleep or overloaded, or its clock was set forward."
            }
            Self::Superseded => {
                "A later start of the job was due as well by then and stands for it."
            }
            Self::StorageFailed => {
                "The server could not write it down at its time: its disk was full or failing."
            }
        }
    }
}

/// Where a run stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum RunState {
    /// Waits for an earlier run of its job to end (`overlap: queue` or `replace`).
    Queued,
    /// Its executor is being asked which machines match.
    Resolving,
    /// Machines are starting or running.
    Running,
    /// It is over.
    Ended {
        /// When.
        at: UnixMillis,
        /// How.
        outcome: RunOutcome,
    },
}

impl RunState {
    /// Whether the run has its outcome.
    pub fn is_ended(&self) -> bool {
        matches!(self, Self::Ended { .. })
    }

    /// The outcome, once there is one.
    pub fn outcome(&self) -> Option<&RunOutcome> {
        match self {
            Self::Ended { outcome, .. } => Some(outcome),
            _ => None,
        }
    }
}

/// Why a run exists.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RunCause {
    /// Its schedule fired.
    Schedule {
        /// The instant that the schedule named.
        instant: UnixMillis,
    },
    /// Its schedule fired while nobody could see to it, and the job makes up for that.
    CatchUp {
        /// The instant that the schedule named.
        instant: UnixMillis,
    },
    /// A person asked for it.
    Manual {
        /// Who, as far as known.
        by: String,
    },
    /// A person asked for it again on some machines of an earlier run.
    Again {
        /// Who, as far as known.
        by: String,
        /// The earlier run.
        of: crate::ids::RunId,
    },
}

impl RunCause {
    /// The scheduled instant that the run is for; no two runs of a job have the same.
    pub fn instant(&self) -> Option<UnixMillis> {
        match self {
            Self::Schedule { instant } | Self::CatchUp { instant } => Some(*instant),
            Self::Manual { .. } | Self::Again { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_exit_codes_are_those_operators_know() {
        let start_failed = MachineOutcome::StartFailed {
            kind_of: LaunchErrorKind::NoContact,
            message: String::new(),
        };
        let unreachable = MachineOutcome::Unreachable {
            message: String::new(),
        };
        let codes = [
            (MachineOutcome::Succeeded, Some(0)),
            (MachineOutcome::Failed { code: 7 }, Some(7)),
            (MachineOutcome::TimedOut, Some(124)),
            (MachineOutcome::Killed, Some(143)),
            (MachineOutcome::Lost, Some(253)),
            (start_failed, Some(254)),
            (unreachable, Some(255)),
            (MachineOutcome::Maintenance, None),
            (MachineOutcome::NotAttempted, None),
        ];
        for (outcome, code) in codes {
            assert_eq!(outcome.exit_code(), code, "{outcome}");
        }
    }
}
