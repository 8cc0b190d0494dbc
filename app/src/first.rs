//! What every page is first rendered from. The browser gets it within the page, so it holds only as
//! many jobs as the first screens show; the socket brings the rest.

use crate::client;
use crate::components::marks::last_failed;
use crate::live::Jobs;
use crate::pages::jobs::query::JobQuery;
use leptos::prelude::{Resource, use_context};
use saltpeter_protocol::api::{ApiError, JobRow, Overview};
use serde::{Deserialize, Serialize};

/// Jobs that a page is first rendered with.
pub(crate) const FIRST_ROWS: usize = 100;

/// The overview, cut to its first screens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct FirstView {
    /// The overview with the jobs that the page shows at first.
    pub(crate) overview: Overview,
    /// Counted over all jobs.
    pub(crate) totals: Totals,
    /// All groups, in order.
    pub(crate) groups: Vec<String>,
    /// How many jobs the filter of the address leaves.
    pub(crate) selected: usize,
}

/// Jobs in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Totals {
    /// All.
    pub(crate) jobs: u64,
    /// With a run that is not over.
    pub(crate) running: u64,
    /// Whose newest run did not end well.
    pub(crate) failed: u64,
}

/// The first view on its way, as all pages wait for it.
pub(crate) type First = Resource<Result<FirstView, ApiError>>;

/// The first view of the tab.
pub(crate) fn use_first() -> First {
    // Provided around every page; a page outside of it is a fault in this code.
    use_context().unwrap_or_else(|| Resource::new(String::new, client::first))
}

impl Totals {
    /// Counts a job too.
    pub(crate) fn add(&mut self, job: &JobRow) {
        self.jobs += 1;
        self.running += u64::from(!job.active.is_empty());
        self.failed += u64::from(last_failed(job));
    }

    /// Counts a job no more that was counted as it is.
    pub(crate) fn take(&mut self, job: &JobRow) {
        self.jobs -= 1;
        self.running -= u64::from(!job.active.is_empty());
        self.failed -= u64::from(last_failed(job));
    }
}

impl FirstView {
    /// What `search`, the query of the address, shows of `overview`.
    pub(crate) fn new(mut overview: Overview, search: &str) -> Self {
        let jobs = Jobs::new(std::mem::take(&mut overview.jobs));
        let selected = JobQuery::parse(search).select(jobs.rows());
        let count = selected.len();
        overview.jobs = selected
            .into_iter()
            .take(FIRST_ROWS)
            .map(|job| (*job).clone())
            .collect();
        Self {
            overview,
            totals: jobs.totals(),
            groups: jobs.groups().cloned().collect(),
            selected: count,
        }
    }
}
