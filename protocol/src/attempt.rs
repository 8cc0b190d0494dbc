//! Which try of a machine in a run.

use crate::ids::RunId;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Which try of a machine in a run, counted from 1. Each has a wrapper process, an outcome and output of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Attempt(u32);

/// Attempts are counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("attempts are counted from 1, and this is 0")]
pub struct NoAttempt;

impl Attempt {
    /// The first.
    pub const FIRST: Self = Self(1);

    /// The one after `earlier` others.
    pub fn after(earlier: usize) -> Self {
        Self(u32::try_from(earlier).unwrap_or(u32::MAX).saturating_add(1))
    }

    /// Its number, from 1.
    pub fn get(self) -> u32 {
        self.0
    }

    /// The one that follows.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Every attempt from the first to this one.
    pub fn up_to(self) -> impl Iterator<Item = Self> + use<> {
        (1..=self.0).map(Self)
    }

    /// Whether none came before it.
    pub fn is_first(&self) -> bool {
        *self == Self::FIRST
    }

    /// The name by which a version 1 wrapper of this attempt knows `run`: its messages carry nothing else by which
    /// it could be told from that of another attempt. The first attempt's is the run's own name.
    ///
    /// A run's name ends with digits after a `_`, so what follows a `.` cannot be part of it.
    pub fn instance(self, run: &RunId) -> String {
        if self.is_first() {
            run.to_string()
        } else {
            format!("{run}.{self}")
        }
    }

    /// Reads what [`Attempt::instance`] wrote: the run's name and the attempt.
    pub fn of_instance(instance: &str) -> (&str, Self) {
        let attempt = instance.rsplit_once('.').and_then(|(run, number)| {
            let digits = number.bytes().all(|b| b.is_ascii_digit()) && !number.starts_with('0');
            let number = number.parse().ok().filter(|_| digits)?;
            (number > Self::FIRST.0).then_some((run, Self(number)))
        });
        attempt.unwrap_or((instance, Self::FIRST))
    }
}

impl Default for Attempt {
    fn default() -> Self {
        Self::FIRST
    }
}

impl TryFrom<u32> for Attempt {
    type Error = NoAttempt;
    fn try_from(number: u32) -> Result<Self, NoAttempt> {
        if number == 0 {
            Err(NoAttempt)
        } else {
            Ok(Self(number))
        }
    }
}

impl From<Attempt> for u32 {
    fn from(attempt: Attempt) -> Self {
        attempt.0
    }
}

impl std::str::FromStr for Attempt {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let number: u32 = text
            .parse()
            .map_err(|_| format!("{text:?} is not the number of an attempt"))?;
        Self::try_from(number).map_err(|error| error.to_string())
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_names_run_and_attempt() {
        let run = RunId::new("a.2_1700000000_3").unwrap();
        assert_eq!(Attempt::FIRST.instance(&run), "a.2_1700000000_3");
        for attempt in [Attempt::FIRST, Attempt(2), Attempt(17)] {
            let name = attempt.instance(&run);
            assert!(RunId::new(&name).is_ok(), "{name}");
            assert_eq!(Attempt::of_instance(&name), (run.as_str(), attempt));
        }
        for name in [
            "backup_1700000000",
            "backup_1.0",
            "backup_1.02",
            "x_1.1",
            "x_1.",
            "v1.2b",
        ] {
            assert_eq!(Attempt::of_instance(name), (name, Attempt::FIRST));
        }
    }

    #[test]
    fn there_is_no_attempt_0() {
        assert_eq!(
            serde_json::from_str::<Attempt>("1").unwrap(),
            Attempt::FIRST
        );
        assert!(serde_json::from_str::<Attempt>("0").is_err());
        assert!("0".parse::<Attempt>().is_err());
        assert_eq!(Attempt::after(2).get(), 3);
    }
}
