//! A page that stays open: the table of jobs as a browser has it that hears of changes over its socket, through cuts and
//! restarts of the server.

use anyhow::{Context as _, Result};
use futures::StreamExt as _;
use saltpeter_protocol::JobName;
use saltpeter_protocol::api::JobRow;
use saltpeter_protocol::live::{Event, ServerMessage};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::CancellationToken;

/// How long after a loss it connects again.
const AGAIN_AFTER: Duration = Duration::from_millis(100);

/// The rows by name.
pub type Rows = BTreeMap<JobName, JobRow>;

/// See the module. Clones are the same page.
#[derive(Debug, Clone, Default)]
pub struct Page {
    rows: Arc<Mutex<Rows>>,
}

impl Page {
    /// Keeps the page open until `stop`.
    pub async fn stay_open(self, api_port: u16, stop: CancellationToken) {
        while !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => return,
                // The loss of a socket is nothing that a page minds.
                _ = self.follow(api_port) => {}
            }
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    }

    /// The rows as they are shown.
    pub fn rows(&self) -> Rows {
        self.shown().clone()
    }

    async fn follow(&self, api_port: u16) -> Result<()> {
        let url = format!("ws://127.0.0.1:{api_port}/ws/live");
        let (mut socket, _) = tokio_tungstenite::connect_async(url).await?;
        loop {
            let message = socket.next().await.context("the socket has ended")??;
            if let Message::Text(text) = message {
                self.hear(serde_json::from_str(&text)?);
            }
        }
    }

    fn hear(&self, message: ServerMessage) {
        let mut rows = self.shown();
        match message {
            ServerMessage::Snapshot { overview, .. } => {
                let jobs = overview.jobs.into_iter();
                *rows = jobs.map(|row| (row.name.clone(), row)).collect();
            }
            ServerMessage::Event { event, .. } => match event {
                Event::Job { job } => {
                    rows.insert(job.name.clone(), *job);
                }
                Event::JobRemoved { name } => {
                    rows.remove(&name);
                }
                _ => {}
            },
            _ => {}
        }
    }

    fn shown(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where an open page shows something else than one that is opened now.
pub fn differences(open: &Rows, new: &Rows) -> Vec<String> {
    let names: std::collections::BTreeSet<&JobName> = open.keys().chain(new.keys()).collect();
    names
        .into_iter()
        .filter(|name| open.get(*name) != new.get(*name))
        .map(|name| {
            format!(
                "an open page shows {name} as {:?}, a new one as {:?}",
                open.get(name).map(brief),
                new.get(name).map(brief)
            )
        })
        .collect()
}

fn brief(row: &JobRow) -> String {
    let active: Vec<&str> = row.active.iter().map(|run| run.id.as_str()).collect();
    let last = row.last.as_ref().map(|run| (run.id.as_str(), &run.state));
    format!(
        "next {:?}, paused {}, active {active:?}, last {last:?}, {} recent",
        row.next,
        row.paused.is_some(),
        row.recent.len()
    )
}
