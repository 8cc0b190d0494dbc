//! A server with one job that is tried twice.

use crate::executor::Executor;
use crate::testbed::Bed;
use saltpeter_domain::Plaintext;
use saltpeter_domain::retry::{Backoff, Retry};
use saltpeter_protocol::RunId;
use saltpeter_protocol::api::RunDetail;
use std::num::NonZeroU32;
use std::time::Duration;

impl<E: Executor> Bed<E> {
    /// With `more` in the job.
    pub(super) async fn twice(executor: E, more: &str, plaintext: Plaintext) -> Self {
        let job = format!("twice: {{schedule: '@yearly', targets: '*', command: 'true'{more}}}\n");
        Self::new(&job, plaintext, |_| executor).await
    }

    /// Begins a run, with a pause before the second attempt that is shorter than people may ask for.
    pub(super) async fn begin(&self) -> RunId {
        let retry = Retry {
            more: NonZeroU32::MIN,
            delay: Duration::from_millis(10),
            backoff: Backoff::Fixed,
        };
        self.start_with("twice", |spec| spec.retry = Some(retry))
            .await
    }

    /// Runs the job to its end.
    pub(super) async fn run(&self) -> (RunId, RunDetail) {
        let run = self.begin().await;
        let detail = self.over(&run).await;
        (run, detail)
    }
}
