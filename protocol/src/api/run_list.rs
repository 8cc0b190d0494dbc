//! Lists of runs, and what they are asked by.

use super::RunSummary;
use super::params::{self, query};
use crate::ids::{JobName, MachineId};
use crate::status::{RunCause, RunOutcome, RunState};
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// Which runs a list is of. What is absent narrows nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RunQuery {
    /// Of this job.
    pub job: Option<JobName>,
    /// On this machine, among others.
    pub machine: Option<MachineId>,
    /// That stand so.
    pub outcome: Option<OutcomeKind>,
    /// That exist for this reason.
    pub cause: Option<CauseKind>,
    /// Written down then or later.
    pub from: Option<UnixMillis>,
    /// Written down before then.
    pub to: Option<UnixMillis>,
    /// Only older ones than this: [`RunList::older`] of the list before.
    pub before: Option<u64>,
    /// How many at most; the server has a bound of its own.
    pub limit: Option<u32>,
}

/// How a run stands, without what there is to say of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeKind {
    /// It is not over.
    Running,
    /// See [`RunOutcome`] for this and the others.
    Succeeded,
    /// The same.
    Failed,
    /// The same.
    TimedOut,
    /// The same.
    Killed,
    /// The same.
    Lost,
    /// The same.
    NoTargets,
    /// The same.
    Maintenance,
    /// The same.
    SkippedOverlap,
    /// The same.
    Missed,
    /// The same.
    ResolveFailed,
}

/// Why a run exists, without what there is to say of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CauseKind {
    /// See [`RunCause`] for this and the others.
    Schedule,
    /// The same.
    CatchUp,
    /// The same.
    Manual,
    /// The same.
    Again,
}

impl OutcomeKind {
    /// All of them, in the order of a menu.
    pub const ALL: [Self; 11] = [
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::TimedOut,
        Self::Killed,
        Self::Lost,
        Self::NoTargets,
        Self::ResolveFailed,
        Self::Maintenance,
        Self::SkippedOverlap,
        Self::Missed,
    ];

    /// The word in requests; that of an outcome is the one in its JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Killed => "killed",
            Self::Lost => "lost",
            Self::NoTargets => "no_targets",
            Self::Maintenance => "maintenance",
            Self::SkippedOverlap => "skipped_overlap",
            Self::Missed => "missed",
            Self::ResolveFailed => "resolve_failed",
        }
    }

    /// The words that people read.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Running => "not over",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::TimedOut => "timed out",
            Self::Killed => "killed",
            Self::Lost => "lost",
            Self::NoTargets => "no targets matched",
            Self::Maintenance => "under maintenance",
            Self::SkippedOverlap => "skipped (overlap)",
            Self::Missed => "missed",
            Self::ResolveFailed => "targets not resolved",
        }
    }

    /// That of a run.
    pub fn of(state: &RunState) -> Self {
        state.outcome().map_or(Self::Running, Self::from)
    }
}

impl From<&RunOutcome> for OutcomeKind {
    fn from(outcome: &RunOutcome) -> Self {
        match outcome {
            RunOutcome::Succeeded => Self::Succeeded,
            RunOutcome::Failed => Self::Failed,
            RunOutcome::TimedOut => Self::TimedOut,
            RunOutcome::Killed => Self::Killed,
            RunOutcome::Lost => Self::Lost,
            RunOutcome::NoTargets => Self::NoTargets,
            RunOutcome::Maintenance => Self::Maintenance,
            RunOutcome::SkippedOverlap => Self::SkippedOverlap,
            RunOutcome::Missed { .. } => Self::Missed,
            RunOutcome::ResolveFailed { .. } => Self::ResolveFailed,
        }
    }
}

impl CauseKind {
    /// All of them, in the order of a menu.
    pub const ALL: [Self; 4] = [Self::Schedule, Self::Manual, Self::Again, Self::CatchUp];

