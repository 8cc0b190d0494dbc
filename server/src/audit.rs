//! The audit trail: who did what, when, from where, with the old and the new value. What is put down here stays until
//! its time is over.

mod people;
mod reloads;

pub use reloads::job_changes;

use crate::VERSION;
use crate::clock::Clock;
use crate::config_watch::Config;
use crate::runs::StoreError;
use crate::store::Store;
use crate::store::audit::Numbered;
pub use crate::store::audit::{Place, Wanted};
use saltpeter_domain::Maintenance;
use saltpeter_domain::audit::{Entry, Flood, Kind};
use saltpeter_domain::maintenance::past::Change;
use saltpeter_protocol::UnixMillis;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How the server calls itself where nobody asked.
const SERVER: &str = "the server";
/// How often entries are looked for whose time is over.
const SWEEP_EVERY: Duration = Duration::from_hours(1);
/// A day.
const DAY: Duration = Duration::from_hours(24);

/// Something that was done just now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deed {
    /// Who did it.
    pub who: String,
    /// From which address; `None`: from this host.
    pub from: Option<String>,
    /// What sort of thing.
    pub kind: Kind,
    /// A sentence in the past tense.
    pub deed: String,
    /// The values before and after, where it has any.
    pub values: Option<(String, String)>,
    /// What maintenance is from now on, where this tells of it.
    pub maintenance: Option<Arc<Maintenance>>,
}

/// Where deeds are put down. Clones share it.
#[derive(Clone)]
pub struct Trail {
    store: Store,
    clock: Arc<dyn Clock>,
    flood: Arc<Mutex<Flood>>,
}

impl Trail {
    /// The trail in `store`.
    pub fn new(store: Store, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            clock,
            flood: Arc::default(),
        }
    }

    /// Puts a deed down. It is durable when this returns, or the server's log says that it could not be.
    pub async fn record(&self, deed: Deed) {
        let now = self.clock.now();
        if deed.kind.is_refusal() {
            let (admitted, left_out) = {
                let mut flood = self.flood.lock().unwrap_or_else(PoisonError::into_inner);
                flood.admit(now)
            };
            if left_out > 0 {
                let more = Deed {
                    who: SERVER.to_owned(),
                    from: None,
                    kind: deed.kind,
                    deed: format!("left out {left_out} more refusals of the minutes before"),
                    values: None,
                    maintenance: None,
                };
                self.add(more, now).await;
            }
            if !admitted {
                return;
            }
        }
        self.add(deed, now).await;
    }

    async fn add(&self, deed: Deed, now: UnixMillis) {
        let Deed {
            who,
            from,
            kind,
            deed,
            values,
            maintenance,
        } = deed;
        let (old, new) = values.unzip();
        let entry = Entry {
            at: now,
            who,
            from,
            kind,
            deed,
            old,
            new,
        };
        let entry = entry.clipped();
        let (who, deed) = (entry.who.clone(), entry.deed.clone());
        let from = entry.from.as_deref().unwrap_or("this host").to_owned();
        tracing::info!(target: "audit", %who, %from, kind = kind.as_str(), "{deed}");
        if let Err(error) = self.store.add_audit(entry, maintenance.as_deref()).await {
            tracing::error!(target: "audit", %who, %from, %error, "not put down: {deed}");
        }
    }

    /// Up to `limit` entries.
    pub async fn read(
        &self,
        wanted: &Wanted,
        place: Place,
        limit: u32,
    ) -> Result<Vec<Numbered>, StoreError> {
        self.store.audit(wanted, place, limit).await
    }

    /// What maintenance became, the oldest first: as far back as it has to do with what was under maintenance at `from` or
    /// later.
    pub async fn maintenance_since(&self, from: UnixMillis) -> Result<Vec<Change>, StoreError> {
        self.store.maintenance_since(from).await
    }

    /// Puts down what becomes different in the configuration, and forgets what is older than it says, until `stop`.
    pub async fn run(self, config: Config, stop: CancellationToken) -> Result<(), Infallible> {
        let mut changes = config.subscribe();
        let mut before = changes.borrow_and_update().clone();
        let started = Deed {
            who: SERVER.to_owned(),
            from: None,
            kind: Kind::Action,
            deed: format!(
                "started, version {VERSION}, with {} jobs in {}",
                before.jobs.len(),
                config.directory().display()
            ),
            values: None,
            // It may have been changed while nobody looked.
            maintenance: Some(Arc::clone(&before.maintenance)),
        };
        self.record(started).await;
        loop {
            self.sweep(before.settings.audit_days).await;
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(SWEEP_EVERY) => {}
                // The configuration's end is the server's.
                Ok(()) = changes.changed() => {
                    let after = changes.borrow_and_update().clone();
                    if let Some(deed) = reloads::deed(&before, &after) {
                        self.record(deed).await;
                    }
                    before = after;
                }
            }
        }
    }

    async fn sweep(&self, days: u32) {
        if days == 0 {
            return;
        }
        let before = self.clock.now() - DAY * days;
        match self.store.forget_audit(before).await {
            Ok(0) => {}
            Ok(count) => tracing::info!("{count} entries of the audit trail were old and are gone"),
            Err(error) => {
                tracing::warn!(
                    "old entries of the audit trail stay, which is tried again: {error}"
                );
            }
        }
    }
}
