//! Makes documents of entries, with the machines' output, and puts them into the spools.

use super::document::Document;
use super::spool::Spool;
use super::state::SinkState;
use crate::joblog::reduce::Reducer;
use crate::store::output::{OutputError, OutputLog, Part};
use saltpeter_domain::run::{LogEntry, LogEvent};
use saltpeter_protocol::{MachineOutcome, RunId};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// The most of a machine's output that its document has: the end of it, in bytes.
pub(super) const MAX_OUTPUT: u64 = 1024 * 1024;

/// Entries whose documents are written together.
const TOGETHER: usize = 64;
/// Bytes after which no further document is written with those before it.
const TOGETHER_BYTES: usize = 1024 * 1024;

/// What leads to one cluster.
pub(super) struct Lane {
    pub(super) prefix: String,
    pub(super) spool: Spool,
    pub(super) state: Arc<SinkState>,
}

/// The task that writes the spools.
pub(super) struct Recorder {
    entries: mpsc::Receiver<LogEntry>,
    lanes: Vec<Lane>,
    output: OutputLog,
    origin: String,
}

impl Recorder {
    pub(super) fn new(
        entries: mpsc::Receiver<LogEntry>,
        lanes: Vec<Lane>,
        output: OutputLog,
        origin: String,
    ) -> Self {
        Self {
            entries,
            lanes,
            output,
            origin,
        }
    }

    /// Writes until `stop` is cancelled and what was waiting then is written.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        loop {
            let entry = tokio::select! {
                entry = self.entries.recv() => entry,
                () = stop.cancelled(), if !self.entries.is_closed() => {
                    self.entries.close();
                    continue;
                }
            };
            let Some(entry) = entry else {
                return;
            };
            let mut records = self.records(&entry).await;
            let mut more = 1;
            while more < TOGETHER
                && records
                    .first()
                    .is_some_and(|lane| bytes(lane) < TOGETHER_BYTES)
                && let Ok(entry) = self.entries.try_recv()
            {
                for (lane, new) in records.iter_mut().zip(self.records(&entry).await) {
                    lane.extend(new);
                }
                more += 1;
            }
            self.append(records).await;
        }
    }

    async fn append(&self, records: Vec<Vec<Vec<u8>>>) {
        for (lane, records) in self.lanes.iter().zip(records) {
            let count = records.len();
            match lane.spool.append(records).await {
                Ok(taken) => lane.state.dropped(
                    (count - taken) as u64,
                    "no more may wait on disk (documents_spool)",
                ),
                // Some of them may have been written before: it is counted as if none had been.
                Err(error) => lane.state.dropped(
                    count as u64,
                    &format!("they cannot be written to disk: {error}"),
                ),
            }
        }
    }

    /// What each lane gets of `entry`.
    async fn records(&self, entry: &LogEntry) -> Vec<Vec<Vec<u8>>> {
        let mut documents = Document::of(entry);
        if let LogEvent::MachineEnded {
            run,
            machine,
            attempt,
            outcome,
        }
        | LogEvent::AttemptEnded {
            run,
            machine,
            attempt,
            outcome,
            ..
        } = &entry.event
            && let Some(document) = documents.first_mut()
        {
            document.output = self
                .output_of(run, (machine, *attempt).into(), outcome)
                .await;
        }
        let lines = |lane: &Lane, document: &Document| {
            let lines = document.lines(&lane.prefix, &self.origin);
            if let Err(error) = &lines {
                let why = format!("they cannot be written as JSON: {error}");
                lane.state.dropped(1, &why);
            }
            lines.ok()
        };
        self.lanes
            .iter()
            .map(|lane| documents.iter().filter_map(|d| lines(lane, d)).collect())
            .collect()
    }

    /// The end of what the machine wrote, and what else there is to say of how it ended.
    async fn output_of(&self, run: &RunId, part: Part<'_>, outcome: &MachineOutcome) -> String {
        let mut text = match self.end_of_output(run, part).await {
            Ok(text) => text,
            Err(error) => format!("[the output cannot be read: {error}]\n"),
        };
        if let Some(message) = outcome.message() {
            text.push_str(message);
            text.push('\n');
        }
        text
    }

    async fn end_of_output(&self, run: &RunId, part: Part<'_>) -> Result<String, OutputError> {
        let length = self.output.stream(run, part).await?.durable().length.bytes;
        let from = length.saturating_sub(MAX_OUTPUT);
        let mut reader = self.output.reader(run, part, from).await?;
        let mut reducer = Reducer::default();
        let mut lines = Vec::new();
        if from > 0 {
            lines.extend(format!("[cut: the first {from} bytes are left out]\n").into_bytes());
        }
        while let Some(piece) = reader.next().await? {
            reducer.take(&piece, &mut lines);
        }
        reducer.finish(&mut lines);
        Ok(String::from_utf8_lossy(&lines).into_owned())
    }
}

fn bytes(records: &[Vec<u8>]) -> usize {
    records.iter().map(Vec::len).sum()
}
