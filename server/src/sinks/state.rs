//! How a cluster is doing, for people.

use super::cluster::Target;
use super::spool::Spool;
use saltpeter_domain::secret::mask_url;
use saltpeter_protocol::UnixMillis;
use saltpeter_protocol::api::{SinkHealth, SinkRow};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The server's log has one line about documents that are lost in this time.
const SAY_AGAIN: Duration = Duration::from_mins(1);

/// One cluster's state. The tasks write it, pages read it.
pub(super) struct SinkState {
    name: &'static str,
    address: String,
    spool: Spool,
    sent: AtomicU64,
    dropped: AtomicU64,
    rejected: AtomicU64,
    health: Mutex<SinkHealth>,
    /// When the server's log was last told of a loss.
    said: Mutex<Option<Instant>>,
}

impl SinkState {
    pub(super) fn new(target: &Target, spool: Spool) -> Self {
        Self {
            name: target.name,
            address: mask_url(target.url.expose()),
            spool,
            sent: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            health: Mutex::new(SinkHealth::Working),
            said: Mutex::new(None),
        }
    }

    pub(super) fn sent(&self, count: u64) {
        self.sent.fetch_add(count, Ordering::Relaxed);
    }

    /// Documents are lost on our side.
    pub(super) fn dropped(&self, count: u64, why: &str) {
        if count > 0 {
            let all = self.dropped.fetch_add(count, Ordering::Relaxed) + count;
            self.say(|| {
                tracing::error!(
                    cluster = self.name,
                    since_start = all,
                    "documents are dropped: {why}"
                );
            });
        }
    }

    /// The cluster will not have documents.
    pub(super) fn rejected(&self, count: u64, why: &str) {
        if count > 0 {
            let all = self.rejected.fetch_add(count, Ordering::Relaxed) + count;
            self.say(|| {
                tracing::error!(
                    cluster = self.name,
                    since_start = all,
                    "documents are rejected and dropped: {why}"
                );
            });
        }
    }

    /// Not more than once a minute: a mapping that does not fit concerns every document.
    fn say(&self, line: impl FnOnce()) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.is_none_or(|at| at.elapsed() >= SAY_AGAIN) {
            *said = Some(Instant::now());
            line();
        }
    }

    /// An attempt failed.
    pub(super) fn failing(&self, now: UnixMillis, reason: &str) {
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        let since = match &*health {
            SinkHealth::Failing { since, .. } => *since,
            SinkHealth::Working => {
                tracing::warn!(
                    cluster = self.name,
                    address = self.address,
                    "documents are not taken, and wait on disk: {reason}"
                );
                now
            }
        };
        *health = SinkHealth::Failing {
            since,
            reason: reason.to_owned(),
        };
    }

    /// An attempt went well.
    pub(super) fn working(&self) {
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        if *health != SinkHealth::Working {
            *health = SinkHealth::Working;
            tracing::info!(cluster = self.name, "documents are taken again");
        }
    }

    pub(super) fn is_working(&self) -> bool {
        *self.health.lock().unwrap_or_else(PoisonError::into_inner) == SinkHealth::Working
    }

    fn row(&self) -> SinkRow {
        let waiting = self.spool.waiting();
        SinkRow {
            name: self.name.to_owned(),
            address: self.address.clone(),
            health: self
                .health
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
            waiting: waiting.documents,
            waiting_bytes: waiting.bytes,
            sent: self.sent.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
            rejected: self.rejected.load(Ordering::Relaxed),
        }
    }
}

/// Tells how the clusters are doing. Clones tell the same.
#[derive(Clone)]
pub struct SinkBoard {
    states: Arc<[Arc<SinkState>]>,
}

impl SinkBoard {
    pub(super) fn new(states: Arc<[Arc<SinkState>]>) -> Self {
        Self { states }
    }

    /// One row for each cluster.
    pub fn rows(&self) -> Vec<SinkRow> {
        self.states.iter().map(|state| state.row()).collect()
    }
}
