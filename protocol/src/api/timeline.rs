//! The timeline: what ran when, and what will.

use super::OutcomeKind;
use super::params::{self, query};
use crate::ids::{MachineId, RunId};
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The span that is shown unless another is asked for.
const SPAN: Duration = Duration::from_hours(6);
/// The shortest and the longest span.
const SPANS: [Duration; 2] = [Duration::from_mins(1), Duration::from_hours(31 * 24)];

/// What of the timeline is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelineQuery {
    /// What has a lane.
    pub by: LaneBy,
    /// Only lanes with this in their name.
    pub text: String,
    /// How much time.
    pub span: Duration,
    /// The time in the middle; now without one.
    pub at: Option<UnixMillis>,
}

/// What has a lane of the timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LaneBy {
    /// A job.
    #[default]
    Job,
    /// A machine.
    Machine,
}

impl LaneBy {
    /// The word in requests; none for jobs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Job => "",
            Self::Machine => "machine",
        }
    }
}

impl Default for TimelineQuery {
    fn default() -> Self {
        Self {
            by: LaneBy::default(),
            text: String::new(),
            span: SPAN,
            at: None,
        }
    }
}

query!(TimelineQuery, "timeline", |query, value| {
    "by" => query.by = match value {
        "machine" => LaneBy::Machine,
        "job" => LaneBy::Job,
        _ => return Err("lanes are by job or by machine".to_owned()),
    },
    "q" => value.clone_into(&mut query.text),
    // Seconds.
    "span" => query.span = {
        let [shortest, longest] = SPANS;
        Duration::from_secs(params::number(value)?).clamp(shortest, longest)
    },
    "at" => query.at = params::time(value)?,
});

/// Answer to `GET /api/v1/timeline`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeline {
    /// Where it begins.
    pub from: UnixMillis,
    /// Where it ends.
    pub to: UnixMillis,
    /// The server's clock.
    pub now: UnixMillis,
    /// By name; those with nothing in this span are left out.
    pub lanes: Vec<Lane>,
    /// Whether there are more lanes than are in here.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
    /// Whether there is so much in this span that not all of it was looked at.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
    /// What was under maintenance when, as far as that is everything or concerns one of the lanes; by its beginning.
    #[serde(default)]
    pub maintenance: Vec<Band>,
}

/// A lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lane {
    /// Of the job or of the machine.
    pub name: String,
    /// What ran, by its beginning.
    pub bars: Vec<Bar>,
    /// When the job is due.
    pub due: Vec<UnixMillis>,
    /// The group that the job is of now; absent for machines, and for jobs that are gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Whether the machine, or the job's group, is under maintenance now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub maintenance: bool,
}

impl Lane {
    /// Whether maintenance of `held` is this lane's, among lanes of jobs or of machines.
    pub fn is_under(&self, held: &Held, by: LaneBy) -> bool {
        match held {
            Held::Everything => true,
            Held::Group(group) => self.group.as_ref() == Some(group),
            Held::Machine(machine) => by == LaneBy::Machine && machine.as_str() == self.name,
        }
    }
}

/// A span of time in which something ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bar {
    /// When it began.
    pub from: UnixMillis,
    /// When it ended; now or later if it has not.
    pub to: UnixMillis,
    /// The worst of what it stands for.
    pub outcome: OutcomeKind,
    /// How many runs it stands for, which were too close together to be told apart.
    pub runs: u32,
    /// The newest of them.
    pub run: RunId,
}

/// What is under maintenance.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", content = "name", rename_all = "snake_case")]
pub enum Held {
    /// Nothing new starts at all.
    Everything,
    /// The jobs of a group do not start.
    Group(String),
    /// A machine is taken out of every job's targets.
    Machine(MachineId),
}

/// A span of time in which something was under maintenance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Band {
    /// What was.
    pub held: Held,
    /// When it began.
    pub from: UnixMillis,
    /// When it ended, or will; absent while nobody knows.
    pub to: Option<UnixMillis>,
    /// Who began it; absent when that was done in the configuration's files and these do not say.
    pub by: Option<String>,
    /// Why.
    pub reason: Option<String>,
}
