//! The inner parts of a server with one job, over an executor of the test's own.

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
use saltpeter_domain::retry::{Backoff, Retry};
use saltpeter_domain::{Plaintext, RunSpec};
use saltpeter_protocol::api::RunDetail;
use saltpeter_protocol::{JobName, RunCause, RunId};
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// How long a run may take.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Bed<E> {
    pub(super) executor: Arc<E>,
    pub(super) output: OutputLog,
    /// Of the disk with the output alone.
    pub(super) faults: Faults,
    pub(super) runs: Runs,
    config: Config,
    _dir: TempDir,
}

impl<E: Executor> Bed<E> {
    /// A job that is tried twice, with `more` in it.
    pub(super) async fn new(executor: E, more: &str, plaintext: Plaintext) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config");
        std::fs::create_dir(&path).unwrap();
        let job = format!("twice: {{schedule: '@yearly', targets: '*', command: 'true'{more}}}\n");
        std::fs::write(path.join("jobs.yaml"), job).unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let config = ConfigWatch::load(path, chrono_tz::Tz::UTC, Arc::clone(&clock))
            .unwrap()
            .config();
        let executor = Arc::new(executor);
        let faults = Faults::default();
        let output = OutputLog::open_with(
            &dir.path().join("output"),
            Health::default(),
            faults.clone(),
        )
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

    /// Begins a run, with a pause before the second attempt that is shorter than people may ask for.
    pub(super) async fn start(&self) -> RunId {
        let jobs = self.config.current();
        let job = &jobs.jobs[&JobName::new("twice").unwrap()];
        let spec = RunSpec {
            retry: Some(Retry {
                more: NonZeroU32::MIN,
                delay: Duration::from_millis(10),
                backoff: Backoff::Fixed,
            }),
            ..job.freeze(&jobs.settings)
        };
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
    pub(super) async fn until(
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
                changes.recv().await.unwrap();
            }
        };
        tokio::time::timeout(PATIENCE, looking).await.unwrap()
    }

    pub(super) async fn over(&self, run: &RunId) -> RunDetail {
        self.until(run, |detail| detail.summary.state.is_ended())
            .await
    }

    /// Runs the job to its end.
    pub(super) async fn run(&self) -> (RunId, RunDetail) {
        let run = self.start().await;
        let detail = self.over(&run).await;
        (run, detail)
    }
}
