//! One job's instants are written down one after the other, also those that come due while earlier ones wait for a slow
//! disk. The store remembers the newest one only: an earlier one that were written later would be forgotten by a server that
//! dies in between.

use super::starter::{Fate, Starter};
use saltpeter_domain::planner::Due;
use saltpeter_protocol::JobName;
use std::collections::{HashMap, VecDeque};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is to be done about a job's instants.
pub(super) struct Work {
    pub(super) due: Due,
    pub(super) fate: Fate,
    pub(super) starter: Arc<Starter>,
}

/// The jobs whose instants are being written down, each with what comes after.
pub(super) struct Lanes<W = Work> {
    waiting: Mutex<HashMap<JobName, VecDeque<W>>>,
}

impl<W> Default for Lanes<W> {
    fn default() -> Self {
        Self {
            waiting: Mutex::default(),
        }
    }
}

impl Lanes {
    /// Writes down what `work` holds, and what has come for its job meanwhile.
    pub(super) async fn go(&self, work: Work) {
        let job = work.due.job.name.clone();
        let mut next = Some(work);
        while let Some(Work { due, fate, starter }) = next {
            if starter.see_to(due, fate).await == ControlFlow::Break(()) {
                // The next server finds this and what waits behind it; nothing later may be written before.
                return;
            }
            next = self.next(&job);
        }
    }
}

impl<W> Lanes<W> {
    /// Gives `work` back when it is its turn; otherwise it waits in its job's lane.
    pub(super) fn enter(&self, job: &JobName, work: W) -> Option<W> {
        let mut waiting = self.waiting();
        if let Some(lane) = waiting.get_mut(job) {
            lane.push_back(work);
            return None;
        }
        waiting.insert(job.clone(), VecDeque::new());
        Some(work)
    }

    /// What comes next in a job's lane, which is free when nothing does.
    fn next(&self, job: &JobName) -> Option<W> {
        let mut waiting = self.waiting();
        let next = waiting.get_mut(job)?.pop_front();
        if next.is_none() {
            waiting.remove(job);
        }
        next
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<JobName, VecDeque<W>>> {
        // What is kept under the lock is whole at every step.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_while_earlier_work_goes_on_waits_for_it() {
        let job = |name: &str| JobName::new(name).unwrap();
        let lanes = Lanes::default();
        assert_eq!(lanes.enter(&job("a"), 1), Some(1));
        assert_eq!(lanes.enter(&job("a"), 2), None);
        assert_eq!(lanes.enter(&job("b"), 9), Some(9));
        assert_eq!(lanes.enter(&job("a"), 3), None);
        assert_eq!(lanes.next(&job("a")), Some(2));
        assert_eq!(lanes.next(&job("a")), Some(3));
        assert_eq!(lanes.next(&job("b")), None);
        assert_eq!(lanes.next(&job("a")), None);
        assert_eq!(lanes.enter(&job("a"), 4), Some(4));
    }
}
