//! A server's inner parts over a Salt that answers by a script.

use crate::config_watch::Config;
use crate::executor::salt::SaltExecutor;
use crate::runs::{HelloAnswer, MachineInput};
use crate::salt::{Call, Called, Heard, Jid, Return, Salt, SaltError};
use crate::testbed::Bed;
use futures::future::BoxFuture;
use saltpeter_domain::Plaintext;
use saltpeter_domain::run::{MachineExit, Speaker};
use saltpeter_protocol::api::RunDetail;
use saltpeter_protocol::machine::v2::{Exit, Progress, WrapperId};
use saltpeter_protocol::{MachineId, MachineState, RunId, UnixMillis};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;

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

pub(super) fn jobs() -> String {
    let text = "saltpeter_config:\n  start_window: 2\n  wrappers_dir: /no/such/directory\n\
        all: {schedule: '0 0 1 1 *', targets: '*', command: 'true', env: {KEY: hidden-value}}\n\
        two: {schedule: '0 0 1 1 *', targets: '*', command: 'true', number_of_targets: 2}\n";
    let ten =
        (0..10).map(|n| format!("j{n}: {{schedule: '0 0 1 1 *', targets: a, command: 'true'}}\n"));
    format!("{text}{}", ten.collect::<String>())
}

pub(super) fn scripted(
    script: impl Fn(&Call, &mpsc::Sender<Heard>) -> Result<Vec<MachineId>, SaltError>
    + Send
    + Sync
    + 'static,
) -> Arc<Scripted> {
    Arc::new(Scripted {
        script: Box::new(script),
        calls: Mutex::default(),
    })
}

/// A server's inner parts over a script.
pub(super) async fn bed(
    script: impl Fn(&Call, &mpsc::Sender<Heard>) -> Result<Vec<MachineId>, SaltError>
    + Send
    + Sync
    + 'static,
) -> (Bed<SaltExecutor>, Arc<Scripted>) {
    let salt = scripted(script);
    let executor = |config: &Config| SaltExecutor::new(config.clone(), salt.clone());
    let bed = Bed::new(&jobs(), Plaintext::Allow, executor).await;
    (bed, salt)
}

impl Bed<SaltExecutor> {
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
