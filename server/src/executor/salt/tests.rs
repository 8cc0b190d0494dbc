//! The executor with a Salt that says what the test wants: late, twice, under another name, never.

use super::SaltExecutor;
use crate::clock::{Clock, SystemClock};
use crate::config_watch::{Config, ConfigWatch};
use crate::dispatch::{DispatchParts, Dispatcher};
use crate::executor::{Executor as _, ExecutorError, LaunchNews};
use crate::machines::RunKey;
use crate::runs::{HelloAnswer, MachineInput, Runs, StartRun};
use crate::salt::{Call, Called, Heard, Jid, Return, Salt, SaltError};
use crate::store::Store;
use crate::store::output::OutputLog;
use futures::future::BoxFuture;
use saltpeter_domain::run::{MachineExit, Speaker};
use saltpeter_protocol::api::RunDetail;
use saltpeter_protocol::launch::{DEFAULT_RETAIN, Launch, WrapperLogLevel};
use saltpeter_protocol::machine::v2::{Exit, Progress, WrapperId};
use saltpeter_protocol::{
    JobName, MachineId, MachineOutcome, MachineState, RunCause, RunId, RunOutcome, UnixMillis,
};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

type Script =
    dyn Fn(&Call, &mpsc::Sender<Heard>) -> Result<Vec<MachineId>, SaltError> + Send + Sync;

/// A Salt that answers by a script and remembers what it was asked.
struct Scripted {
    script: Box<Script>,
    calls: Mutex<Vec<Call>>,
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

fn id(name: &str) -> MachineId {
    MachineId::new(name).unwrap()
}

fn ids(names: &str) -> Vec<MachineId> {
    names.split_whitespace().map(id).collect()
}

fn returned(name: &str, value: Value) -> Heard {
    Heard::Returned(Return {
        machine: id(name),
        value,
        retcode: 0,
    })
}

fn code(name: &str, code: i64) -> Heard {
    let value = json!({"pid": 1, "retcode": code, "stdout": "linux-none", "stderr": ""});
    returned(name, value)
}

fn config(dir: &TempDir) -> Config {
    let path = dir.path().join("config");
    std::fs::create_dir(&path).unwrap();
    let text = "saltpeter_config:\n  start_window: 1\n  wrappers_dir: /no/such/directory\n\
        all: {schedule: '0 0 1 1 *', targets: '*', command: 'true', env: {KEY: hidden-value}}\n\
        two: {schedule: '0 0 1 1 *', targets: '*', command: 'true', number_of_targets: 2}\n";
    std::fs::write(path.join("jobs.yaml"), text).unwrap();
    let clock = Arc::new(SystemClock);
    ConfigWatch::load(path, chrono_tz::Tz::UTC, clock)
        .unwrap()
        .config()
}

/// A server's inner parts over a script.
struct Bed {
    _dir: TempDir,
    salt: Arc<Scripted>,
    config: Config,
    runs: Runs,
}

async fn bed(
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
    async fn start(&self, job: &str) -> RunId {
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
    async fn until(&self, run: &RunId, wanted: impl Fn(&RunDetail) -> bool) -> RunDetail {
        let mut changes = self.runs.subscribe();
        let looking = async {
            loop {
                let detail = self.runs.detail(run).await.unwrap().unwrap();
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

    async fn over(&self, run: &RunId) -> RunDetail {
        self.until(run, |detail| detail.summary.state.is_ended())
            .await
    }

    /// A wrapper runs the command, well.
    async fn wrapper(&self, run: &RunId, machine: &MachineId) {
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

fn state<'d>(detail: &'d RunDetail, name: &str) -> &'d MachineState {
    let row = detail.machines.iter().find(|row| row.machine == id(name));
    &row.unwrap().state
}

fn starting(detail: &RunDetail, name: &str) -> bool {
    let row = detail.machines.iter().find(|row| row.machine == id(name));
    row.is_some_and(|row| matches!(row.state, MachineState::Starting { .. }))
}

#[tokio::test]
async fn the_quick_do_not_wait_for_the_slow_and_the_dead() {
    let bed = bed(|call, answers| {
        if call.function == "test.ping" {
            answers.try_send(returned("quick", json!(true))).unwrap();
            let answers = answers.clone();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_secs(3)).await;
                answers.send(returned("slow", json!(true))).await.unwrap();
                answers.send(Heard::Silent(id("dead"))).await.unwrap();
            });
            return Ok(ids("quick slow dead"));
        }
        let machines = call.target.text.split(',').map(id).collect();
        Ok(machines)
    })
    .await;
    let begun = Instant::now();
    let run = bed.start("all").await;
    bed.until(&run, |detail| starting(detail, "quick")).await;
    assert!(begun.elapsed() < Duration::from_millis(2500));
    bed.wrapper(&run, &id("quick")).await;
    let detail = bed.until(&run, |detail| starting(detail, "slow")).await;
    assert!(!detail.summary.state.is_ended());
    bed.wrapper(&run, &id("slow")).await;
    let detail = bed.over(&run).await;
    let MachineState::Ended { outcome, .. } = state(&detail, "dead") else {
        panic!("{detail:?}");
    };
    let message = "Target did not respond.".to_owned();
    assert_eq!(*outcome, MachineOutcome::Unreachable { message });
    assert_eq!(detail.summary.counts.succeeded, 2);
}

#[tokio::test]
async fn late_ones_fill_the_places_that_are_open() {
    let bed = bed(|call, answers| {
        if call.function == "test.ping" {
            answers.try_send(returned("quick", json!(true))).unwrap();
            let answers = answers.clone();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_secs(2)).await;
                answers.send(returned("slow", json!(true))).await.unwrap();
                // Nobody hears these two if the place is taken.
                let _ = answers.send(returned("slower", json!(true))).await;
            });
            return Ok(ids("quick slow slower"));
        }
        Ok(call.target.text.split(',').map(id).collect())
    })
    .await;
    let run = bed.start("two").await;
    bed.until(&run, |detail| starting(detail, "quick")).await;
    bed.wrapper(&run, &id("quick")).await;
    bed.until(&run, |detail| starting(detail, "slow")).await;
    bed.wrapper(&run, &id("slow")).await;
    let detail = bed.over(&run).await;
    assert_eq!(detail.machines.len(), 2);
    assert_eq!(detail.summary.state.outcome(), Some(&RunOutcome::Succeeded));
}

