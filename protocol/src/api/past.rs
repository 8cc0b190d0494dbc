//! What a job's past says.

use crate::ids::{MachineId, RunId};
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// What a job's past says, beside the newest runs themselves.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct JobPast {
    /// How often it went well: over 7 days and over 30.
    pub rates: Vec<SuccessRate>,
    /// The machines on which it takes longest, the slowest first; over the runs that are kept.
    pub slowest: Vec<SlowMachine>,
    /// What is different since it last went well; `None` while its newest run did, and where it has had none.
    pub since_success: Option<SinceSuccess>,
}

/// How often a job went well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuccessRate {
    /// Over so many days (UTC), today included.
    pub days: u32,
    /// Runs that succeeded.
    pub succeeded: u64,
    /// Runs that failed, timed out, were lost, or found no machine.
    pub failed: u64,
    /// Runs that were killed, skipped, missed, or under maintenance. They do not count.
    pub other: u64,
}

impl SuccessRate {
    /// The share of the runs that count, in thousandths, rounded down: 1000 means all. `None` when none counts.
    pub fn per_mille(&self) -> Option<u64> {
        (self.succeeded * 1000).checked_div(self.succeeded + self.failed)
    }
}

/// How long a job takes on a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlowMachine {
    /// The machine.
    pub machine: MachineId,
    /// The mean, in milliseconds, of the runs that came to an end there.
    pub mean_ms: u64,
    /// Results in all.
    pub results: u64,
    /// Those that were no success.
    pub failed: u64,
}

/// What is different since a job last went well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinceSuccess {
    /// The newest run that counts.
    pub run: RunId,
    /// The last that went well; `None` when none is known.
    pub last: Option<LastSuccess>,
}

/// The last run that went well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastSuccess {
    /// The run. It may be deleted by now.
    pub run: RunId,
    /// When it ended.
    pub at: UnixMillis,
    /// What is different in the job by now, by key; `None` when it is not known any more what it was.
    pub changes: Option<Vec<ConfigChange>>,
}

/// A key of a job that is not as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigChange {
    /// The key.
    pub key: String,
    /// Its value then; masked where it is a secret. `None`: it was not set.
    pub before: Option<String>,
    /// Its value now; masked where it is a secret. `None`: it is not set.
    pub after: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_means_all() {
        let rate = |succeeded, failed| {
            let rate = SuccessRate {
                days: 7,
                succeeded,
                failed,
                other: 3,
            };
            rate.per_mille()
        };
        assert_eq!(rate(9999, 1), Some(999));
        assert_eq!(
            (rate(3, 0), rate(0, 3), rate(0, 0)),
            (Some(1000), Some(0), None)
        );
    }
}
