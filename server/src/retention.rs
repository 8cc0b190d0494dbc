//! Deletes old runs, as the limits of the configuration have it.
//!
//! A run's output goes first and its state last: after a death in between it is found again and the rest is deleted.
//! Whatever is read, written or going on is left for the next time.

mod due;
#[cfg(test)]
mod tests;

pub use due::Due;

use crate::clock::Clock;
use crate::config_watch::Config;
use crate::fanout::Board;
use crate::runs::Runs;
use crate::store::output::{OutputError, OutputLog};
use crate::store::{Store, StoreError};
use saltpeter_protocol::UnixMillis;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often it looks for runs to delete.
const EVERY: Duration = Duration::from_mins(1);
/// How often while runs are to go that somebody has to do with.
const SOON: Duration = Duration::from_secs(5);
/// How long after a run's end its output is measured: by then all of it can be counted.
const MEASURED_AFTER: Duration = Duration::from_secs(30);
/// Runs that are measured together.
const MEASURED_AT_ONCE: u32 = 100;

/// The task, and what it works with.
pub struct Retention {
    /// The limits.
    pub config: Config,
    /// Tells which runs somebody has to do with.
    pub runs: Runs,
    /// Where runs are.
    pub store: Store,
    /// Where their output is.
    pub output: OutputLog,
    /// What browsers are shown.
    pub board: Board,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// What has become of the runs beyond the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// So many are deleted.
    pub deleted: usize,
    /// So many have to wait, because somebody has to do with them.
    pub waiting: usize,
}

/// Why not all was deleted.
#[derive(Debug, thiserror::Error)]
pub enum RetentionError {
    /// The runs could not be read or deleted.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Their output could not.
    #[error(transparent)]
    Output(#[from] OutputError),
}

impl Retention {
    /// Deletes what is beyond the limits, now and then, until `stop`.
    pub async fn run(self, stop: CancellationToken) -> Result<(), std::convert::Infallible> {
        let mut config = self.config.subscribe();
        loop {
            let swept = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                swept = self.sweep() => swept,
            };
            let pause = match swept {
                Ok(Swept { deleted, waiting }) => {
                    if deleted > 0 {
                        tracing::info!("{deleted} old runs were deleted");
                    }
                    if waiting > 0 { SOON } else { EVERY }
                }
                Err(error) => {
                    tracing::warn!("old runs are not deleted, which is tried again: {error}");
                    EVERY
                }
            };
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(pause) => {}
                // The configuration's end is the server's.
                Ok(()) = config.changed() => {}
            }
        }
    }

    /// Deletes what is beyond the limits now.
    pub async fn sweep(&self) -> Result<Swept, RetentionError> {
        let now = self.clock.now();
        self.measure(now).await?;
        let mut swept = Swept::default();
        let mut due = Due::new(self.store.clone(), &self.config.current(), now).await?;
        while let Some(some) = due.next().await? {
            for seq in some {
                if self.delete(seq).await? {
                    swept.deleted += 1;
                } else {
                    swept.waiting += 1;
                }
            }
        }
        self.board.flush();
        self.output.shrink().await?;
        Ok(swept)
    }

    /// Notes how much output the runs have that have ended since the last time.
    async fn measure(&self, now: UnixMillis) -> Result<(), RetentionError> {
        loop {
            let before = now - MEASURED_AFTER;
            let runs = self.store.unmeasured(before, MEASURED_AT_ONCE).await?;
            if runs.is_empty() {
                return Ok(());
            }
            let mut measured = Vec::with_capacity(runs.len());
            for (seq, run) in runs {
                measured.push((seq, self.output.stored(&run).await?));
            }
            self.store.set_output(measured).await?;
        }
    }

    /// Deletes a run. False when it has to wait.
    async fn delete(&self, seq: i64) -> Result<bool, RetentionError> {
        let Some((job, run)) = self.store.run_at(seq).await? else {
            return Ok(true);
        };
        if self.runs.is_present(&run) {
            return Ok(false);
        }
        let Some(_sealed) = self.output.delete_run(&run).await? else {
            return Ok(false);
        };
        self.store.delete_run(seq).await?;
        self.board.forget(&job, &run);
        tracing::debug!(%run, "deleted because it is old");
        Ok(true)
    }
}