#[tokio::test]
async fn a_salt_that_is_away_is_asked_again_and_one_that_refuses_is_not() {
    let bed_away = bed(|_, _| Err(SaltError::Away("Salt is away.".to_owned()))).await;
    let run = bed_away.start("all").await;
    let detail = bed_away.over(&run).await;
    let Some(RunOutcome::ResolveFailed { message }) = detail.summary.state.outcome() else {
        panic!("{detail:?}");
    };
    assert!(message.contains("away") && message.contains("start_window"));
    assert!(bed_away.salt.calls.lock().unwrap().len() > 1);

    let bed = bed(|_, _| Err(SaltError::Refused("It is not permitted.".to_owned()))).await;
    let run = bed.start("all").await;
    let detail = bed.over(&run).await;
    let message = "It is not permitted.".to_owned();
    let expected = RunOutcome::ResolveFailed { message };
    assert_eq!(detail.summary.state.outcome(), Some(&expected));
    assert_eq!(bed.salt.calls.lock().unwrap().len(), 1);
}

/// Launches on `machines` and gives what was heard of it.
async fn launched(
    machines: &str,
    script: impl Fn(&Call, &mpsc::Sender<Heard>) -> Result<Vec<MachineId>, SaltError>
    + Send
    + Sync
    + 'static,
) -> Vec<(MachineId, String)> {
    let dir = tempfile::tempdir().unwrap();
    let salt = Arc::new(Scripted {
        script: Box::new(script),
        calls: Mutex::default(),
    });
    let executor = SaltExecutor::new(config(&dir), salt.clone());
    let launch = |machine| Launch {
        url: "ws://server:1".to_owned(),
        job: JobName::new("all").unwrap(),
        run: RunId::new("all_1").unwrap(),
        machine,
        token: Some(RunKey::from_bytes([7; 32]).token(&RunId::new("all_1").unwrap())),
        tls_pin: None,
        log_level: WrapperLogLevel::Normal,
        log_dir: None,
        retain: DEFAULT_RETAIN,
        command: None,
    };
    let (news, mut heard) = mpsc::channel(64);
    let launches = ids(machines).into_iter().map(launch).collect();
    executor.launch(launches, "/opt/wrapper", news).await;
    let mut failed = Vec::new();
    while let Some(news) = heard.recv().await {
        match news {
            LaunchNews::Failed(
                machine,
                ExecutorError::Failed(message) | ExecutorError::Away(message),
            ) => failed.push((machine, message)),
            LaunchNews::GoesOn(_) => {}
        }
    }
    let calls = salt.calls.lock().unwrap();
    let sent = format!("{:?}", calls[0].kwargs);
    assert!(sent.contains("SP_TOKEN") && !sent.contains("hidden-value"));
    let cmd = calls[0].kwargs["cmd"].as_str().unwrap();
    assert!(
        !cmd.contains("all_1") && !cmd.contains("/opt/wrapper"),
        "{cmd}"
    );
    failed
}

