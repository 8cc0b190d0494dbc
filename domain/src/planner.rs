//! What is due, what was missed, and when to wake next.
//!
//! The planner keeps one slot for each job, its next fire time, in an ordered index. Looking at it costs nothing while nothing is
//! due, a fire costs one step in the index, and a new configuration touches only the jobs whose schedule changed.

use crate::config::JobSet;
use crate::job::Job;
use chrono_tz::Tz;
use saltpeter_protocol::{JobName, UnixMillis};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// How many missed instants of one job are listed, the latest ones.
pub const MAX_MISSED_LISTED: usize = 100;

/// A clock that is set back by more than this was wrong before; the schedules are planned anew from its new time.
const WRONG_CLOCK: Duration = Duration::from_hours(24);

/// A fire of a job.
#[derive(Debug, Clone, PartialEq)]
pub struct Fire {
    /// The job as it is now.
    pub job: Arc<Job>,
    /// The instant that its schedule named. Together with the job's name it is the fire's identity.
    pub instant: UnixMillis,
}

/// Fires of a job whose start window had passed when they were looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct Missed {
    /// The job as it is now.
    pub job: Arc<Job>,
    /// The first instant that was missed.
    pub first: UnixMillis,
    /// The missed instants, oldest first; of more than [`MAX_MISSED_LISTED`] the latest.
    pub instants: Vec<UnixMillis>,
}

impl Missed {
    /// Whether there are instants that are not listed.
    pub fn is_truncated(&self) -> bool {
        self.instants.first() != Some(&self.first)
    }
}

/// What [`Planner::due`] found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Due {
    /// To be started now, ordered by instant, then by name.
    pub fires: Vec<Fire>,
    /// Too late to be started, ordered by name.
    pub missed: Vec<Missed>,
}

#[derive(Debug)]
struct Slot {
    job: Arc<Job>,
    next: Option<UnixMillis>,
    /// The zone `next` was computed in.
    zone: Tz,
}

/// Knows the next fire time of every job.
///
/// Each (job, instant) is handed out once, also when the clock is set back: a job's slot only moves forward. The one
/// exception is a clock that is set back by more than a day; the unique key in the store guards that case.
#[derive(Debug)]
pub struct Planner {
    slots: BTreeMap<JobName, Slot>,
    index: BTreeSet<(UnixMillis, JobName)>,
    /// The last instant handed out or reported as missed, also of jobs that are not there at the moment: one that is taken out and
    /// put back within its minute must not fire twice.
    last: BTreeMap<JobName, UnixMillis>,
    start_window: Duration,
    /// The latest time that was seen; `None` before the first configuration.
    seen: Option<UnixMillis>,
}

impl Planner {
    /// A planner without jobs. `last_fired` holds the last scheduled instant of each job that the store knows: what came due
    /// after it while no server was running is found by the first [`Planner::due`] after the first [`Planner::update`].
    pub fn new(last_fired: BTreeMap<JobName, UnixMillis>) -> Self {
        Self {
            slots: BTreeMap::new(),
            index: BTreeSet::new(),
            last: last_fired,
            start_window: Duration::from_mins(1),
            seen: None,
        }
    }

    /// Takes over `set`. Jobs whose schedule did not change keep their slot; new and changed ones are planned from `now`
    /// on, and at the first call from their last fire on.
    pub fn update(&mut self, set: &JobSet, now: UnixMillis) {
        let is_first = self.seen.is_none();
        self.see(now);
        self.start_window = set.settings.start_window;
        let gone: Vec<JobName> = self
            .slots
            .keys()
            .filter(|name| !set.jobs.contains_key(*name))
            .cloned()
            .collect();
        for name in gone {
            self.drop_slot(&name);
        }
        for (name, job) in &set.jobs {
            let zone = job.schedule.zone(set.default_zone);
            match self.slots.get_mut(name) {
                Some(slot) if slot.zone == zone && slot.job.schedule == job.schedule => {
                    if !Arc::ptr_eq(&slot.job, job) {
                        slot.job = Arc::clone(job);
                    }
                }
                _ => {
                    self.drop_slot(name);
                    let last = self.last.get(name).copied().filter(|_| is_first);
                    self.plan(job, zone, last.unwrap_or(now), now);
                }
            }
        }
    }

