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

/// A run that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended<T> {
    /// Which.
    pub run: T,
    /// When it ended.
    pub at: UnixMillis,
    /// Bytes of its output.
    pub bytes: u64,
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

/// How many of a job's ended runs stay by its own limits: the first so many of `newest_first`.
pub fn kept<T>(newest_first: &[Ended<T>], limits: &Limits, now: UnixMillis) -> usize {
    let mut bytes = 0_u64;
    for (place, run) in newest_first.iter().enumerate() {
        bytes = bytes.saturating_add(run.bytes);
        let is_old = limits.age.is_some_and(|age| run.at < now - age);
        let is_one_too_many = limits.runs.is_some_and(|runs| place >= runs as usize);
        let is_too_much = place > 0 && limits.bytes.is_some_and(|limit| bytes > limit);
        if (is_old || is_one_too_many || is_too_much) && is_settled(run, now) {
            return place;
        }
    }
    newest_first.len()
}

/// Which of the runs that stay by their jobs' limits go because the output of all jobs is more than `limit` bytes: the
/// oldest, of whatever job. Each job's runs are given newest first; the newest of each stays.
pub fn beyond_total<T: Copy>(jobs: &[Vec<Ended<T>>], limit: u64, now: UnixMillis) -> Vec<T> {
    let total: u64 = jobs.iter().flatten().map(|run| run.bytes).sum();
    let mut excess = total.saturating_sub(limit);
    if excess == 0 {
        return Vec::new();
    }
    let mut candidates: Vec<&Ended<T>> = jobs.iter().flat_map(|runs| runs.iter().skip(1)).collect();
    candidates.sort_by_key(|run| run.at);
    let mut gone = Vec::new();
    for run in candidates {
        if excess == 0 || !is_settled(run, now) {
            break;
        }
        // One without output makes no room.
        if run.bytes > 0 {
            gone.push(run.run);
            excess = excess.saturating_sub(run.bytes);
        }
    }
    gone
}

fn is_settled<T>(run: &Ended<T>, now: UnixMillis) -> bool {
    now.since(run.at) >= SETTLED_AFTER
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

    /// Runs that ended so many minutes ago, with so much output.
    fn runs(ended: &[(u64, u64)]) -> Vec<Ended<usize>> {
        let run = |(run, (minutes, bytes)): (usize, &(u64, u64))| Ended {
            run,
            at: NOW - Duration::from_mins(*minutes),
            bytes: *bytes,
        };
        ended.iter().enumerate().map(run).collect()
    }

    #[test]
    fn the_first_limit_that_is_reached_counts() {
        let runs = runs(&[(60, 5), (120, 5), (180, 5), (240, 5)]);
        let none = Limits::default();
        assert_eq!(kept(&runs, &none, NOW), 4);
        let age = Some(Duration::from_hours(3));
        assert_eq!(kept(&runs, &Limits { age, ..none }, NOW), 3);
        let count = Limits {
            runs: Some(2),
            ..none
        };
        assert_eq!(kept(&runs, &count, NOW), 2);
        let bytes = |bytes| Limits {
            bytes: Some(bytes),
            ..none
        };
        assert_eq!(kept(&runs, &bytes(10), NOW), 2);
        assert_eq!(kept(&runs, &bytes(9), NOW), 1);
        assert_eq!(kept(&runs, &bytes(0), NOW), 1);
        let all = Limits {
            age,
            runs: Some(2),
            bytes: Some(5),
        };
        assert_eq!(kept(&runs, &all, NOW), 1);
    }

    #[test]
    fn what_has_only_just_ended_stays() {
        let runs = runs(&[(0, 5), (9, 5), (10, 5), (11, 5)]);
        let one = Limits {
            runs: Some(1),
            ..Limits::default()
        };
        assert_eq!(kept(&runs, &one, NOW), 2);
    }

    #[test]
    fn the_oldest_of_all_jobs_make_room_but_not_a_jobs_newest() {
        let jobs = [
            runs(&[(20, 10), (60, 10), (90, 0), (100, 10)]),
            runs(&[(500, 10)]),
        ];
        assert_eq!(beyond_total(&jobs, 40, NOW), Vec::<usize>::new());
        assert_eq!(beyond_total(&jobs, 39, NOW), [3]);
        assert_eq!(beyond_total(&jobs, 25, NOW), [3, 1]);
        assert_eq!(beyond_total(&jobs, 0, NOW), [3, 1]);
    }

    proptest! {
        #[test]
        fn what_stays_is_within_the_limits(
            ended in prop::collection::vec((10_u64..10_000, 0_u64..100), 0..40),
            runs_limit in 1_u32..20,
            bytes_limit in 0_u64..500,
            minutes in 10_u64..10_000,
        ) {
            let mut ended = ended;
            ended.sort_unstable();
            let runs = runs(&ended);
            let limits = Limits {
                age: Some(Duration::from_mins(minutes)),
                runs: Some(runs_limit),
                bytes: Some(bytes_limit),
            };
            let kept = &runs[..kept(&runs, &limits, NOW)];
            prop_assert!(kept.len() <= runs_limit as usize);
            prop_assert!(kept.iter().all(|run| NOW.since(run.at) <= Duration::from_mins(minutes)));
            let bytes: u64 = kept.iter().map(|run| run.bytes).sum();
            prop_assert!(kept.len() <= 1 || bytes <= bytes_limit);
        }

        #[test]
        fn no_more_goes_than_has_to(
            jobs in prop::collection::vec(prop::collection::vec((10_u64..10_000, 0_u64..100), 1..20), 1..5),
            limit in 0_u64..2_000,
        ) {
            let jobs: Vec<Vec<Ended<(usize, usize)>>> = jobs.into_iter().enumerate().map(|(job, mut ended)| {
                ended.sort_unstable();
                let named = |run: Ended<usize>| Ended { run: (job, run.run), at: run.at, bytes: run.bytes };
                runs(&ended).into_iter().map(named).collect()
            }).collect();
            let gone = beyond_total(&jobs, limit, NOW);
            let size = |(job, run): &(usize, usize)| jobs[*job][*run].bytes;
            let total: u64 = jobs.iter().flatten().map(|run| run.bytes).sum();
            let freed: u64 = gone.iter().map(size).sum();
            prop_assert!(gone.iter().all(|(_, run)| *run > 0));
            if let Some(last) = gone.last() {
                prop_assert!(total - (freed - size(last)) > limit);
            }
            let pinned: u64 = jobs.iter().map(|runs| runs[0].bytes).sum();
            prop_assert!(total - freed <= limit.max(pinned));
        }
    }
}
