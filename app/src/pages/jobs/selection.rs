//! The jobs that the table shows, kept in order while jobs change. Pure.
//!
//! Sorting ten thousand jobs takes longer than a browser has for a frame, so only what has changed is put in its place.

use super::query::JobQuery;
use crate::live::{Changed, Jobs};
use saltpeter_protocol::JobName;
use saltpeter_protocol::api::JobRow;
use std::sync::Arc;

/// The jobs that a query leaves, in its order.
#[derive(Default)]
pub(crate) struct Selection {
    query: JobQuery,
    words: Vec<String>,
    rows: Vec<Arc<JobRow>>,
}

impl Selection {
    /// What `query` leaves of `jobs`.
    pub(crate) fn new(query: JobQuery, jobs: &Jobs) -> Self {
        Self {
            rows: query.select(jobs.rows()),
            words: query.words(),
            query,
        }
    }

    /// The query that it is of.
    pub(crate) fn query(&self) -> &JobQuery {
        &self.query
    }

    /// How many jobs it has.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The names of the jobs from `from` up to `to`, as far as there are so many.
    pub(crate) fn names(&self, from: usize, to: usize) -> Vec<JobName> {
        let rows = self.rows.get(from..to.min(self.rows.len()));
        rows.unwrap_or_default()
            .iter()
            .map(|job| job.name.clone())
            .collect()
    }

    /// Follows `jobs` that have changed since it was made or has followed last. True when other jobs are shown now, or in
    /// another order.
    pub(crate) fn follow(&mut self, jobs: &Jobs, changed: &Changed) -> bool {
        let Changed::Some(changed) = changed else {
            *self = Self::new(std::mem::take(&mut self.query), jobs);
            return true;
        };
        let mut moved = false;
        for (name, before) in changed {
            let now = jobs.get(name).filter(|job| self.keeps(job));
            let from = before.as_ref().filter(|job| self.keeps(job));
            let from = from.and_then(|job| self.place_of(job).ok());
            if let Some(from) = from {
                self.rows.remove(from);
            }
            let to = now.map(|job| {
                let (Ok(to) | Err(to)) = self.place_of(job);
                self.rows.insert(to, job.clone());
                to
            });
            moved |= from != to;
        }
        moved
    }

    fn keeps(&self, job: &JobRow) -> bool {
        self.query.keeps(job, &self.words)
    }

    /// Where a job is, or where it belongs.
    fn place_of(&self, job: &JobRow) -> Result<usize, usize> {
        self.rows
            .binary_search_by(|other| self.query.order(other, job))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use proptest::prelude::*;
    use saltpeter_protocol::UnixMillis;
    use saltpeter_protocol::{RunOutcome, RunState};

    #[derive(Debug, Clone)]
    struct Step {
        job: u8,
        next: Option<u8>,
        running: bool,
        last: Option<(u8, bool)>,
        remove: bool,
        frame: bool,
    }

    fn step() -> impl Strategy<Value = Step> {
        let next = prop::option::of(0_u8..4);
        let last = prop::option::of((0_u8..4, any::<bool>()));
        let parts = (0_u8..12, next, any::<bool>(), last, 0_u8..6, any::<bool>());
        parts.prop_map(|(job, next, running, last, remove, frame)| Step {
            job,
            next,
            running,
            last,
            remove: remove == 0,
            frame,
        })
    }

    fn row(step: &Step) -> JobRow {
        let at = |second: u8| UnixMillis(sample::NOW.0 + i64::from(second) * 1000);
        let mut row = sample::job(&format!("job{}", step.job));
        row.next = step.next.map(at);
        if step.running {
            row.active = vec![sample::summary("a_2", RunState::Running)];
        }
        row.last = step.last.map(|(second, well)| {
            let outcome = if well {
                RunOutcome::Succeeded
            } else {
                RunOutcome::Failed
            };
            let at = at(second);
            let mut last = sample::summary("a_1", RunState::Ended { at, outcome });
            last.created = at;
            last
        });
        row
    }

    proptest! {
        /// Whatever changes, in whichever frames: it is as if it were selected anew, and it says so when that differs.
        #[test]
        fn following_gives_what_selecting_anew_gives(
            search in prop::sample::select(vec![
                "", "?sort=-name", "?sort=next", "?sort=-next", "?sort=last", "?sort=running", "?running=1",
                "?status=failed&sort=-last", "?status=never%20run", "?q=job1",
            ]),
            steps in prop::collection::vec(step(), 0..60),
        ) {
            let query = JobQuery::parse(search);
            let mut jobs = Jobs::default();
            let mut selection = Selection::new(query.clone(), &jobs);
            for step in steps {
                let row = row(&step);
                if step.remove {
                    jobs.remove(&row.name);
                } else {
                    jobs.put(Arc::new(row));
                }
                if !step.frame {
                    continue;
                }
                let before = selection.names(0, usize::MAX);
                let changed = jobs.take_changed();
                let moved = selection.follow(&jobs, &changed);
                let now = selection.names(0, usize::MAX);
                let anew = Selection::new(query.clone(), &jobs);
                prop_assert_eq!(&now, &anew.names(0, usize::MAX));
                prop_assert!(moved || now == before);
                let kept = selection.rows.iter().zip(&anew.rows);
                prop_assert!(kept.into_iter().all(|(a, b)| Arc::ptr_eq(a, b)));
            }
        }
    }

    #[test]
    fn only_the_names_asked_for_are_given() {
        let rows = ["a", "b", "c"].map(sample::job).to_vec();
        let selection = Selection::new(JobQuery::default(), &Jobs::new(rows));
        let names = |from, to| selection.names(from, to).len();
        assert_eq!(
            (names(0, 2), names(1, 9), names(3, 9), names(5, 9)),
            (2, 2, 0, 0)
        );
    }
}
