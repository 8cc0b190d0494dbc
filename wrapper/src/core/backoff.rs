//! How long to wait before the next attempt to connect.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);
/// Below the server's silence limit, so that a wrapper is back before it counts as out of contact.
const LONGEST: Duration = Duration::from_secs(10);

/// Exponential delays with jitter: each lies between half and the whole of its step.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The delay before the next attempt. `random` is any evenly distributed number.
    pub fn next(&mut self, random: u64) -> Duration {
        let step = FIRST
            .saturating_mul(1 << self.failures.min(16))
            .min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        let half = step / 2;
        let nanos = u64::try_from(half.as_nanos()).unwrap_or(u64::MAX);
        half + Duration::from_nanos(random % nanos.max(1))
    }

    /// The server has welcomed us: the next failure begins anew.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn delays_stay_within_their_step(randoms in prop::collection::vec(any::<u64>(), 1..60)) {
            let mut backoff = Backoff::default();
            let mut step = FIRST;
            for random in randoms {
                let delay = backoff.next(random);
                prop_assert!(delay >= step / 2 && delay <= step, "{delay:?} for {step:?}");
                step = (step * 2).min(LONGEST);
            }
            backoff.reset();
            prop_assert!(backoff.next(7) <= FIRST);
        }
    }
}
