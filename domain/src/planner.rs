//! What is due, what was missed, and when to wake next.
//!
//! The planner keeps one slot for each job, its next fire time, in an ordered index. Looking at it costs nothing while nothing is
//! due, a fire costs one step in the index, and a new configuration touches only the jobs whose schedule changed.

use crate::config::JobSet;
use crate::job::{Job, MissedPolicy};
use chrono_tz::Tz;
use saltpeter_protocol::{JobName, MissedReason, UnixMillis};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// How many instants of one job are looked at, the latest ones.
pub const MAX_MISSED_LISTED: usize = 100;

/// A clock that is set back by more than this was wrong before; the schedules are planned anew from its new time.
const WRONG_CLOCK: Duration = Duration::from_hours(24);

/// What is to be done about a job: its instants up to now, each in one of the two lists. Everything missed is earlier
/// than every fire; whoever writes them down in this order loses none when interrupted.
#[derive(Debug, Clone, PartialEq)]
pub struct Due {
    /// The job as it is now.
    pub job: Arc<Job>,
    /// Whether there were still earlier instants, which are in neither list.
    pub unlisted: bool,
    /// Instants that get no run, oldest first; of more than [`MAX_MISSED_LISTED`] instants the latest.
    pub missed: Vec<Missed>,
    /// To be started now, oldest first.
    pub fires: Vec<Fire>,
}

impl Due {
    /// The latest of its instants.
    pub fn last(&self) -> Option<UnixMillis> {
        let fire = self.fires.last().map(|fire| fire.instant);
        fire.or_else(|| self.missed.last().map(|missed| missed.instant))
    }
}

/// An instant that passed without a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missed {
    /// The instant that the schedule named.
    pub instant: UnixMillis,
    /// Why.
    pub reason: MissedReason,
}

/// A fire of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fire {
    /// The instant that its schedule named. Together with the job's name it is the fire's identity.
    pub instant: UnixMillis,
    /// Whether it is in time.
    pub kind: FireKind,
}

/// Whether a fire is in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FireKind {
    /// It is, within the start window.
    OnTime,
    /// It makes up for one that nobody could see to, or waits for such.
    CatchUp,
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
    /// The time of the first configuration: what was due before was missed because no server was running.
    began: UnixMillis,
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
            began: UnixMillis::default(),
        }
    }

    /// Takes over `set`. Jobs whose schedule did not change keep their slot; new and changed ones are planned from `now`
    /// on, and at the first call from their last fire on.
    ///
    /// Returns the jobs that are planned from `now` on. Whoever keeps `last_fired` is to note `now` for them: otherwise a
    /// first fire that passes while no server is running is found by nobody.
    pub fn update(&mut self, set: &JobSet, now: UnixMillis) -> Vec<JobName> {
        let is_first = self.seen.is_none();
        if is_first {
            self.began = now;
        }
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
        let mut anew = Vec::new();
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
                    if last.is_none() {
                        anew.push(name.clone());
                    }
                    self.plan(job, zone, last.unwrap_or(now), now);
                }
            }
        }
        anew
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

    /// Takes all that is due at `now`, in the order of the first instants.
    ///
    /// Of a job's instants the latest is in time when it is within the start window. What becomes of the others is the
    /// job's policy for missed fires.
    pub fn due(&mut self, now: UnixMillis) -> Vec<Due> {
        self.see(now);
        let mut all = Vec::new();
        while self.index.first().is_some_and(|(at, _)| *at <= now)
            && let Some((first, name)) = self.index.pop_first()
        {
            let Some(slot) = self.slots.get_mut(&name) else {
                continue;
            };
            let instants = latest(&slot.job, slot.zone, first, now);
            let last = instants.last().copied().unwrap_or(first);
            slot.next = slot.job.schedule.next_after(last, slot.zone);
            if let Some(next) = slot.next {
                self.index.insert((next, name.clone()));
            }
            self.last.insert(name, last);
            let job = Arc::clone(&slot.job);
            let unlisted = instants.first() != Some(&first);
            let (missed, fires) = self.sort_out(&job, &instants, now);
            all.push(Due {
                job,
                unlisted,
                missed,
                fires,
            });
        }
        all
    }

    /// Which of a job's instants get a run, and why the others do not.
    fn sort_out(
        &self,
        job: &Job,
        instants: &[UnixMillis],
        now: UnixMillis,
    ) -> (Vec<Missed>, Vec<Fire>) {
        let in_time = |instant: UnixMillis| instant >= now - self.start_window;
        let made_up_for = |instant: UnixMillis| instant >= now - job.missed_window;
        let (earlier, last) = match instants.split_last() {
            Some((last, earlier)) if in_time(*last) => (earlier, Some(*last)),
            _ => (instants, None),
        };
        let is_catch_up = |at: usize, instant: UnixMillis| match job.missed {
            MissedPolicy::Skip => false,
            MissedPolicy::Once => last.is_none() && at + 1 == earlier.len() && made_up_for(instant),
            MissedPolicy::All => made_up_for(instant),
        };
        let (mut missed, mut fires) = (Vec::new(), Vec::new());
        for (at, instant) in earlier.iter().copied().enumerate() {
            if is_catch_up(at, instant) {
                fires.push(Fire {
                    instant,
                    kind: FireKind::CatchUp,
                });
            } else {
                let reason = if in_time(instant) {
                    MissedReason::Superseded
                } else if instant < self.began {
                    MissedReason::NotRunning
                } else {
                    MissedReason::Late
                };
                missed.push(Missed { instant, reason });
            }
        }
        if let Some(instant) = last {
            let kind = if fires.is_empty() {
                FireKind::OnTime
            } else {
                FireKind::CatchUp
            };
            fires.push(Fire { instant, kind });
        }
        (missed, fires)
    }
}

/// The instants of `job` from `first`, which is one, up to `now`: the latest of them when they are many.
fn latest(job: &Job, zone: Tz, first: UnixMillis, now: UnixMillis) -> Vec<UnixMillis> {
    let between = |after: UnixMillis| job.schedule.after(after, zone).take_while(|at| *at <= now);
    // There is no search backwards. Looking back twice as far each time finds the latest ones without walking through
    // days of a job that fires each second.
    let mut reach = Duration::from_mins(1);
    let instants = loop {
        let after = now - reach;
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
    instants[skip..].to_vec()
}
