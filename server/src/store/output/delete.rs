//! Deleting what old runs have written, and giving its room back.

use super::read::STORED;
use super::writer::Order;
use super::{Inner, OutputError, OutputLog};
use saltpeter_protocol::RunId;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// How long the writer is meant to be busy with one step; appends wait for it.
const STEP: Duration = Duration::from_millis(10);
/// Sizes of a step.
const STEP_SIZES: std::ops::RangeInclusive<i64> = 4..=1024;
/// Between two steps the writer is left alone for as long as the step took, but no longer than this.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// How much a step takes on: as much as can be done in time.
pub(super) struct Pace {
    size: i64,
}

impl Default for Pace {
    fn default() -> Self {
        Self { size: 64 }
    }
}

impl Pace {
    pub(super) fn size(&self) -> i64 {
        self.size
    }

    /// A step has taken so long.
    pub(super) fn took(&mut self, time: Duration) {
        let size = if time > STEP {
            self.size / 2
        } else if time < STEP / 3 {
            self.size * 2
        } else {
            self.size
        };
        self.size = size.clamp(*STEP_SIZES.start(), *STEP_SIZES.end());
    }
}

/// A run whose output is deleted. As long as this is kept nobody gets hold of its streams, so that the rest of the run
/// can be deleted too.
pub struct Sealed {
    log: Arc<Inner>,
    run: RunId,
}

impl Drop for Sealed {
    fn drop(&mut self) {
        self.log.streams.unseal(&self.run);
    }
}

impl OutputLog {
    /// Bytes that all machines of a run have written. The run must have been over for some seconds.
    pub async fn stored(&self, run: &RunId) -> Result<u64, OutputError> {
        let bytes: i64 = sqlx::query_scalar(STORED)
            .bind(run.as_str())
            .fetch_one(&self.inner.readers)
            .await?;
        Ok(bytes.unsigned_abs())
    }

    /// Deletes all output of a run that is over, in steps that let appends pass in between. `None` when somebody reads
    /// or writes it at the moment: then nothing is deleted.
    pub async fn delete_run(&self, run: &RunId) -> Result<Option<Sealed>, OutputError> {
        if !self.inner.streams.held_of(run).is_empty() {
            // It may be the writer alone that holds them, until the index has their blocks.
            self.ask(|reply| Order::EnterAll { reply }).await?;
        }
        if !self.inner.streams.seal(run).await {
            return Ok(None);
        }
        let sealed = Sealed {
            log: Arc::clone(&self.inner),
            run: run.clone(),
        };
        self.in_steps(|reply| Order::DeleteSome {
            run: run.clone(),
            reply,
        })
        .await?;
        Ok(Some(sealed))
    }

    /// Gives the room of what has been deleted back to the file system, in steps that let appends pass in between.
    pub async fn shrink(&self) -> Result<(), OutputError> {
        self.in_steps(|reply| Order::ShrinkSome { reply }).await
    }

    async fn in_steps(&self, order: impl Fn(Reply) -> Order) -> Result<(), OutputError> {
        loop {
            let begun = Instant::now();
            if !self.ask(&order).await? {
                return Ok(());
            }
            tokio::time::sleep(begun.elapsed().min(LONGEST_PAUSE)).await;
        }
    }

    async fn ask(&self, order: impl Fn(Reply) -> Order) -> Result<bool, OutputError> {
        let (reply, answer) = oneshot::channel();
        self.inner.intake.send(order(reply))?;
        answer.await.map_err(|_| OutputError::Closed)?
    }
}

/// Where a step's outcome goes: whether there is more to do.
pub(super) type Reply = oneshot::Sender<Result<bool, OutputError>>;
