//! What all browsers are shown, kept current in one place, and its changes in sequence.
//!
//! One task owns the changes: it hears the runs, the configuration, the pauses and the clock, changes the
//! [`Board`] and publishes what changed under the next number. Whoever subscribes gets the board at number N
//! and every change after N. Changes of a job's row in quick succession come as one.

mod board;
mod history;

pub use board::{Board, Change, Sequenced, Subscription};
pub use history::{History, RECENT};

use crate::clock::Clock;
use crate::config_watch::Config;
use crate::pauses::Paused;
use crate::runs::{RunChange, Runs};
use crate::store::health::Trouble;
use crate::store::output::OutputLog;
use crate::store::{Store, StoreError};
use futures::{StreamExt as _, TryStreamExt as _};
use saltpeter_protocol::api::StorageTrouble;
use saltpeter_protocol::{JobName, UnixMillis};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Machines whose lengths of output are asked for one by one, which is cheap while they write; for more, all of the
/// run's are read at once.
const ONE_BY_ONE: usize = 16;

/// How long the changes of a job's row are gathered.
const GATHER: Duration = Duration::from_millis(30);

/// The longest sleep, so that a clock that was set is noticed.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// Histories that are read at a time.
const HISTORIES_AT_ONCE: usize = 8;

/// What the task listens to.
pub struct Fanout {
    /// What it keeps current.
    pub board: Board,
    /// The configuration.
    pub config: Config,
    /// The runs.
    pub runs: Runs,
    /// Subscribed to before the board was filled, so that no change is missed.
    pub changes: broadcast::Receiver<Arc<RunChange>>,
    /// The pauses.
    pub paused: watch::Receiver<Paused>,
    /// What is wrong with the storage.
    pub health: watch::Receiver<Vec<Trouble>>,
    /// Lengths of output.
    pub output: OutputLog,
    /// Where the histories are, for when changes were missed.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Fanout {
    /// Keeps the board current until `stop`.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), std::convert::Infallible> {
        let mut jobs = self.config.subscribe();
        // The board knows nothing of it yet.
        self.health.mark_changed();
        let mut flush_at: Option<Instant> = None;
        loop {
            let now = self.clock.now();
            if self.board.pass_time(now) {
                flush_at.get_or_insert_with(|| Instant::now() + GATHER);
            }
            let wake = self.board.next_wake().map_or(LONGEST_SLEEP, |wake| {
                // One more, so that the moment has passed and not only come.
                (wake.since(now) + Duration::from_millis(1)).min(LONGEST_SLEEP)
            });
            let flush = flush_at.unwrap_or_else(|| Instant::now() + LONGEST_SLEEP);
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                change = self.changes.recv() => match change {
                    Ok(change) => {
                        self.take(&change).await;
                        flush_at.get_or_insert_with(|| Instant::now() + GATHER);
                    }
                    Err(broadcast::error::RecvError::Lagged(missed)) => {
                        tracing::warn!("the dashboard's state was {missed} changes behind and is built anew");
                        self.start_over().await;
                    }
                    // The runs outlive this task: they hold the sender.
                    Err(broadcast::error::RecvError::Closed) => stop.cancelled().await,
                },
                changed = jobs.changed() => {
                    if changed.is_err() {
                        // The configuration's task has ended, which ends the server.
                        stop.cancelled().await;
                    }
                    let jobs = Arc::clone(&jobs.borrow_and_update());
                    self.board.configure(&jobs, self.clock.now());
                }
                Ok(()) = self.paused.changed() => {
                    let paused = Arc::clone(&self.paused.borrow_and_update());
                    self.board.pause(&paused);
                    flush_at.get_or_insert_with(|| Instant::now() + GATHER);
                }
                Ok(()) = self.health.changed() => {
                    let now = self.clock.now();
                    let troubles = self.health.borrow_and_update();
                    self.board.set_troubles(shown(&troubles, now));
                }
                () = tokio::time::sleep_until(flush) => {
                    self.board.flush();
                    flush_at = None;
                }
                () = tokio::time::sleep(wake) => {}
            }
        }
    }

    async fn start_over(&self) {
        match histories(&self.store, &self.runs, &self.config).await {
            Ok(histories) => self.board.replace_histories(histories),
            Err(error) => tracing::error!("what the dashboard shows may be out of date: {error}"),
        }
    }

    async fn take(&self, change: &RunChange) {
        let mut machines = change.machines.clone();
        // The runs know nothing of output. A length that cannot be read shows when the page asks for it.
        let run = &change.summary.id;
        if machines.len() > ONE_BY_ONE {
            let lengths = self.output.lengths(run).await.unwrap_or_default();
            for row in &mut machines {
                crate::view::set_output(row, &lengths);
            }
        } else {
            for row in &mut machines {
                for attempt in row.attempts() {
                    if let Ok(stream) = self.output.stream(run, (&row.machine, attempt)).await {
                        row.set_output(attempt, stream.durable().length);
                    }
                }
            }
        }
        self.board.take_run(RunChange {
            summary: change.summary.clone(),
            machines,
        });
    }
}

fn shown(troubles: &[Trouble], now: UnixMillis) -> Vec<StorageTrouble> {
    let told = Trouble::sentences(troubles).into_iter();
    told.map(|(since, message)| StorageTrouble {
        since: now - since.elapsed(),
        message,
    })
    .collect()
}

/// The first instant after which something on the board changes by itself.
fn earliest(times: impl IntoIterator<Item = Option<UnixMillis>>) -> Option<UnixMillis> {
    times.into_iter().flatten().min()
}

/// What is known of the runs of each job of the configuration.
pub async fn histories(
    store: &Store,
    runs: &Runs,
    config: &Config,
) -> Result<HashMap<JobName, History>, StoreError> {
    let names: Vec<JobName> = config.current().jobs.keys().cloned().collect();
    let read = |name: JobName| async move {
        let over = store.newest_over(&name, RECENT as u32).await?;
        let history = History::new(over, runs.active(&name));
        Ok((name, history))
    };
    futures::stream::iter(names)
        .map(read)
        .buffer_unordered(HISTORIES_AT_ONCE)
        .try_collect()
        .await
}

#[cfg(test)]
mod tests;