    fn drop_slot(&mut self, name: &JobName) {
        if let Some(slot) = self.slots.remove(name)
            && let Some(next) = slot.next
        {
            self.index.remove(&(next, name.clone()));
        }
    }

    /// Gives `job` a slot for its first fire after `from`, and never for one that it had already.
    fn plan(&mut self, job: &Arc<Job>, zone: Tz, from: UnixMillis, now: UnixMillis) {
        let had = self
            .last
            .get(&job.name)
            .copied()
            .filter(|last| *last <= now + WRONG_CLOCK);
        let next = job
            .schedule
            .next_after(had.map_or(from, |had| had.max(from)), zone);
        if let Some(next) = next {
            self.index.insert((next, job.name.clone()));
        }
        self.slots.insert(
            job.name.clone(),
            Slot {
                job: Arc::clone(job),
                next,
                zone,
            },
        );
    }

    /// Notes the time, and plans anew when the clock was far ahead until now.
    fn see(&mut self, now: UnixMillis) {
        if self.seen.is_some_and(|seen| now + WRONG_CLOCK < seen) {
            self.index.clear();
            for (_, Slot { job, zone, .. }) in std::mem::take(&mut self.slots) {
                self.plan(&job, zone, now, now);
            }
            self.seen = Some(now);
        }
        self.seen = self.seen.max(Some(now));
    }

    /// When something is due next; `None`: never, as far as is known.
    pub fn next_wake(&self) -> Option<UnixMillis> {
        self.index.first().map(|(at, _)| *at)
    }

    /// The next fire time of a job.
    pub fn next_fire(&self, job: &str) -> Option<UnixMillis> {
        self.slots.get(job)?.next
    }

    /// Takes all that is due at `now`. What is later than the start window is missed, the rest is to be started.
    pub fn due(&mut self, now: UnixMillis) -> Due {
        self.see(now);
        let oldest = now - self.start_window;
        let mut fires = Vec::new();
        let mut missed = BTreeMap::new();
        while self.index.first().is_some_and(|(at, _)| *at <= now)
            && let Some((instant, name)) = self.index.pop_first()
        {
            let Some(slot) = self.slots.get_mut(&name) else {
                continue;
            };
            let mut last = instant;
            if instant < oldest {
                let found = list_missed(&slot.job, slot.zone, instant, oldest);
                last = found.instants.last().copied().unwrap_or(instant);
                missed.insert(name.clone(), found);
            } else {
                fires.push(Fire {
                    job: Arc::clone(&slot.job),
                    instant,
                });
            }
            slot.next = slot.job.schedule.next_after(last, slot.zone);
            if let Some(next) = slot.next {
                self.index.insert((next, name.clone()));
            }
            self.last.insert(name, last);
        }
        Due {
            fires,
            missed: missed.into_values().collect(),
        }
    }
}

/// The fires of `job` from `first` on and before `oldest`, the latest of them when they are many.
fn list_missed(job: &Arc<Job>, zone: Tz, first: UnixMillis, oldest: UnixMillis) -> Missed {
    let between = |after: UnixMillis| {
        job.schedule
            .after(after, zone)
            .take_while(|at| *at < oldest)
    };
    // There is no search backwards. Looking back twice as far each time finds the latest ones without walking through
    // days of a job that fires each second.
    let mut reach = Duration::from_mins(1);
    let instants = loop {
        let after = oldest - reach;
        if after < first {
            let mut instants = vec![first];
            instants.extend(between(first));
            break instants;
        }
        let instants: Vec<UnixMillis> = between(after).collect();
        if instants.len() >= MAX_MISSED_LISTED {
            break instants;
        }
        reach *= 2;
    };
    let skip = instants.len().saturating_sub(MAX_MISSED_LISTED);
    Missed {
        job: Arc::clone(job),
        first,
        instants: instants[skip..].to_vec(),
    }
}
