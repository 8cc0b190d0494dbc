//! When a machine on which the command failed is tried again.

use saltpeter_protocol::Attempt;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;
use std::time::Duration;

/// The most further attempts that a job may ask for.
pub const MAX_RETRIES: u32 = 100;
/// The pause before the next attempt where a job does not say.
pub const DEFAULT_DELAY: Duration = Duration::from_secs(10);
/// The longest pause that [`Backoff::Exponential`] leads to, unless the first is longer.
pub const LONGEST_DELAY: Duration = Duration::from_hours(1);

/// How often and after what pause a machine is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// How many attempts may follow the first, 1 to [`MAX_RETRIES`].
    pub more: NonZeroU32,
    /// The pause after the first attempt, at least a second: the wrapper of that attempt is gone by then.
    pub delay: Duration,
    /// The pauses after the others.
    pub backoff: Backoff,
}

/// How the pauses between attempts grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backoff {
    /// They do not.
    #[default]
    Fixed,
    /// Each is twice the one before, up to an hour ([`LONGEST_DELAY`]).
    Exponential,
}

impl Backoff {
    /// The word that stands for it in a file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fixed => "fixed",
            Self::Exponential => "exponential",
        }
    }
}

impl Retry {
    /// The pause between the end of `attempt` and the next one; `None` when there is none.
    pub fn pause_after(self, attempt: Attempt) -> Option<Duration> {
        if attempt.get() > self.more.get() {
            return None;
        }
        Some(match self.backoff {
            Backoff::Fixed => self.delay,
            Backoff::Exponential => {
                let times = 1_u32.checked_shl(attempt.get() - 1).unwrap_or(u32::MAX);
                self.delay
                    .saturating_mul(times)
                    .min(LONGEST_DELAY.max(self.delay))
            }
        })
    }

    /// The last attempt that there can be.
    pub fn last(self) -> Attempt {
        Attempt::after(self.more.get() as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses(delay: u64, backoff: Backoff) -> Vec<Option<u64>> {
        let retry = Retry {
            more: NonZeroU32::new(4).unwrap(),
            delay: Duration::from_secs(delay),
            backoff,
        };
        (0..5)
            .map(|earlier| retry.pause_after(Attempt::after(earlier)))
            .map(|pause| pause.map(|pause| pause.as_secs()))
            .collect()
    }

    #[test]
    fn pauses_are_as_long_as_they_are_meant_to_be() {
        let some = |pauses: [u64; 4]| pauses.map(Some).to_vec();
        let and_none = |mut pauses: Vec<Option<u64>>| {
            pauses.push(None);
            pauses
        };
        assert_eq!(pauses(5, Backoff::Fixed), and_none(some([5, 5, 5, 5])));
        assert_eq!(
            pauses(5, Backoff::Exponential),
            and_none(some([5, 10, 20, 40]))
        );
        assert_eq!(
            pauses(1500, Backoff::Exponential),
            and_none(some([1500, 3000, 3600, 3600]))
        );
        assert_eq!(
            pauses(7200, Backoff::Exponential),
            and_none(some([7200, 7200, 7200, 7200])),
            "a pause that is longer from the start stays"
        );
    }

    #[test]
    fn a_hundred_attempts_do_not_overflow() {
        let retry = Retry {
            more: NonZeroU32::new(MAX_RETRIES).unwrap(),
            delay: Duration::from_secs(1),
            backoff: Backoff::Exponential,
        };
        assert_eq!(retry.pause_after(Attempt::after(99)), Some(LONGEST_DELAY));
        assert_eq!(retry.pause_after(retry.last()), None);
    }
}
