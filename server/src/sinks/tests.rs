//! Against a cluster that takes documents by the letter.

mod access;
mod delivery;
mod real;
mod refusals;

use super::*;
use crate::clock::SystemClock;
use crate::store::output::Chunk;
use bytes::Bytes;
use saltpeter_domain::run::LogEvent;
use saltpeter_protocol::api::{Counts, SinkHealth, SinkRow};
use saltpeter_protocol::machine::Stream;
use saltpeter_protocol::machine::v2::Encoding;
use saltpeter_protocol::{JobName, MachineId, MachineOutcome, RunId, RunOutcome, UnixMillis};
use saltpeter_testkit::{BulkServer, PATIENCE, Sent};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tempfile::TempDir;

fn system_clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

/// 2025-11-04T10:00:00Z.
const BEGIN: UnixMillis = UnixMillis(1_762_250_400_000);

const QUICK: Pace = Pace {
    first: Duration::from_millis(2),
    longest: Duration::from_millis(20),
    request: PATIENCE,
};

struct Bed {
    dir: TempDir,
    settings: Settings,
    pace: Pace,
    output: OutputLog,
    sinks: Sinks,
    tasks: SinkTasks,
}

impl Bed {
    /// Documents go to the Elasticsearch at `url`.
    async fn new(url: &str) -> Self {
        Self::with(url, |_| {}).await
    }

    async fn with(url: &str, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings {
            elasticsearch: Some(Secret::new(url)),
            ..Settings::default()
        };
        change(&mut settings);
        let dir = tempfile::tempdir().unwrap();
        let output = OutputLog::open(&dir.path().join("output.db"))
            .await
            .unwrap();
        let (sinks, tasks) = Sinks::start_with(
            &settings,
            dir.path(),
            output.clone(),
            &system_clock(),
            QUICK,
        )
        .unwrap();
        Self {
            dir,
            settings,
            pace: QUICK,
            output,
            sinks,
            tasks,
        }
    }

    async fn restart(self) -> Self {
        self.tasks.close().await;
        let (sinks, tasks) = Sinks::start_with(
            &self.settings,
            self.dir.path(),
            self.output.clone(),
            &system_clock(),
            self.pace,
        )
        .unwrap();
        Self {
            sinks,
            tasks,
            ..self
        }
    }

    fn row(&self) -> SinkRow {
        self.sinks.board().rows().remove(0)
    }

    /// Waits until the cluster's row is as wanted.
    async fn row_until(&self, wanted: impl Fn(&SinkRow) -> bool) -> SinkRow {
        let reached = async {
            while !wanted(&self.row()) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let came = tokio::time::timeout(PATIENCE, reached).await.is_ok();
        assert!(came, "waited in vain: {:?}", self.row());
        self.row()
    }

    fn start(&self, n: i64) {
        self.sinks.write(&started(n));
    }

    fn spool(&self) -> Vec<PathBuf> {
        let directory = self.dir.path().join("documents/elasticsearch");
        let files = fs::read_dir(directory).unwrap();
        files.map(|file| file.unwrap().path()).collect()
    }
}

fn run(n: i64) -> RunId {
    RunId::new(format!("backup_{n}")).unwrap()
}

fn entry(at: i64, event: LogEvent) -> LogEntry {
    LogEntry {
        job: JobName::new("backup").unwrap(),
        group: "night".to_owned(),
        at: UnixMillis(BEGIN.0 + at),
        event,
    }
}

fn started(n: i64) -> LogEntry {
    entry(n, LogEvent::RunStarted { run: run(n) })
}

fn machine_ended(at: i64, outcome: MachineOutcome) -> LogEntry {
    let event = LogEvent::MachineEnded {
        run: run(0),
        machine: MachineId::new("web1").unwrap(),
        attempt: saltpeter_protocol::Attempt::FIRST,
        outcome,
    };
    entry(at, event)
}

fn instances(sent: &[Sent]) -> Vec<String> {
    sent.iter()
        .map(|sent| sent.text("job_instance").to_owned())
        .collect()
}

fn names(range: std::ops::Range<i64>) -> Vec<String> {
    range.map(|n| run(n).to_string()).collect()
}