    /// The word in requests, which is the one in a cause's JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::CatchUp => "catch_up",
            Self::Manual => "manual",
            Self::Again => "again",
        }
    }

    /// The words that people read.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Schedule => "by schedule",
            Self::CatchUp => "made up for",
            Self::Manual => "by a person",
            Self::Again => "run again",
        }
    }

    /// That of a run.
    pub fn of(cause: &RunCause) -> Self {
        match cause {
            RunCause::Schedule { .. } => Self::Schedule,
            RunCause::CatchUp { .. } => Self::CatchUp,
            RunCause::Manual { .. } => Self::Manual,
            RunCause::Again { .. } => Self::Again,
        }
    }
}

query!(RunQuery, "runs", |query, value| {
    "job" => query.job = params::name(value)?,
    "machine" => query.machine = params::name(value)?,
    "outcome" => query.outcome = Some(params::word(value, &OutcomeKind::ALL, OutcomeKind::as_str)?),
    "cause" => query.cause = Some(params::word(value, &CauseKind::ALL, CauseKind::as_str)?),
    "from" => query.from = params::time(value)?,
    "to" => query.to = params::time(value)?,
    "before" => query.before = Some(params::number(value)?),
    "limit" => query.limit = Some(params::number(value)?),
});

/// Answer to `GET /api/v1/runs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunList {
    /// Newest first.
    pub runs: Vec<RunSummary>,
    /// What to ask for as `before` to get those that follow; absent when there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub older: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::RunId;

    #[test]
    fn what_a_form_sends_is_read() {
        let query = RunQuery::parse([
            ("job", ""),
            ("machine", "web#1"),
            ("outcome", "timed_out"),
            ("cause", "manual"),
            ("from", "2026-11-28T14:05"),
            ("to", "1795876500123"),
            ("before", "17"),
        ])
        .unwrap();
        assert_eq!(query.job, None);
        assert_eq!(query.machine, Some(MachineId::new("web#1").unwrap()));
        assert_eq!(query.outcome, Some(OutcomeKind::TimedOut));
        assert_eq!(query.cause, Some(CauseKind::Manual));
        assert_eq!(query.from, Some(UnixMillis(1_795_874_700_000)));
        assert_eq!(query.to, Some(UnixMillis(1_795_876_500_123)));
        assert_eq!(query.before, Some(17));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let message = |name, value| RunQuery::parse([(name, value)]).unwrap_err().message;
        assert_eq!(
            message("cause", "moon"),
            "cause: \"moon\" is none of schedule, manual, again, catch_up"
        );
        assert!(message("from", "yesterday").starts_with("from: a time is wanted, in UTC"));
        assert!(message("job", "a b").starts_with("job: job name \"a b\" may only have"));
        assert!(message("before", "-1").ends_with("a whole number is wanted"));
        assert_eq!(
            message("who", "x"),
            "runs: there is no parameter \"who\"; there are job, machine, outcome, cause, from, to, before, limit"
        );
    }

    #[test]
    fn the_words_are_those_of_the_json() {
        use crate::status::MissedReason;
        let outcomes = [
            RunOutcome::Succeeded,
            RunOutcome::Failed,
            RunOutcome::TimedOut,
            RunOutcome::Killed,
            RunOutcome::Lost,
            RunOutcome::NoTargets,
            RunOutcome::Maintenance,
            RunOutcome::SkippedOverlap,
            RunOutcome::Missed {
                reason: MissedReason::Late,
            },
            RunOutcome::ResolveFailed {
                message: String::new(),
            },
        ];
        for kind in OutcomeKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        for outcome in outcomes {
            let json = serde_json::to_value(&outcome).unwrap();
            let at = UnixMillis(0);
            let kind = OutcomeKind::of(&RunState::Ended { at, outcome });
            assert_eq!(json["kind"], kind.as_str());
        }
        let by = String::new();
        for cause in [
            RunCause::Schedule {
                instant: UnixMillis(0),
            },
            RunCause::CatchUp {
                instant: UnixMillis(0),
            },
            RunCause::Manual { by: by.clone() },
            RunCause::Again {
                by,
                of: RunId::new("a_1").unwrap(),
            },
        ] {
            let json = serde_json::to_value(&cause).unwrap();
            assert_eq!(json["kind"], CauseKind::of(&cause).as_str());
        }
    }
}
