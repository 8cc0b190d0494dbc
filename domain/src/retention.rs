//! Which runs are deleted: those that are too old, too many, or have more output than there is to be.

use crate::config::Settings;
use crate::job::Job;
use saltpeter_protocol::UnixMillis;
use std::time::Duration;

/// Runs that ended within this time always stay: somebody may still be looking, and a wrapper may return late.
pub const SETTLED_AFTER: Duration = Duration::from_mins(10);

/// What is kept of a job's ended runs. Runs that are not over are never deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// How long; `None`: for ever.
    pub age: Option<Duration>,
    /// How many; `None`: all.
    pub runs: Option<u32>,
    /// How many bytes of output, of all of them together; `None`: all. The job's newest run is kept whatever its output.
    pub bytes: Option<u64>,
}

/// What a job says of its own runs, in place of the global limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Overrides {
    /// Days, 0 for no limit; `None`: as the settings have it.
    pub days: Option<u32>,
    /// Runs, 0 for no limit; `None`: as the settings have it.
    pub runs: Option<u32>,
    /// Bytes of output of this job alone.
    pub bytes: Option<u64>,
}

/// The limits of a job, or of one that is not in the configuration any more.
pub fn limits(job: Option<&Job>, settings: &Settings) -> Limits {
    let own = job.map(|job| job.retention).unwrap_or_default();
    let days = own.days.unwrap_or(settings.retention_days);
    let runs = own.runs.unwrap_or(settings.retention_runs);
    Limits {
        age: (days > 0).then(|| Duration::from_secs(u64::from(days) * 86_400)),
        runs: (runs > 0).then_some(runs),
        bytes: own.bytes,
    }
}

/// The newest end of a run that may go.
pub fn settled(now: UnixMillis) -> UnixMillis {
    now - SETTLED_AFTER
}

/// Which of a job's ended runs go by the job's own limits. They are gone through from the oldest on, so that those that stay
/// need not be looked at.
#[derive(Debug, Clone)]
pub struct Surplus {
    limits: Limits,
    runs: u64,
    bytes: u64,
}

impl Surplus {
    /// Of a job with so many ended runs, and so many bytes of output of all of them.
    pub fn new(limits: Limits, runs: u64, bytes: u64) -> Self {
        Self {
            limits,
            runs,
            bytes,
        }
    }

    /// Whether the oldest run that is left goes; it ended `at`. When it stays, so do all that ended after it.
    pub fn goes(&self, at: UnixMillis, now: UnixMillis) -> bool {
        let limits = &self.limits;
        let is_old = limits.age.is_some_and(|age| at < now - age);
        let is_one_too_many = limits.runs.is_some_and(|runs| self.runs > runs.into());
        let is_too_much = self.runs > 1 && limits.bytes.is_some_and(|limit| self.bytes > limit);
        (is_old || is_one_too_many || is_too_much) && at <= settled(now)
    }