#[tokio::test]
async fn answers_that_are_odd_harm_nothing() {
    let failed = launched("a b c d e", |_, answers| {
        for heard in [
            code("a", 0),
            code("a", 243),
            code("stranger", 243),
            code("b", 243),
            code("b", 0),
            returned("c", json!("'cmd.run_all' is not available.")),
            Heard::Silent(id("d")),
            code("d", 243),
        ] {
            answers.try_send(heard).unwrap();
        }
        // The last has been renamed.
        Ok(ids("a b c d f"))
    })
    .await;
    let names: Vec<&str> = failed.iter().map(|(machine, _)| machine.as_str()).collect();
    assert_eq!(names, ["e", "b", "c"]);
    assert!(failed[0].1.contains("renamed"), "{failed:?}");
    assert!(failed[1].1.contains("noexec"), "{failed:?}");
    assert!(failed[2].1.contains("cannot run commands"), "{failed:?}");
}

#[tokio::test]
async fn a_launch_that_is_refused_fails_for_all() {
    let failed = launched("a b", |_, _| Err(SaltError::Refused("No.".to_owned()))).await;
    assert_eq!(
        failed,
        [(id("a"), "No.".to_owned()), (id("b"), "No.".to_owned())]
    );
}

#[tokio::test]
async fn two_thousand_machines_are_no_trouble() {
    const MANY: usize = 2000;
    let all = || (0..MANY).map(|n| id(&format!("m{n:04}")));
    let bed = bed(move |call, answers| {
        for machine in all() {
            let value = if call.function == "test.ping" {
                json!(true)
            } else {
                json!({"pid": 1, "retcode": 0, "stdout": "", "stderr": ""})
            };
            let heard = returned(machine.as_str(), value);
            answers.try_send(heard).unwrap();
        }
        Ok(all().collect())
    })
    .await;
    let begun = Instant::now();
    let run = bed.start("all").await;
    let created = begun.elapsed();
    bed.until(&run, |detail| {
        detail.summary.counts.starting as usize == MANY
    })
    .await;
    let started = begun.elapsed();
    let wrappers = all().map(|machine| {
        let (bed, run) = (&bed, &run);
        async move { bed.wrapper(run, &machine).await }
    });
    futures::future::join_all(wrappers).await;
    let detail = bed.over(&run).await;
    println!(
        "created {created:?}, {MANY} machines starting {started:?}, over {:?}",
        begun.elapsed()
    );
    assert_eq!(detail.summary.counts.succeeded as usize, MANY);
    assert_eq!(
        bed.salt.calls.lock().unwrap().len(),
        2,
        "a ping and a launch"
    );
}
