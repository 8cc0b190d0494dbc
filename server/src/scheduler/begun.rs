//! From when on jobs are planned that have not fired yet. It is written down, so that a server which starts later knows
//! whether their first fire has passed.

use super::STARTS_AT_ONCE;
use crate::runs::Runs;
use futures::StreamExt as _;
use saltpeter_domain::JobSet;
use saltpeter_domain::planner::Planner;
use saltpeter_protocol::{JobName, UnixMillis};
use std::collections::BTreeMap;

/// What is not yet written down.
#[derive(Debug, Default)]
pub(super) struct Begun {
    unnoted: BTreeMap<JobName, UnixMillis>,
}

impl Begun {
    /// Plans `set`.
    pub(super) fn plan(&mut self, planner: &mut Planner, set: &JobSet, now: UnixMillis) {
        let anew = planner.update(set, now).into_iter();
        self.unnoted.extend(anew.map(|job| (job, now)));
    }

    /// Writes down what is not yet written. What fails is left for the next time.
    pub(super) async fn note(&mut self, runs: &Runs) {
        if self.unnoted.is_empty() {
            return;
        }
        let all = std::mem::take(&mut self.unnoted);
        let noting = futures::stream::iter(all).map(async |(job, from)| {
            let noted = runs.pass_over(job.clone(), from).await;
            noted.err().map(|error| (job, from, error))
        });
        let failed: Vec<_> = noting
            .buffer_unordered(STARTS_AT_ONCE)
            .filter_map(std::future::ready)
            .collect()
            .await;
        if let Some((_, _, error)) = failed.first() {
            let count = failed.len();
            tracing::error!("{count} jobs are planned and not yet noted: {error}");
        }
        self.unnoted
            .extend(failed.into_iter().map(|(job, from, _)| (job, from)));
    }
}
