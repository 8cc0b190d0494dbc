//! Looks at the pages while everything happens, as people do: what was shown once must be so in the end.

use crate::checker::{Place, Shown};
use anyhow::Result;
use saltpeter_protocol::RunId;
use saltpeter_protocol::api::{Overview, RunDetail};
use saltpeter_testkit::Client;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// How long an answer may take; a server that is killed gives none.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Runs that are looked at each time, the newest ones.
const RUNS_AT_ONCE: usize = 40;

/// What was shown. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Watcher {
    shown: Arc<Mutex<BTreeMap<Place, Shown>>>,
}

impl Watcher {
    /// Looks until `stop`.
    pub async fn look(self, client: Client, stop: CancellationToken) {
        let mut seen = BTreeSet::new();
        while !stop.is_cancelled() {
            // Without a server there is nothing to see.
            let _ = timeout(ANSWER_WITHIN, self.look_once(client, &mut seen)).await;
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    async fn look_once(&self, client: Client, ended: &mut BTreeSet<RunId>) -> Result<()> {
        let overview = overview(client).await?;
        let active = overview.jobs.iter().flat_map(|job| &job.active);
        let mut runs: Vec<RunId> = active.map(|run| run.id.clone()).collect();
        let over = overview.jobs.iter().filter_map(|job| job.last.as_ref());
        runs.extend(
            over.map(|run| run.id.clone())
                .filter(|run| ended.insert(run.clone())),
        );
        for run in runs.iter().rev().take(RUNS_AT_ONCE) {
            self.note(&client.run(run).await?);
        }
        Ok(())
    }

    fn note(&self, run: &RunDetail) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        for machine in &run.machines {
            let place = (run.summary.id.to_string(), machine.machine.to_string());
            let shown = shown.entry(place).or_default();
            for attempt in machine.attempts() {
                let at = attempt.get() as usize - 1;
                let past = machine.earlier.get(at);
                let bytes = past.map_or(machine.output, |past| past.output).bytes;
                shown.bytes.resize(shown.bytes.len().max(at + 1), 0);
                shown.bytes[at] = shown.bytes[at].max(bytes);
            }
            if machine.earlier.len() > shown.earlier.len() {
                let earlier = machine.earlier.iter();
                shown.earlier = earlier.map(|past| past.outcome.clone()).collect();
            }
            if let Some(outcome) = machine.state.outcome() {
                shown.outcome = Some(outcome.clone());
            }
        }
    }

    /// Everything that was shown.
    pub fn shown(&self) -> BTreeMap<Place, Shown> {
        self.shown
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// The table of jobs.
pub async fn overview(client: Client) -> Result<Overview> {
    client.get("/api/v1/overview").await?.json()
}
