//! Lists of machines, and what they are asked by.

use super::params::{self, query};
use crate::ids::{MachineId, RunId};
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};

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

query!(MachineQuery, "machines", |query, value| {
    "q" => value.clone_into(&mut query.text),
    "show" => query.show = params::word(value, &MachineShow::ALL, MachineShow::as_str)?,
    "sort" => query.sort = params::word(value, &MachineSort::ALL, MachineSort::as_str)?,
    "limit" => query.limit = Some(params::number(value)?),
});

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
    /// When a wrapper on it was last heard of, as far as its runs tell; this moment while a command runs there and
    /// contact is not lost.
    pub seen: Option<UnixMillis>,
    /// Whether a command runs there and contact with its wrapper is not lost.
    #[serde(default)]
    pub heard: bool,
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
    fn what_is_wrong_is_said() {
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
}
