//! Documents for Elasticsearch and `OpenSearch`: one for each event of a job, in an index for each day.
//!
//! What the runs tell their logs comes in here too. The `recorder` turns it into lines of the `_bulk` interface and
//! appends them to a `spool` on disk for each cluster; a `courier` for each takes them from there, sends them and
//! removes them once they have been taken. A cluster that is away costs disk up to a bound and nothing else. Every
//! document has an identifier made of what it is about, so that one sent twice is there once.

mod bulk;
mod cluster;
mod courier;
mod document;
mod recorder;
mod spool;
mod state;

pub use state::SinkBoard;

use anyhow::{Context as _, Result};
use cluster::Target;
use courier::{Courier, Pace};
use recorder::{Lane, Recorder};
use saltpeter_domain::config::SinkAccess;
use saltpeter_domain::run::LogEntry;
use saltpeter_domain::{Secret, Settings};
use spool::Spool;
use state::SinkState;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::store::output::OutputLog;

/// Entries that may wait to become documents. Further ones are dropped and counted.
const QUEUED_ENTRIES: usize = 65_536;

/// Takes entries; never waits. Clones lead to the same clusters.
#[derive(Clone)]
pub struct Sinks {
    /// `None` when there is no cluster.
    entries: Option<mpsc::Sender<LogEntry>>,
    states: Arc<[Arc<SinkState>]>,
}

/// The tasks behind a [`Sinks`].
pub struct SinkTasks {
    stop_recorder: CancellationToken,
    stop_couriers: CancellationToken,
    recorder: JoinSet<()>,
    couriers: JoinSet<()>,
}

impl Sinks {
    /// Sets up the clusters that `settings` name, and starts their tasks. Spools are in `data_dir`, and machines'
    /// output comes from `output`. A cluster that does not answer is no error; a directory that cannot be used is.
    pub fn start(
        settings: &Settings,
        data_dir: &Path,
        output: OutputLog,
        clock: &Arc<dyn Clock>,
    ) -> Result<(Self, SinkTasks)> {
        Self::start_with(settings, data_dir, output, clock, Pace::default())
    }

    fn start_with(
        settings: &Settings,
        data_dir: &Path,
        output: OutputLog,
        clock: &Arc<dyn Clock>,
        pace: Pace,
    ) -> Result<(Self, SinkTasks)> {
        let mut tasks = SinkTasks {
            stop_recorder: CancellationToken::new(),
            stop_couriers: CancellationToken::new(),
            recorder: JoinSet::new(),
            couriers: JoinSet::new(),
        };
        let mut lanes = Vec::new();
        for target in targets(settings) {
            let directory = data_dir.join("documents").join(target.name);
            let spool = Spool::open(&directory, settings.documents_spool).with_context(|| {
                format!(
                    "cannot use {} for documents that wait to be sent",
                    directory.display()
                )
            })?;
            let state = Arc::new(SinkState::new(&target, spool.clone()));
            lanes.push(Lane {
                prefix: target.index.clone(),
                spool: spool.clone(),
                state: Arc::clone(&state),
            });
            let courier = Courier::new(target, spool, state, pace, Arc::clone(clock));
            tasks
                .couriers
                .spawn(courier.run(tasks.stop_couriers.clone()));
        }
        let states = lanes.iter().map(|lane| Arc::clone(&lane.state)).collect();
        let entries = if lanes.is_empty() {
            None
        } else {
            let origin = origin(&data_dir.join("documents"))?;
            let (sender, inbox) = mpsc::channel(QUEUED_ENTRIES);
            let recorder = Recorder::new(inbox, lanes, output, origin);
            tasks
                .recorder
                .spawn(recorder.run(tasks.stop_recorder.clone()));
            Some(sender)
        };
        Ok((Self { entries, states }, tasks))
    }

    /// Has `entry` sent, some time soon.
    pub fn write(&self, entry: &LogEntry) {
        if let Some(entries) = &self.entries
            && entries.try_send(entry.clone()).is_err()
        {
            for state in &*self.states {
                state.dropped(1, "too many entries wait to become documents");
            }
        }
    }

    /// How the clusters are doing.
    pub fn board(&self) -> SinkBoard {
        SinkBoard::new(Arc::clone(&self.states))
    }
}

impl SinkTasks {
    /// Writes down what was taken in, and lets the couriers try to send it once more, for a second. What is left is
    /// sent after the next start. The output log must still be open.
    pub async fn close(mut self) {
        for (stop, tasks) in [
            (&self.stop_recorder, &mut self.recorder),
            (&self.stop_couriers, &mut self.couriers),
        ] {
            stop.cancel();
            while let Some(ended) = tasks.join_next().await {
                if let Err(error) = ended {
                    tracing::error!("the sending of documents ended early: {error}");
                }
            }
        }
    }
}

fn targets(settings: &Settings) -> Vec<Target> {
    let target = |name, url: &Option<Secret>, index: &String, access: &SinkAccess| {
        url.as_ref().map(|url| Target {
            name,
            url: url.clone(),
            index: index.clone(),
            access: access.clone(),
        })
    };
    [
        target(
            "elasticsearch",
            &settings.elasticsearch,
            &settings.elasticsearch_index,
            &settings.elasticsearch_access,
        ),
        target(
            "opensearch",
            &settings.opensearch,
            &settings.opensearch_index,
            &settings.opensearch_access,
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What makes this server's documents its own where several send to one cluster: random, and kept in `directory`.
fn origin(directory: &Path) -> Result<String> {
    let path = directory.join("origin");
    let shown = path.display();
    let known = fs::read_to_string(&path).unwrap_or_default();
    let known = known.trim();
    if !known.is_empty() && known.len() <= 16 && known.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(known.to_owned());
    }
    let origin = format!("{:08x}", rand::random::<u32>());
    fs::write(&path, &origin).with_context(|| format!("cannot write {shown}"))?;
    Ok(origin)
}

#[cfg(test)]
mod tests;
