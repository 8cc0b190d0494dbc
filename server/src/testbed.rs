//! The inner parts of a server, for the tests of what stands between its runs and their machines.

use crate::clock::{Clock, SystemClock};
use crate::config_watch::{Config, ConfigWatch};
use crate::dispatch::{DispatchParts, Dispatcher};
use crate::executor::Executor;
use crate::machines::RunKey;
use crate::runs::{Runs, StartRun};
use crate::store::Store;
use crate::store::faults::Faults;
use crate::store::health::Health;
use crate::store::output::OutputLog;
use crate::tls::MachinesTls;
use crate::view::run_detail;
use saltpeter_domain::{Plaintext, RunSpec};
use saltpeter_protocol::api::RunDetail;
use saltpeter_protocol::{RunCause, RunId};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// How long a run may take until it is as wanted.
const PATIENCE: Duration = Duration::from_secs(30);

/// A configuration of these jobs alone, read from a file in `dir`.
pub(crate) fn config(dir: &Path, jobs: &str) -> Config {
    let path = dir.join("config");
    std::fs::create_dir(&path).unwrap();
    std::fs::write(path.join("jobs.yaml"), jobs).unwrap();
    ConfigWatch::load(path, chrono_tz::Tz::UTC, Arc::new(SystemClock))
        .unwrap()
        .config()
}

/// Runs, what starts them on machines by an executor of the test's own, and where their output goes.
pub(crate) struct Bed<E> {
    pub(crate) executor: Arc<E>,
    pub(crate) output: OutputLog,
    /// Of the disk with the output alone.
    pub(crate) faults: Faults,
    pub(crate) runs: Runs,
    config: Config,
    _dir: TempDir,
}

impl<E: Executor> Bed<E> {
    pub(crate) async fn new(
        jobs: &str,
        plaintext: Plaintext,
        executor: impl FnOnce(&Config) -> E,
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path(), jobs);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let executor = Arc::new(executor(&config));
        let faults = Faults::default();
        let output = dir.path().join("output");
        let output = OutputLog::open_with(&output, Health::default(), faults.clone())
            .await
            .unwrap();
        let dispatcher = Dispatcher::new(DispatchParts {
            config: config.clone(),
            executor: executor.clone(),
            key: RunKey::from_bytes([7; 32]),
            machines_port: 1,
            tls: MachinesTls::load(dir.path(), None, plaintext).unwrap(),
            clock: Arc::clone(&clock),
            journal: Arc::new(|_| {}),
            output: output.clone(),
            stop: CancellationToken::new(),
        });
        let store = Store::open(&dir.path().join("db")).await.unwrap();
        Self {
            executor,
            output,
            faults,
            config,
            runs: Runs::new(Arc::new(store), Arc::new(dispatcher), clock),
            _dir: dir,
        }
    }

    /// Begins a run of a job.
    pub(crate) async fn start(&self, job: &str) -> RunId {
        self.start_with(job, |_| {}).await
    }

    /// Begins a run of a job that is changed before, as no configuration may have it.
    pub(crate) async fn start_with(&self, job: &str, change: impl FnOnce(&mut RunSpec)) -> RunId {
        let jobs = self.config.current();
        let job = jobs.jobs.get(job).unwrap();
        let mut spec = job.freeze(&jobs.settings);
        change(&mut spec);
        let start = StartRun {
            job: job.name.clone(),
            spec: Arc::new(spec),
            cause: RunCause::Manual {
                by: "test".to_owned(),
            },
            only: None,
            reconnect_grace: Duration::from_secs(1),
        };
        self.runs.start(start).await.unwrap()
    }

    /// Waits until the run is as wanted.
    pub(crate) async fn until(
        &self,
        run: &RunId,
        wanted: impl Fn(&RunDetail) -> bool,
    ) -> RunDetail {
        let mut changes = self.runs.subscribe();
        let looking = async {
            loop {
                let stored = self.runs.stored(run).await.unwrap().unwrap();
                let detail = run_detail(&stored, &BTreeMap::new(), None);
                if wanted(&detail) {
                    return detail;
                }
                // One that lags sees the next change.
                let _ = changes.recv().await;
            }
        };
        tokio::time::timeout(PATIENCE, looking).await.unwrap()
    }

    pub(crate) async fn over(&self, run: &RunId) -> RunDetail {
        self.until(run, |detail| detail.summary.state.is_ended())
            .await
    }
}
