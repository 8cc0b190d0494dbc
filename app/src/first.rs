//! What every page is first rendered from. The browser gets it within the page, so it holds only as
//! many jobs as the first screens show; the socket brings the rest.

use crate::client;
use crate::pages::jobs::query::JobQuery;
use leptos::prelude::{Resource, use_context};
use saltpeter_protocol::api::{ApiError, JobRow, Overview};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;

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
    /// Counts.
    pub(crate) fn of<'a>(jobs: impl Iterator<Item = &'a Arc<JobRow>>) -> Self {
        let mut totals = Self::default();
        for job in jobs {
            totals.jobs += 1;
            totals.running += u64::from(!job.active.is_empty());
            totals.failed += u64::from(crate::components::marks::last_failed(job));
        }
        totals
    }
}

impl FirstView {
    /// What `search`, the query of the address, shows of `overview`.
    pub(crate) fn new(mut overview: Overview, search: &str) -> Self {
        let jobs: Vec<Arc<JobRow>> = overview.jobs.drain(..).map(Arc::new).collect();
        let totals = Totals::of(jobs.iter());
        let mut groups = BTreeSet::new();
        // Not collected: that would bring a sort of its own into the browser.
        groups.extend(jobs.iter().map(|job| job.group.clone()));
        let selected = JobQuery::parse(search).select(jobs.iter());
        let count = selected.len();
        overview.jobs = selected
            .into_iter()
            .take(FIRST_ROWS)
            .map(|job| (*job).clone())
            .collect();
        Self {
            overview,
            totals,
            groups: groups.into_iter().collect(),
            selected: count,
        }
    }
}
