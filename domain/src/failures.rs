//! How many machines may fail before a rolling run stops.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

/// How many machines fail before a run begins nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureLimit {
    /// So many.
    Machines(NonZeroU32),
    /// This part of the run's machines, those under maintenance left out. 1 to 100.
    Percent(u8),
}

impl FailureLimit {
    /// Whether `failures` of `machines` are as many as it takes. A part of a machine does not count: of 15 machines,
    /// 10 % are reached with the second.
    pub fn is_reached(self, failures: u32, machines: u32) -> bool {
        match self {
            Self::Machines(limit) => failures >= limit.get(),
            Self::Percent(percent) => {
                failures > 0
                    && u64::from(failures) * 100 >= u64::from(percent) * u64::from(machines)
            }
        }
    }
}

impl fmt::Display for FailureLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Machines(limit) => limit.fmt(f),
            Self::Percent(percent) => write!(f, "{percent} %"),
        }
    }
}

/// The text is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoLimit;

impl FromStr for FailureLimit {
    type Err = NoLimit;
    /// Reads `3` or `10 %`, with or without the space.
    fn from_str(text: &str) -> Result<Self, NoLimit> {
        let text = text.trim();
        if let Some(percent) = text.strip_suffix('%') {
            return match percent.trim_end().parse() {
                Ok(percent @ 1..=100) => Ok(Self::Percent(percent)),
                _ => Err(NoLimit),
            };
        }
        text.parse().map(Self::Machines).map_err(|_| NoLimit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_reached_by_the_first_whole_machine() {
        let limit = |text: &str| text.parse::<FailureLimit>().unwrap();
        let first = |text: &str, machines: u32| {
            (0..=machines).find(|failures| limit(text).is_reached(*failures, machines))
        };
        assert_eq!(first("2", 15), Some(2));
        assert_eq!(first("10 %", 15), Some(2));
        assert_eq!(first("10%", 20), Some(2));
        assert_eq!(first("1 %", 3), Some(1));
        assert_eq!(first("100%", 4), Some(4));
        assert_eq!(first("9", 4), None);
        assert!(!limit("50 %").is_reached(0, 0));
    }

    #[test]
    fn what_is_no_limit_is_refused() {
        for text in ["", "0", "-1", "0%", "101 %", "%", "ten", "1.5 %", "5 %%"] {
            assert_eq!(text.parse::<FailureLimit>(), Err(NoLimit), "{text:?}");
        }
        assert_eq!("7 %".parse::<FailureLimit>().unwrap().to_string(), "7 %");
    }
}
