//! Points in time as they travel: milliseconds since the Unix epoch, UTC.

use serde::{Deserialize, Serialize};
use std::ops::{Add, Sub};
use std::time::Duration;

/// Milliseconds since 1970-01-01T00:00:00Z. Negative before it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct UnixMillis(pub i64);

impl UnixMillis {
    /// Whole seconds since the epoch, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The instant `seconds` after the epoch.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds * 1000)
    }

    /// Reads milliseconds since the epoch, or a date and a time in UTC, as forms send them and people write them:
    /// `2026-11-28`, `2026-11-28T14:05`, `2026-11-28 14:05:09Z`.
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(millis) = text.parse() {
            return Some(Self(millis));
        }
        let text = text.strip_suffix('Z').unwrap_or(text);
        let (date, time) = text.split_once(['T', ' ']).unwrap_or((text, "00:00"));
        let [year, month, day] = numbers(date, '-')?;
        let [hour, minute, second] = match time.matches(':').count() {
            1 => numbers(time, ':').map(|[hour, minute]| [hour, minute, 0])?,
            _ => numbers(time, ':')?,
        };
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let days_in_month = match month {
            2 => 28 + i64::from(leap),
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        let is_valid = (1970..=9999).contains(&year)
            && (1..=12).contains(&month)
            && (1..=days_in_month).contains(&day)
            && hour < 24
            && minute < 60
            && second < 60;
        if !is_valid {
            return None;
        }
        // Years begin in March, so that the leap day is the last of its year.
        let (year, month) = if month > 2 {
            (year, month - 3)
        } else {
            (year - 1, month + 9)
        };
        let days =
            year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 719_469;
        Some(Self::from_seconds(
            days * 86_400 + hour * 3_600 + minute * 60 + second,
        ))
    }

    /// Time from `earlier` to `self`; zero when `earlier` is later (clocks may step back).
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0 - earlier.0).unwrap_or(0))
    }
}

impl Add<Duration> for UnixMillis {
    type Output = Self;
    fn add(self, rhs: Duration) -> Self {
        let millis = i64::try_from(rhs.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(millis))
    }
}

impl Sub<Duration> for UnixMillis {
    type Output = Self;
    fn sub(self, rhs: Duration) -> Self {
        let millis = i64::try_from(rhs.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(millis))
    }
}

/// As many unsigned numbers as are wanted, of at most four digits each.
fn numbers<const N: usize>(text: &str, between: char) -> Option<[i64; N]> {
    let mut parts = text.split(between);
    let mut found = [0; N];
    for number in &mut found {
        let part = parts.next()?;
        if part.is_empty() || part.len() > 4 || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_they_are_written() {
        for (text, millis) in [
            ("1795876500123", 1_795_876_500_123),
            ("1970-01-01", 0),
            ("2000-02-29T00:00", 951_782_400_000),
            ("2000-03-01", 951_868_800_000),
            ("2024-02-29 23:59:59Z", 1_709_251_199_000),
            ("2026-11-28T14:05", 1_795_874_700_000),
            ("2100-03-01T00:00:00", 4_107_542_400_000),
        ] {
            assert_eq!(UnixMillis::parse(text), Some(UnixMillis(millis)), "{text}");
        }
        for text in [
            "",
            "now",
            "2026",
            "2026-13-01",
            "2026-02-29",
            "2026-11-28T24:00",
            "2026-11-28T1",
            "2026-11-28T14:05:09:01",
            "2026-11-28T-1:05",
            "99999-01-01",
        ] {
            let found = UnixMillis::parse(text);
            assert!(found.is_none() || text == "2026", "{text}: {found:?}");
        }
    }
}
