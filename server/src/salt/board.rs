//! The calls under way, so that the one event stream knows what is whose.

use super::{Jid, Return};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Notify, mpsc, watch};

/// The most returns of a call that wait to be taken. Beyond that they are looked up.
const WAITING_MAX: usize = 1024;

/// The calls that listen.
#[derive(Debug)]
pub(super) struct Board {
    listeners: Mutex<HashMap<String, Vec<Listener>>>,
    count: watch::Sender<usize>,
}

#[derive(Debug)]
struct Listener {
    returns: mpsc::Sender<Return>,
    missed: Arc<Notify>,
}

/// A call's place on the board, until it is dropped.
#[derive(Debug)]
pub(super) struct Listening {
    board: Arc<Board>,
    jid: Jid,
    /// Its returns as they come.
    pub(super) returns: mpsc::Receiver<Return>,
    /// Notified when returns may have been missed.
    pub(super) missed: Arc<Notify>,
}

impl Board {
    pub(super) fn new() -> Self {
        Self {
            listeners: Mutex::default(),
            count: watch::Sender::new(0),
        }
    }

    /// Listens for the returns of `jid` from now on.
    pub(super) fn listen(self: &Arc<Self>, jid: &Jid) -> Listening {
        let (sender, returns) = mpsc::channel(WAITING_MAX);
        let missed = Arc::new(Notify::new());
        let listener = Listener {
            returns: sender,
            missed: Arc::clone(&missed),
        };
        self.with(|listeners| {
            listeners.entry(jid.0.clone()).or_default().push(listener);
        });
        Listening {
            board: Arc::clone(self),
            jid: jid.clone(),
            returns,
            missed,
        }
    }

    /// How many jobs are listened for, and its changes.
    pub(super) fn count(&self) -> watch::Receiver<usize> {
        self.count.subscribe()
    }

    pub(super) fn is_wanted(&self, jid: &str) -> bool {
        self.with(|listeners| listeners.contains_key(jid))
    }

    pub(super) fn returned(&self, jid: &str, of: &Return) {
        self.with(|listeners| {
            for listener in listeners.get(jid).into_iter().flatten() {
                if listener.returns.try_send(of.clone()).is_err() {
                    listener.missed.notify_one();
                }
            }
        });
    }

    /// Returns of `jid` may have been missed.
    pub(super) fn missed(&self, jid: &str) {
        self.with(|listeners| {
            for listener in listeners.get(jid).into_iter().flatten() {
                listener.missed.notify_one();
            }
        });
    }

    /// Returns of any call may have been missed.
    pub(super) fn all_missed(&self) {
        self.with(|listeners| {
            for listener in listeners.values().flatten() {
                listener.missed.notify_one();
            }
        });
    }

    fn with<T>(&self, what: impl FnOnce(&mut HashMap<String, Vec<Listener>>) -> T) -> T {
        let mut listeners = self
            .listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let result = what(&mut listeners);
        self.count.send_if_modified(|count| {
            let before = std::mem::replace(count, listeners.len());
            before != *count
        });
        result
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.board.with(|listeners| {
            if let Some(of_job) = listeners.get_mut(&self.jid.0) {
                of_job.retain(|listener| !Arc::ptr_eq(&listener.missed, &self.missed));
                if of_job.is_empty() {
                    listeners.remove(&self.jid.0);
                }
            }
        });
    }
}
