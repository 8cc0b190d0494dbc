//! Jobs that people have paused.

use crate::store::{Store, StoreError};
use saltpeter_protocol::JobName;
use saltpeter_protocol::api::Pause;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::{Mutex, watch};

/// The paused jobs.
pub type Paused = Arc<HashMap<JobName, Pause>>;

/// Which jobs are paused: kept in the store, and at hand for whoever schedules or shows them. Clones share it.
#[derive(Clone)]
pub struct Pauses {
    store: Store,
    current: watch::Sender<Paused>,
    /// Held while one is changed, so that the store and what is at hand agree.
    changing: Arc<Mutex<()>>,
}

impl Pauses {
    /// Reads them from the store.
    pub async fn load(store: Store) -> Result<Self, StoreError> {
        let current = Arc::new(store.pauses().await?);
        Ok(Self {
            store,
            current: watch::Sender::new(current),
            changing: Arc::default(),
        })
    }

    /// The paused jobs now.
    pub fn current(&self) -> Paused {
        Arc::clone(&self.current.borrow())
    }

    /// The paused jobs, and when they change.
    pub fn subscribe(&self) -> watch::Receiver<Paused> {
        self.current.subscribe()
    }

    /// Pauses a job with `Some`, resumes it with `None`. Durable when this returns.
    pub async fn set(&self, job: &JobName, pause: Option<Pause>) -> Result<(), StoreError> {
        let _changing = self.changing.lock().await;
        match &pause {
            Some(pause) => self.store.pause(job, pause).await?,
            None => self.store.unpause(job).await?,
        }
        let paused = Arc::new(self.store.pauses().await?);
        self.current.send_replace(paused);
        Ok(())
    }
}
