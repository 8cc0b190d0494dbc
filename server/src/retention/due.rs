//! Which runs go. They are found from the oldest on, so that those that stay are not read: where nothing is due, that takes one
//! question for a thousand jobs, however many runs they have.

use crate::store::{EndedRuns, Place, Store, StoreError};
use saltpeter_domain::JobSet;
use saltpeter_domain::retention::{self, Excess, Limits, Surplus};
use saltpeter_protocol::{JobName, UnixMillis};

/// Jobs that are asked for at a time. In tests few, so that they see more than one answer.
const JOBS_AT_ONCE: u32 = if cfg!(test) { 2 } else { 1000 };
/// Runs that are asked for at a time.
const RUNS_AT_ONCE: u32 = if cfg!(test) { 3 } else { 256 };

/// Goes through the runs beyond the limits, as they were at one moment. It deletes none: one that has to wait is told of
/// once, and counts as gone.
pub struct Due {
    store: Store,
    now: UnixMillis,
    /// In the order of their names.
    jobs: Vec<Job>,
    /// How many of them are done with.
    done: usize,
    /// Bytes of output that there are to be of all jobs.
    limit: Option<u64>,
    /// Once all jobs are done with.
    excess: Option<Excess>,
    /// How far the search for it has come.
    looked_at: Place,
}

/// A job, and what goes by its own limits.
struct Job {
    name: JobName,
    surplus: Surplus,
    /// The newest run that goes.
    last: Place,
    /// Whether that is all.
    is_done: bool,
}

impl Due {
    /// By the limits of `set`.
    pub async fn new(store: Store, set: &JobSet, now: UnixMillis) -> Result<Self, StoreError> {
        let mut jobs: Vec<Job> = Vec::new();
        loop {
            let last = jobs.last().map(|job| &job.name);
            let some = store.jobs_with_ended_runs(last, JOBS_AT_ONCE).await?;
            if some.is_empty() {
                break;
            }
            jobs.extend(some.into_iter().map(|ended| Job::new(ended, set, now)));
        }
        Ok(Self {
            store,
            now,
            jobs,
            done: 0,
            limit: set.settings.retention_output,
            excess: None,
            looked_at: Place::FIRST,
        })
    }

    /// Some more runs that go, by their numbers; `None` when that were all.
    pub async fn next(&mut self) -> Result<Option<Vec<i64>>, StoreError> {
        while let Some(job) = self.jobs.get_mut(self.done) {
            let some = job.some(&self.store, self.now).await?;
            if !some.is_empty() {
                return Ok(Some(some));
            }
            self.done += 1;
        }
        let some = self.some_of_all().await?;
        Ok(Some(some).filter(|some| !some.is_empty()))
    }

    /// Some that go because of the output of all jobs.
    async fn some_of_all(&mut self) -> Result<Vec<i64>, StoreError> {
        let Some(limit) = self.limit else {
            return Ok(Vec::new());
        };
        let jobs = &self.jobs;
        let excess = self.excess.get_or_insert_with(|| {
            let stays = jobs.iter().map(|job| job.surplus.bytes());
            Excess::new(stays.fold(0, u64::saturating_add), limit)
        });
        let until = retention::settled(self.now);
        let mut going = Vec::new();
        while going.is_empty() && !excess.is_none() {
            let after = self.looked_at;
            let some = self.store.oldest_with_output(after, until, RUNS_AT_ONCE);
            let some = some.await?;
            let Some((_, last)) = some.last() else {
                break;
            };
            self.looked_at = last.place;
            for (name, run) in some {
                // What goes by its job's limits may still be there.
                let job = self.jobs.binary_search_by(|job| job.name.cmp(&name));
                let stays = job.is_ok_and(|job| self.jobs[job].last < run.place);
                if stays && excess.take(run.place.at, run.bytes, self.now) {
                    going.push(run.place.seq);
                }
            }
        }
        Ok(going)
    }
}

impl Job {
    fn new(ended: EndedRuns, set: &JobSet, now: UnixMillis) -> Self {
        let limits = if is_known(set, &ended.job) {
            let job = set.jobs.get(&ended.job).map(|job| &**job);
            retention::limits(job, &set.settings)
        } else {
            Limits::default()
        };
        let surplus = Surplus::new(limits, ended.runs, ended.bytes);
        Self {
            is_done: !surplus.goes(ended.oldest, now),
            name: ended.job,
            surplus,
            last: Place::FIRST,
        }
    }

    /// Some more that go.
    async fn some(&mut self, store: &Store, now: UnixMillis) -> Result<Vec<i64>, StoreError> {
        let mut going = Vec::new();
        if self.is_done {
            return Ok(going);
        }
        for run in store
            .oldest_ended(&self.name, self.last, RUNS_AT_ONCE)
            .await?
        {
            if !self.surplus.goes(run.place.at, now) {
                self.is_done = true;
                break;
            }
            self.surplus.remove(run.bytes);
            self.last = run.place;
            going.push(run.place.seq);
        }
        Ok(going)
    }
}

/// Whether the limits of a job are known: one that is in no file has the global ones, but one that a file with errors
/// may have had limits of its own for is left alone.
fn is_known(set: &JobSet, name: &JobName) -> bool {
    set.jobs.contains_key(name) || !set.has_errors()
}
