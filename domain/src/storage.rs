//! When storage that failed counts as well again.
//!
//! On a disk that is full some writes still go through: small ones, or those that find room in a page that is there. If each
//! of them ended the trouble, it would begin anew with the next larger one.

use std::time::Duration;

/// For how long nothing may fail before storage that failed is well again.
pub const CALM: Duration = Duration::from_secs(2);

/// The room that a disk that was full needs before it is well again, in bytes: a few of the largest commits.
pub const LEAST_ROOM: u64 = 4 * 1024 * 1024;

/// What the writes to storage that failed have come to since. Times are of a clock that nobody sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Recovery {
    /// Since when all goes well, if it does.
    well_since: Option<Duration>,
}

impl Recovery {
    /// A write has failed.
    pub fn failed(&mut self) {
        self.well_since = None;
    }

    /// A write has gone well at the time `at`. `room` is that of a disk that was full, in bytes; `None`: it was not, or that is
    /// not known. True: the storage is well again.
    #[must_use]
    pub fn went_well(&mut self, at: Duration, room: Option<u64>) -> bool {
        if room.is_some_and(|room| room < LEAST_ROOM) {
            self.well_since = None;
            return false;
        }
        let since = *self.well_since.get_or_insert(at);
        at.saturating_sub(since) >= CALM
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MUCH: Option<u64> = Some(LEAST_ROOM);
    const LITTLE: Option<u64> = Some(LEAST_ROOM - 1);

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn it_is_well_after_some_seconds_in_which_nothing_failed() {
        let mut recovery = Recovery::default();
        assert!(!recovery.went_well(seconds(10), None));
        assert!(!recovery.went_well(seconds(11), None));
        recovery.failed();
        assert!(!recovery.went_well(seconds(12), None));
        assert!(!recovery.went_well(seconds(13), None));
        assert!(recovery.went_well(seconds(14), None));
    }

    #[test]
    fn a_full_disk_on_which_small_writes_go_well_is_still_full() {
        let mut recovery = Recovery::default();
        for second in 0..100 {
            assert!(!recovery.went_well(seconds(second), LITTLE));
        }
        assert!(!recovery.went_well(seconds(100), MUCH));
        assert!(!recovery.went_well(seconds(101), LITTLE), "it is used up");
        assert!(!recovery.went_well(seconds(102), MUCH));
        assert!(recovery.went_well(seconds(104), MUCH));
    }

    proptest! {
        /// Writes of every kind, a second apart and less: it is well exactly when the last that was bad is long enough ago.
        #[test]
        fn nothing_bad_is_forgotten_early_or_held_against_it_for_long(
            writes in prop::collection::vec((0_u64..1000, 0..3_u8), 1..60),
        ) {
            let mut recovery = Recovery::default();
            let (mut at, mut good_since) = (Duration::ZERO, None);
            for (pause, kind) in writes {
                at += Duration::from_millis(pause);
                let is_well = match kind {
                    0 => { recovery.failed(); false }
                    1 => recovery.went_well(at, LITTLE),
                    _ => recovery.went_well(at, MUCH),
                };
                good_since = if kind < 2 { None } else { good_since.or(Some(at)) };
                prop_assert_eq!(is_well, good_since.is_some_and(|since| at.saturating_sub(since) >= CALM));
            }
        }
    }
}
