//! All jobs that a tab knows, with what is counted of them and what has changed since the last frame. Pure.
//!
//! Very many jobs may change in a second, so nothing here, and nothing that looks on, goes through all of them for each.

use crate::first::Totals;
use saltpeter_protocol::JobName;
use saltpeter_protocol::api::JobRow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// All jobs.
#[derive(Debug, Clone, Default)]
pub struct Jobs {
    by_name: BTreeMap<JobName, Arc<JobRow>>,
    totals: Totals,
    /// How many jobs each group has.
    groups: BTreeMap<String, u32>,
    changed: Changed,
}

/// What has changed.
#[derive(Debug, Clone)]
pub enum Changed {
    /// Everything may have.
    All,
    /// These jobs, as they were before; nothing for one that was not there.
    Some(BTreeMap<JobName, Option<Arc<JobRow>>>),
}

impl Default for Changed {
    fn default() -> Self {
        Self::Some(BTreeMap::new())
    }
}

impl Changed {
    /// Whether nothing has.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Some(before) if before.is_empty())
    }

    fn note(&mut self, name: &JobName, before: Option<&Arc<JobRow>>) {
        if let Self::Some(changed) = self
            && !changed.contains_key(name)
        {
            changed.insert(name.clone(), before.cloned());
        }
    }
}

impl Jobs {
    /// These jobs, all of them new.
    pub fn new(rows: Vec<JobRow>) -> Self {
        let mut jobs = Self {
            changed: Changed::All,
            ..Self::default()
        };
        for row in rows {
            jobs.put(Arc::new(row));
        }
        jobs
    }

    /// Puts a job in, in place of what was known of it; gives that back.
    pub fn put(&mut self, row: Arc<JobRow>) -> Option<Arc<JobRow>> {
        self.totals.add(&row);
        *self.groups.entry(row.group.clone()).or_default() += 1;
        let name = row.name.clone();
        let before = self.by_name.insert(name.clone(), row);
        self.gone(before.as_deref());
        self.changed.note(&name, before.as_ref());
        before
    }

    /// Takes a job out.
    pub fn remove(&mut self, name: &JobName) {
        let before = self.by_name.remove(name);
        self.gone(before.as_deref());
        self.changed.note(name, before.as_ref());
    }

    /// Counts a row no more.
    fn gone(&mut self, row: Option<&JobRow>) {
        let Some(row) = row else { return };
        self.totals.take(row);
        if let Some(count) = self.groups.get_mut(&row.group) {
            *count -= 1;
            if *count == 0 {
                self.groups.remove(&row.group);
            }
        }
    }

    /// One of them.
    pub fn get(&self, name: &JobName) -> Option<&Arc<JobRow>> {
        self.by_name.get(name)
    }

    /// All of them, by name.
    pub fn rows(&self) -> impl Iterator<Item = &Arc<JobRow>> {
        self.by_name.values()
    }

    /// Counts over all of them.
    pub(crate) fn totals(&self) -> Totals {
        self.totals
    }

    /// Their groups, in order.
    pub(crate) fn groups(&self) -> impl Iterator<Item = &String> {
        self.groups.keys()
    }

    /// What has changed since it was taken last.
    pub(crate) fn changed(&self) -> &Changed {
        &self.changed
    }

    /// Takes what has changed since it was taken last.
    pub(crate) fn take_changed(&mut self) -> Changed {
        std::mem::take(&mut self.changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use proptest::prelude::*;
    use saltpeter_protocol::{RunOutcome, RunState};

    fn row(name: u8, group: u8, running: bool, failed: bool) -> JobRow {
        let mut row = sample::job(&format!("job{name}"));
        row.group = format!("group{group}");
        let at = sample::NOW;
        let outcome = RunOutcome::Failed;
        row.active
            .extend(running.then(|| sample::summary("a_2", RunState::Running)));
        row.last = failed.then(|| sample::summary("a_1", RunState::Ended { at, outcome }));
        row
    }

    proptest! {
        #[test]
        fn what_is_counted_is_what_counting_anew_would_give(
            steps in prop::collection::vec((0_u8..6, 0_u8..3, any::<bool>(), any::<bool>(), any::<bool>()), 0..60),
        ) {
            let mut jobs = Jobs::default();
            for (name, group, running, failed, remove) in steps {
                let row = row(name, group, running, failed);
                if remove {
                    jobs.remove(&row.name);
                } else {
                    jobs.put(Arc::new(row));
                }
                let rows = jobs.rows().map(|row| JobRow::clone(row));
                let anew = Jobs::new(rows.collect());
                prop_assert_eq!(jobs.totals(), anew.totals());
                prop_assert!(jobs.groups().eq(anew.groups()));
                prop_assert_eq!(jobs.totals().jobs, jobs.rows().count() as u64);
            }
        }
    }

    #[test]
    fn of_each_job_that_has_changed_it_is_known_how_it_was_before() {
        let mut jobs = Jobs::new(vec![row(1, 0, false, false)]);
        assert!(matches!(jobs.take_changed(), Changed::All));
        assert!(jobs.changed().is_empty());
        jobs.put(Arc::new(row(1, 0, true, false)));
        jobs.put(Arc::new(row(1, 0, true, true)));
        jobs.put(Arc::new(row(2, 0, false, false)));
        let Changed::Some(before) = jobs.take_changed() else {
            panic!("not all has changed");
        };
        let before: Vec<_> = before.into_values().collect();
        assert_eq!(before.len(), 2);
        let first = before[0].as_deref();
        assert_eq!(first, Some(&row(1, 0, false, false)));
        assert_eq!(before[1], None);
        assert!(jobs.changed().is_empty());
    }
}
