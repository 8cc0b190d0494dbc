//! A server's inner parts over a Salt that answers by a script.

use crate::clock::{Clock, SystemClock};
use crate::config_watch::{Config, ConfigWatch};
use crate::dispatch::{DispatchParts, Dispatcher};
use crate::executor::salt::SaltExecutor;
use crate::machines::RunKey;
use crate::runs::{HelloAnswer, MachineInput, Runs, StartRun};
use crate::salt::{Call, Called, Heard, Jid, Return, Salt, SaltError};
use crate::store::Store;
use crate::store::output::OutputLog;
use crate::tls::MachinesTls;
use crate::view::run_detail;
use futures::future::BoxFuture;
use saltpeter_domain::Plaintext;
use saltpeter_domain::run::{MachineExit, Speaker};
use saltpeter_protocol::api::RunDetail;
use saltpeter_protocol::machine::v2::{Exit, Progress, WrapperId};
use saltpeter_protocol::{MachineId, MachineState, RunCause, RunId, UnixMillis};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub(super) type Script =
    dyn Fn(&Call, &mpsc::Sender<Heard>) -> Result<Vec<MachineId>, SaltError> + Send + Sync;

/// A Salt that answers by a script and remembers what it was asked.
pub(super) struct Scripted {
    pub(super) script: Box<Script>,
    pub(super) calls: Mutex<Vec<Call>>,
}

impl Salt for Scripted {
    fn describe(&self) -> String {
        "a script".to_owned()
    }

    fn call(&self, call: Call) -> BoxFuture<'_, Result<Called, SaltError>> {
        Box::pin(async move {
            let (answers, returns) = mpsc::channel(4096);
            let expected = (self.script)(&call, &answers);
            self.calls.lock().unwrap().push(call);
            Ok(Called {
                jid: Jid("1".to_owned()),
                expected: expected?,
                returns,
            })
        })
    }

    fn hear<'a>(
        &'a self,
        _jid: &'a Jid,
        _wait: Duration,
    ) -> BoxFuture<'a, Result<Option<Called>, SaltError>> {
        Box::pin(async { Ok(None) })
    }
}

pub(super) fn id(name: &str) -> MachineId {
    MachineId::new(name).unwrap()
}

pub(super) fn ids(names: &str) -> Vec<MachineId> {
    names.split_whitespace().map(id).collect()
}

pub(super) fn returned(name: &str, value: Value) -> Heard {
    Heard::Returned(Return {
        machine: id(name),
        value,
        retcode: 0,
    })
}

pub(super) fn code(name: &str, code: i64) -> Heard {
    let value = json!({"pid": 1, "retcode": code, "stdout": "linux-none", "stderr": ""});
    returned(name, value)
}

pub(super) fn config(dir: &TempDir) -> Config {
    let path = dir.path().join("config");
    std::fs::create_dir(&path).unwrap();
    let text = "saltpeter_config:\n  start_window: 2\n  wrappers_dir: /no/such/directory\n\
        all: {schedule: '0 0 1 1 *', targets: '*', command: 'true', env: {KEY: hidden-value}}\n\
        two: {schedule: '0 0 1 1 *', targets: '*', command: 'true', number_of_targets: 2}\n";
    let ten =
        (0..10).map(|n| format!("j{n}: {{schedule: '0 0 1 1 *', targets: a, command: 'true'}}\n"));
    let text = format!("{text}{}", ten.collect::<String>());
    std::fs::write(path.join("jobs.yaml"), text).unwrap();
    let clock = Arc::new(SystemClock);
    ConfigWatch::load(path, chrono_tz::Tz::UTC, clock)
        .unwrap()
        .config()
}

/// A server's inner parts over a script.
pub(super) struct Bed {
    _dir: TempDir,
    pub(super) salt: Arc<Scripted>,
    config: Config,
    runs: Runs,
}

pub(super) async fn bed(
    script: impl Fn(&Call, &mpsc::Sender<Heard>) -> Result<Vec<MachineId>, SaltError>
    + Send
    + Sync
    + 'static,
) -> Bed {
    let dir = tempfile::tempdir().unwrap();
    let config = config(&dir);
    let salt = Arc::new(Scripted {
        script: Box::new(script),
        calls: Mutex::default(),
    });
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = Store::open(&dir.path().join("db")).await.unwrap();
    let dispatcher = Dispatcher::new(DispatchParts {
        config: config.clone(),
        executor: Arc::new(SaltExecutor::new(config.clone(), salt.clone())),
        key: RunKey::from_bytes([7; 32]),
        machines_port: 1,
        tls: MachinesTls::load(dir.path(), None, Plaintext::Allow).unwrap(),
        clock: clock.clone(),
        journal: Arc::new(|_| {}),
        output: OutputLog::open(&dir.path().join("output")).await.unwrap(),
        stop: CancellationToken::new(),
    });
    Bed {
        _dir: dir,
        salt,
        config,
        runs: Runs::new(Arc::new(store), Arc::new(dispatcher), clock),
    }
}

impl Bed {
    pub(super) async fn start(&self, job: &str) -> RunId {
        let jobs = self.config.current();
        let job = jobs.jobs.get(job).unwrap();
        let start = StartRun {
            job: job.name.clone(),
            spec: Arc::new(job.freeze(&jobs.settings)),
            cause: RunCause::Manual {
                by: "test".to_owned(),
            },
            only: None,
            reconnect_grace: Duration::from_secs(1),
        };
        self.runs.start(start).await.unwrap()
    }

    /// Waits until a run is as wanted.
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
                // One that lags sees the next change.
                let _ = changes.recv().await;
            }
        };
        let limit = Duration::from_secs(30);
        tokio::time::timeout(limit, looking).await.unwrap()
    }

    pub(super) async fn over(&self, run: &RunId) -> RunDetail {
        self.until(run, |detail| detail.summary.state.is_ended())
            .await
    }

    /// A wrapper runs the command, well.
    pub(super) async fn wrapper(&self, run: &RunId, machine: &MachineId) {
        let handle = self.runs.handle(run).await.unwrap().unwrap();
        let (outbox, _orders) = mpsc::channel(4);
        let speaker = Speaker::V2(WrapperId(1));
        let answer = handle.hello(machine.clone(), speaker, Progress::New, outbox);
        assert!(matches!(answer.await, Ok(HelloAnswer::Welcome { .. })));
        let machine = machine.clone();
        let started = MachineInput::Started {
            machine: machine.clone(),
            pid: Some(1),
            at: UnixMillis(0),
        };
        handle.send(started).await;
        let exit = MachineExit::V2(Exit::Exited { code: 0 });
        handle.send(MachineInput::Ended { machine, exit }).await;
    }
}

pub(super) fn state<'d>(detail: &'d RunDetail, name: &str) -> &'d MachineState {
    let row = detail.machines.iter().find(|row| row.machine == id(name));
    &row.unwrap().state
}

pub(super) fn starting(detail: &RunDetail, name: &str) -> bool {
    let row = detail.machines.iter().find(|row| row.machine == id(name));
    row.is_some_and(|row| matches!(row.state, MachineState::Starting { .. }))
}
