//! After a start of the server: every run that is not over is taken up again.

use super::actor::Origin;
use super::{Runs, StoreError};
use saltpeter_domain::job::Overlap;
use saltpeter_domain::run::Run;
use saltpeter_protocol::{JobName, RunCause, RunId, RunState};
use std::collections::BTreeMap;

impl Runs {
    /// Gives every unfinished run of the store its actor and goes on with what waits. Returns how many there
    /// were. To be called once, before the first wrapper is heard and before the scheduler starts anything.
    pub async fn recover(&self) -> Result<usize, StoreError> {
        let unfinished = self.inner.store.unfinished_runs().await?;
        let count = unfinished.len();
        // Each job with something that waits, and the newest of its runs that is to replace others.
        let mut waiting: BTreeMap<JobName, Option<RunId>> = BTreeMap::new();
        for run in unfinished {
            if *run.state() == RunState::Queued {
                let newest = waiting.entry(run.job().clone()).or_default();
                if replaces(&run) {
                    *newest = Some(run.id().clone());
                }
            }
            self.give_actor(run, Origin::Store);
        }
        for (job, replacement) in waiting {
            self.decide_again(&job, replacement.as_ref()).await;
        }
        if count > 0 {
            tracing::info!(runs = count, "taken up again");
        }
        Ok(count)
    }
}

/// Whether a run that waits has had the others killed. One that makes up for a missed start ends no other.
fn replaces(run: &Run) -> bool {
    let head = run.head();
    head.spec.overlap == Overlap::Replace && !matches!(head.cause, RunCause::CatchUp { .. })
}