    /// The oldest run that was left is one that goes, with so many bytes of output.
    pub fn remove(&mut self, bytes: u64) {
        self.runs = self.runs.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// Bytes of output of the runs that are left.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// Output that is too much: of what jobs' own limits leave, and of all jobs together. The oldest runs that have any go, of
/// whatever job, but not the newest of each.
#[derive(Debug, Clone)]
pub struct Excess(u64);

impl Excess {
    /// Of `total` bytes, where `limit` are to be.
    pub fn new(total: u64, limit: u64) -> Self {
        Self(total.saturating_sub(limit))
    }

    /// Whether there is none (any more).
    pub fn is_none(&self) -> bool {
        self.0 == 0
    }

    /// Takes the oldest run that is left, which ended `at` and has so many bytes of output. False when it stays.
    pub fn take(&mut self, at: UnixMillis, bytes: u64, now: UnixMillis) -> bool {
        // One without output makes no room.
        let goes = self.0 > 0 && bytes > 0 && at <= settled(now);
        if goes {
            self.0 = self.0.saturating_sub(bytes);
        }
        goes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

    /// A run: when it ended, and the bytes of its output.
    type Ended = (UnixMillis, u64);

    /// Runs that ended so many minutes ago, with so much output.
    fn runs(ended: &[(u64, u64)]) -> Vec<Ended> {
        let run = |(minutes, bytes): &(u64, u64)| (NOW - Duration::from_mins(*minutes), *bytes);
        ended.iter().map(run).collect()
    }

    fn bytes(runs: &[Ended]) -> u64 {
        runs.iter().map(|(_, bytes)| bytes).sum()
    }

    /// How many of a job's runs stay.
    fn kept(newest_first: &[Ended], limits: Limits) -> usize {
        let mut left = newest_first.len();
        let mut surplus = Surplus::new(limits, left as u64, bytes(newest_first));
        for (at, bytes) in newest_first.iter().rev() {
            if !surplus.goes(*at, NOW) {
                break;
            }
            surplus.remove(*bytes);
            left -= 1;
        }
        assert_eq!(surplus.bytes(), bytes(&newest_first[..left]));
        left
    }

    /// The same said of each run by itself, and found by looking at all of them.
    fn kept_of_all(newest_first: &[Ended], limits: Limits) -> usize {
        let goes = |place: usize| {
            let (at, _) = newest_first[place];
            let is_old = limits.age.is_some_and(|age| at < NOW - age);
            let is_one_too_many = limits.runs.is_some_and(|runs| place >= runs as usize);
            let up_to_it = bytes(&newest_first[..=place]);
            let is_too_much = place > 0 && limits.bytes.is_some_and(|limit| up_to_it > limit);
            (is_old || is_one_too_many || is_too_much) && NOW.since(at) >= SETTLED_AFTER
        };
        let all = newest_first.len();
        (0..all).find(|place| goes(*place)).unwrap_or(all)
    }

    /// The runs that make room, as job and place.
    fn gone(jobs: &[Vec<Ended>], limit: u64) -> Vec<(usize, usize)> {
        let mut candidates: Vec<(Ended, (usize, usize))> = Vec::new();
        for (job, runs) in jobs.iter().enumerate() {
            let others = runs.iter().enumerate().skip(1);
            candidates.extend(others.map(|(place, run)| (*run, (job, place))));
        }
        candidates.sort_unstable_by_key(|((at, _), _)| *at);
        let total = jobs.iter().map(|runs| bytes(runs)).sum();
        let mut excess = Excess::new(total, limit);
        candidates.retain(|((at, bytes), _)| excess.take(*at, *bytes, NOW));
        candidates.into_iter().map(|(_, run)| run).collect()
    }

    #[test]
    fn the_first_limit_that_is_reached_counts() {
        let runs = runs(&[(60, 5), (120, 5), (180, 5), (240, 5)]);
        let none = Limits::default();
        assert_eq!(kept(&runs, none), 4);
        let age = Some(Duration::from_hours(3));
        assert_eq!(kept(&runs, Limits { age, ..none }), 3);
        let count = Limits {
            runs: Some(2),
            ..none
        };
        assert_eq!(kept(&runs, count), 2);
        let bytes = |bytes| Limits {
            bytes: Some(bytes),
            ..none
        };
        assert_eq!(kept(&runs, bytes(10)), 2);
        assert_eq!(kept(&runs, bytes(9)), 1);
        assert_eq!(kept(&runs, bytes(0)), 1);
        let all = Limits {
            age,
            runs: Some(2),
            bytes: Some(5),
        };
        assert_eq!(kept(&runs, all), 1);
    }

    #[test]
    fn what_has_only_just_ended_stays() {
        let runs = runs(&[(0, 5), (9, 5), (10, 5), (11, 5)]);
        let one = Limits {
            runs: Some(1),
            ..Limits::default()
        };
        assert_eq!(kept(&runs, one), 2);
    }

    #[test]
    fn the_oldest_of_all_jobs_make_room_but_not_a_jobs_newest() {
        let jobs = [
            runs(&[(20, 10), (60, 10), (90, 0), (100, 10)]),
            runs(&[(500, 10)]),
        ];
        assert_eq!(gone(&jobs, 40), []);
        assert_eq!(gone(&jobs, 39), [(0, 3)]);
        assert_eq!(gone(&jobs, 25), [(0, 3), (0, 1)]);
        assert_eq!(gone(&jobs, 0), [(0, 3), (0, 1)]);
        let recent = [runs(&[(1, 10), (2, 10), (9, 10)])];
        assert_eq!(gone(&recent, 0), []);
    }

    proptest! {
        #[test]
        fn from_the_oldest_on_it_is_as_if_all_were_looked_at(
            ended in prop::collection::vec((0_u64..50, 0_u64..4), 0..40),
            runs_limit in prop::option::of(1_u32..20),
            bytes_limit in prop::option::of(0_u64..40),
            minutes in prop::option::of(0_u64..50),
        ) {
            let mut ended = ended;
            ended.sort_unstable();
            let runs = runs(&ended);
            let limits = Limits {
                age: minutes.map(Duration::from_mins),
                runs: runs_limit,
                bytes: bytes_limit,
            };
            prop_assert_eq!(kept(&runs, limits), kept_of_all(&runs, limits));
        }

        #[test]
        fn no_more_goes_than_has_to(
            jobs in prop::collection::vec(prop::collection::vec((10_u64..10_000, 0_u64..100), 1..20), 1..5),
            limit in 0_u64..2_000,
        ) {
            let jobs: Vec<Vec<Ended>> = jobs.into_iter().map(|mut ended| {
                ended.sort_unstable();
                runs(&ended)
            }).collect();
            let gone = gone(&jobs, limit);
            let size = |(job, place): &(usize, usize)| jobs[*job][*place].1;
            let total: u64 = jobs.iter().map(|runs| bytes(runs)).sum();
            let freed: u64 = gone.iter().map(size).sum();
            if let Some(last) = gone.last() {
                prop_assert!(total - (freed - size(last)) > limit);
            }
            let pinned: u64 = jobs.iter().map(|runs| runs[0].1).sum();
            prop_assert!(total - freed <= limit.max(pinned));
        }
    }
}
