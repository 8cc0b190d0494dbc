//! After a start of the server: every run that is not over is taken up again.

use super::actor::Origin;
use super::{Runs, StoreError};
use saltpeter_domain::job::Overlap;
use saltpeter_protocol::{JobName, RunState};
use std::collections::BTreeMap;

impl Runs {
    /// Gives every unfinished run of the store its actor and goes on with what waits. Returns how many there
    /// were. To be called once, before the first wrapper is heard and before the scheduler starts anything.
    pub async fn recover(&self) -> Result<usize, StoreError> {
        let unfinished = self.inner.store.unfinished_runs().await?;
        let count = unfinished.len();
        let mut waiting: BTreeMap<JobName, Overlap> = BTreeMap::new();
        for run in unfinished {
            if *run.state() == RunState::Queued {
                waiting.insert(run.job().clone(), run.spec().overlap);
            }
            self.give_actor(run, Origin::Store);
        }
        for (job, policy) in waiting {
            self.decide_again(&job, policy).await;
        }
        if count > 0 {
            tracing::info!(runs = count, "taken up again");
        }
        Ok(count)
    }
}
