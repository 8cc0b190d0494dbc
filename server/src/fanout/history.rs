//! What a job's row shows of its runs.

use saltpeter_protocol::RunId;
use saltpeter_protocol::api::{JobRow, RecentRun, RunSummary};

/// How many ended runs a row shows.
pub const RECENT: usize = 30;

fn bar(run: &RunSummary) -> RecentRun {
    RecentRun {
        run: run.id.clone(),
        state: run.state.clone(),
        started: run.created,
    }
}

/// A job's runs.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// The newest that is over.
    pub last: Option<RunSummary>,
    /// The newest [`RECENT`] that are over, oldest first.
    pub recent: Vec<RecentRun>,
    /// Those that are not over, oldest first.
    pub active: Vec<RunSummary>,
}

impl History {
    /// The newest [`RECENT`] of a job that are over, and all that are not, oldest first. As if each had been taken in when it
    /// ended.
    pub(super) fn new(mut over: Vec<RunSummary>, active: Vec<RunSummary>) -> Self {
        over.reverse();
        // Stable: of one moment the last that was written down is the newest.
        over.sort_by_key(|run| run.created);
        Self {
            recent: over.iter().map(bar).collect(),
            last: over.pop(),
            active,
        }
    }

    pub(super) fn take(&mut self, run: &RunSummary) {
        let place = self.active.iter().position(|known| known.id == run.id);
        if !run.state.is_ended() {
            match place {
                Some(place) => self.active[place] = run.clone(),
                None => self.active.push(run.clone()),
            }
            return;
        }
        if let Some(place) = place {
            self.active.remove(place);
        }
        let is_newest = self
            .last
            .as_ref()
            .is_none_or(|last| last.id == run.id || last.created <= run.created);
        if is_newest {
            self.last = Some(run.clone());
        }
        let bar = bar(run);
        // A lost run may end a second time, otherwise.
        if let Some(known) = self.recent.iter_mut().find(|known| known.run == run.id) {
            *known = bar;
            return;
        }
        let place = self
            .recent
            .partition_point(|known| known.started <= bar.started);
        self.recent.insert(place, bar);
        if self.recent.len() > RECENT {
            self.recent.remove(0);
        }
    }

    /// Forgets a run. True when it was known.
    pub(super) fn forget(&mut self, run: &RunId) -> bool {
        let before = self.recent.len();
        self.recent.retain(|known| known.run != *run);
        let was_last = self.last.take_if(|last| last.id == *run).is_some();
        was_last || self.recent.len() != before
    }

    pub(super) fn show_in(&self, row: &mut JobRow) {
        row.last.clone_from(&self.last);
        row.recent.clone_from(&self.recent);
        row.active.clone_from(&self.active);
    }
}
