//! How long to leave something alone before it is tried again.

use std::time::Duration;

/// Waits that double each time, up to a longest.
#[derive(Debug, Clone, Copy)]
pub(super) struct Backoff {
    first: Duration,
    longest: Duration,
    taken: u32,
}

impl Backoff {
    pub(super) const fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            taken: 0,
        }
    }

    /// How long to wait this time.
    pub(super) fn next_wait(&mut self) -> Duration {
        let factor = 2_u32.saturating_pow(self.taken);
        self.taken = self.taken.saturating_add(1);
        self.first.saturating_mul(factor).min(self.longest)
    }

    /// The waits begin with the first again.
    pub(super) fn reset(&mut self) {
        self.taken = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::Backoff;
    use std::time::Duration;

    #[test]
    fn waits_double_up_to_the_longest_and_start_anew() {
        let seconds = Duration::from_secs;
        let mut backoff = Backoff::new(seconds(1), seconds(5));
        let waits: Vec<u64> = (0..40).map(|_| backoff.next_wait().as_secs()).collect();
        assert_eq!(waits[..5], [1, 2, 4, 5, 5]);
        assert_eq!(waits[39], 5);
        backoff.reset();
        assert_eq!(backoff.next_wait(), seconds(1));
    }
}
