//! Lists of runs and of machines, and what they are asked by.

use super::params::{self, Param};
use super::{ApiError, RunSummary};
use crate::ids::{JobName, MachineId, RunId};
use crate::status::{RunCause, RunState};
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
    /// See [`RunOutcome`](crate::RunOutcome) for this and the others.
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
        use crate::status::RunOutcome as Outcome;
        let Some(outcome) = state.outcome() else {
            return Self::Running;
        };
        match outcome {
            Outcome::Succeeded => Self::Succeeded,
            Outcome::Failed => Self::Failed,
            Outcome::TimedOut => Self::TimedOut,
            Outcome::Killed => Self::Killed,
            Outcome::Lost => Self::Lost,
            Outcome::NoTargets => Self::NoTargets,
            Outcome::Maintenance => Self::Maintenance,
            Outcome::SkippedOverlap => Self::SkippedOverlap,
            Outcome::Missed { .. } => Self::Missed,
            Outcome::ResolveFailed { .. } => Self::ResolveFailed,
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

impl RunQuery {
    const PARAMS: &[Param<Self>] = &[
        ("job", |query, value| {
            query.job = params::name(value)?;
            Ok(())
        }),
        ("machine", |query, value| {
            query.machine = params::name(value)?;
            Ok(())
        }),
        ("outcome", |query, value| {
            let outcome = params::word(value, &OutcomeKind::ALL, OutcomeKind::as_str)?;
            query.outcome = Some(outcome);
            Ok(())
        }),
        ("cause", |query, value| {
            let cause = params::word(value, &CauseKind::ALL, CauseKind::as_str)?;
            query.cause = Some(cause);
            Ok(())
        }),
        ("from", |query, value| {
            query.from = params::time(value)?;
            Ok(())
        }),
        ("to", |query, value| {
            query.to = params::time(value)?;
            Ok(())
        }),
        ("before", |query, value| {
            query.before = Some(params::number(value)?);
            Ok(())
        }),
        ("limit", |query, value| {
            query.limit = Some(params::number(value)?);
            Ok(())
        }),
    ];

    /// Reads the parameters of a request. An empty one counts as absent, as a form sends it.
    ///
    /// # Errors
    /// A name that there is none of, or a value that it cannot have; the message says which there are.
    pub fn parse<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, ApiError> {
        params::read("runs", Self::PARAMS, pairs)
    }
}

/// Answer to `GET /api/v1/runs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunList {
    /// Newest first.
    pub runs: Vec<RunSummary>,
    /// What to ask for as `before` to get those that follow; absent when there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub older: Option<u64>,
}

/// Which machines a list is of, and in which order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MachineQuery {
    /// Whose name has this in it.
    pub text: String,
    /// All, or only some.
    pub show: MachineShow,
    /// Which come first.
    pub sort: MachineSort,
    /// How many at most; the server has a bound of its own.
    pub limit: Option<u32>,
}

/// Which machines are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MachineShow {
    /// All.
    #[default]
    All,
    /// Where something goes on.
    Running,
    /// Where a result of late was no success.
    Failing,
    /// Those under maintenance.
    Maintenance,
}

/// Which machines come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MachineSort {
    /// By name.
    #[default]
    Name,
    /// Those that fail most, by their share of the results.
    Failures,
    /// Those that have not been heard of for longest.
    Silent,
}

impl MachineShow {
    /// All of them, in the order of a menu.
    pub const ALL: [Self; 4] = [Self::All, Self::Running, Self::Failing, Self::Maintenance];

    /// The word in requests; none for all.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "",
            Self::Running => "running",
            Self::Failing => "failing",
            Self::Maintenance => "maintenance",
        }
    }

    /// The words that people read.
    pub const fn label(self) -> &'static str {
        match self {
            Self::All => "all machines",
            Self::Running => "with running jobs",
            Self::Failing => "with failures",
            Self::Maintenance => "under maintenance",
        }
    }
}

impl MachineSort {
    /// All of them, in the order of a menu.
    pub const ALL: [Self; 3] = [Self::Name, Self::Failures, Self::Silent];

    /// The word in requests; none for the usual order.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Name => "",
            Self::Failures => "failures",
            Self::Silent => "silent",
        }
    }

    /// The words that people read.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Name => "by name",
            Self::Failures => "most failures first",
            Self::Silent => "longest silent first",
        }
    }
}

impl MachineQuery {
    const PARAMS: &[Param<Self>] = &[
        ("q", |query, value| {
            value.clone_into(&mut query.text);
            Ok(())
        }),
        ("show", |query, value| {
            query.show = params::word(value, &MachineShow::ALL, MachineShow::as_str)?;
            Ok(())
        }),
        ("sort", |query, value| {
            query.sort = params::word(value, &MachineSort::ALL, MachineSort::as_str)?;
            Ok(())
        }),
        ("limit", |query, value| {
            query.limit = Some(params::number(value)?);
            Ok(())
        }),
    ];

    /// Reads the parameters of a request. An empty one counts as absent, as a form sends it.
    ///
    /// # Errors
    /// A name that there is none of, or a value that it cannot have; the message says which there are.
    pub fn parse<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, ApiError> {
        params::read("machines", Self::PARAMS, pairs)
    }
}

/// Answer to `GET /api/v1/machines`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineList {
    /// The first of those that were asked for, in the order that was asked for.
    pub machines: Vec<KnownMachine>,
    /// How many there are of those that were asked for.
    pub found: u32,
    /// How many machines are known.
    pub known: u32,
    /// Over how many days each one's failures are counted.
    pub days: u32,
}

/// What is known of a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownMachine {
    /// Its name.
    pub machine: MachineId,
    /// When a wrapper on it was last heard of, as far as its runs tell.
    pub seen: Option<UnixMillis>,
    /// The version of the wrapper that was last heard of, since the server's start.
    pub wrapper: Option<String>,
    /// Runs that are going on there, oldest first; a few at most.
    pub running: Vec<RunId>,
    /// Its results within [`MachineList::days`].
    pub results: u32,
    /// And how many of those were no success.
    pub failed: u32,
    /// Whether it is taken out of every job's targets.
    pub maintenance: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let message = |name, value| MachineQuery::parse([(name, value)]).unwrap_err().message;
        assert_eq!(
            message("show", "moon"),
            "show: \"moon\" is none of running, failing, maintenance"
        );
        assert_eq!(
            message("who", "x"),
            "machines: there is no parameter \"who\"; there are q, show, sort, limit"
        );
    }

    #[test]
    fn the_words_are_those_of_the_json() {
        use crate::status::{MissedReason, RunOutcome};
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
            let label = outcome.label();
            let at = UnixMillis(0);
            let kind = OutcomeKind::of(&RunState::Ended { at, outcome });
            assert_eq!(json["kind"], kind.as_str());
            assert_eq!(label, kind.label());
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
