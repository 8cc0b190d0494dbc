//! How often a password may be guessed, from one address and for one user.

use saltpeter_protocol::UnixMillis;
use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

/// Keys that are remembered. When there are more, the one that has tried the least is forgotten.
pub const REMEMBERED: usize = 4096;

/// When guessing has to pause, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Attempts that may fail without a pause.
    pub free: u32,
    /// The pause after the next one; each further failure doubles it.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
    /// After this long without an attempt all is forgotten.
    pub forgotten_after: Duration,
}

impl Limit {
    /// For one address: 10 attempts, then pauses from half a minute up to a quarter of an hour.
    pub const ADDRESS: Self = Self {
        free: 10,
        first_pause: Duration::from_secs(30),
        longest_pause: Duration::from_mins(15),
        forgotten_after: Duration::from_mins(30),
    };
    /// For one user, from wherever: 20 attempts, then pauses up to five minutes. More would let anybody keep somebody out.
    pub const USER: Self = Self {
        free: 20,
        first_pause: Duration::from_secs(30),
        longest_pause: Duration::from_mins(5),
        forgotten_after: Duration::from_mins(30),
    };
}

#[derive(Debug, Clone, Copy)]
struct Attempts {
    failed: u32,
    last: UnixMillis,
}

/// Counts attempts by key: an address, or a user's name.
#[derive(Debug)]
pub struct Guesses<K> {
    limit: Limit,
    known: HashMap<K, Attempts>,
}

impl<K: Eq + Hash + Clone> Guesses<K> {
    /// Without attempts yet.
    pub fn new(limit: Limit) -> Self {
        Self {
            limit,
            known: HashMap::new(),
        }
    }

    /// Counts an attempt as failed before its password is looked at, so that many at once are not more than many in a row.
    /// An error says for how long `key` has to pause; such an attempt does not count.
    pub fn begin(&mut self, key: &K, now: UnixMillis) -> Result<(), Duration> {
        let wait = self.pause(key, now);
        if !wait.is_zero() {
            return Err(wait);
        }
        if !self.known.contains_key(key) && self.known.len() >= REMEMBERED {
            self.make_room(now);
        }
        let limit = self.limit;
        let attempts = self.known.entry(key.clone()).or_insert(Attempts {
            failed: 0,
            last: now,
        });
        if now.since(attempts.last) >= limit.forgotten_after {
            attempts.failed = 0;
        }
        attempts.failed = attempts.failed.saturating_add(1);
        attempts.last = now;
        Ok(())
    }

    /// The attempt that was begun has not failed: it is taken back. Those before it still count, lest whoever knows one
    /// password may guess at others without end.
    pub fn succeeded(&mut self, key: &K) {
        if let Some(attempts) = self.known.get_mut(key) {
            attempts.failed = attempts.failed.saturating_sub(1);
            if attempts.failed == 0 {
                self.known.remove(key);
            }
        }
    }

    /// How long `key` has to pause; zero when it need not.
    pub fn pause(&self, key: &K, now: UnixMillis) -> Duration {
        let Some(attempts) = self.known.get(key) else {
            return Duration::ZERO;
        };
        let passed = now.since(attempts.last);
        let Some(beyond) = attempts.failed.checked_sub(self.limit.free + 1) else {
            return Duration::ZERO;
        };
        let doubled = 2u32.saturating_pow(beyond.min(31));
        let pause = self.limit.first_pause.saturating_mul(doubled);
        pause.min(self.limit.longest_pause).saturating_sub(passed)
    }

    fn make_room(&mut self, now: UnixMillis) {
        let forgotten_after = self.limit.forgotten_after;
        self.known
            .retain(|_, attempts| now.since(attempts.last) < forgotten_after);
        if self.known.len() >= REMEMBERED {
            let least = self
                .known
                .iter()
                .min_by_key(|(_, attempts)| (attempts.failed, attempts.last));
            if let Some(key) = least.map(|(key, _)| key.clone()) {
                self.known.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: UnixMillis = UnixMillis(1_700_000_000_000);
    const LIMIT: Limit = Limit {
        free: 3,
        first_pause: Duration::from_secs(30),
        longest_pause: Duration::from_secs(100),
        forgotten_after: Duration::from_mins(10),
    };

    #[test]
    fn pauses_begin_after_the_free_attempts_double_and_end() {
        let mut guesses = Guesses::new(LIMIT);
        let mut now = START;
        for _ in 0..4 {
            assert_eq!(guesses.begin(&"ana", now), Ok(()));
        }
        for pause in [30, 60, 100, 100].map(Duration::from_secs) {
            assert_eq!(guesses.begin(&"ana", now), Err(pause));
            assert_eq!(guesses.begin(&"bor", now), Ok(()), "others are not meant");
            guesses.succeeded(&"bor");
            now = now + pause;
            assert_eq!(guesses.begin(&"ana", now), Ok(()));
        }
        now = now + LIMIT.forgotten_after;
        assert_eq!(guesses.begin(&"ana", now), Ok(()));
        assert_eq!(guesses.begin(&"ana", now), Ok(()));
    }

    #[test]
    fn a_success_takes_back_its_own_attempt_alone() {
        let mut guesses = Guesses::new(LIMIT);
        for _ in 0..3 {
            assert_eq!(guesses.begin(&1, START), Ok(()));
        }
        for _ in 0..10 {
            assert_eq!(guesses.begin(&1, START), Ok(()));
            guesses.succeeded(&1);
        }
        assert_eq!(guesses.begin(&1, START), Ok(()));
        assert!(guesses.begin(&1, START).is_err());
    }

    #[test]
    fn memory_is_bounded_and_the_worst_is_remembered() {
        let mut guesses = Guesses::new(LIMIT);
        for _ in 0..4 {
            assert_eq!(guesses.begin(&0, START), Ok(()));
        }
        for key in 1..REMEMBERED + 20 {
            assert_eq!(guesses.begin(&key, START), Ok(()));
        }
        assert_eq!(guesses.known.len(), REMEMBERED);
        assert!(guesses.begin(&0, START).is_err());
    }
}
