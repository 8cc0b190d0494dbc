//! What an executor is asked for when machines are tried again.

use crate::executor::{Answer, Direct, DirectNews, Executor, ExecutorError, LaunchNews, Matching};
use crate::testbed::Bed;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use saltpeter_domain::{Maintenance, Plaintext, TargetExpr};
use saltpeter_protocol::api::TargetRow;
use saltpeter_protocol::launch::Launch;
use saltpeter_protocol::machine::v2::Exit;
use saltpeter_protocol::{Attempt, MachineId, MachineOutcome, RunOutcome, UnixMillis};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::mpsc;

/// Can start no wrapper; commands that it runs itself fail the first time.
#[derive(Default)]
struct Reluctant {
    launches: Mutex<Vec<Launch>>,
    calls: Mutex<Vec<u32>>,
    /// Its wrappers are of the earlier implementation, and ask for the command.
    earlier: AtomicBool,
}

fn web1() -> MachineId {
    MachineId::new("web1").unwrap()
}

impl Executor for Reluctant {
    fn describe(&self) -> String {
        "a reluctant one".to_owned()
    }

    fn server_host(&self, _: Option<&str>) -> String {
        "server".to_owned()
    }

    fn resolve<'a>(&'a self, _: &'a TargetExpr) -> BoxFuture<'a, Result<Matching, ExecutorError>> {
        let answers = futures::stream::iter([Answer::Up(web1())]).boxed();
        let expected = vec![web1()];
        Box::pin(async { Ok(Matching { expected, answers }) })
    }

    fn launch<'a>(
        &'a self,
        launches: Vec<Launch>,
        _: &'a str,
        news: mpsc::Sender<LaunchNews>,
    ) -> BoxFuture<'a, ()> {
        let asks = self.earlier.load(Ordering::Relaxed)
            && launches.iter().all(|launch| launch.command.is_none());
        self.launches.lock().unwrap().extend(launches);
        Box::pin(async move {
            let error = ExecutorError::Failed("no".to_owned());
            let heard = if asks {
                LaunchNews::WantsCommand(web1(), error)
            } else {
                LaunchNews::Failed(web1(), error)
            };
            news.send(heard).await.unwrap();
        })
    }

    fn run(&self, order: Direct, news: mpsc::Sender<DirectNews>) -> BoxFuture<'_, ()> {
        let first = {
            let mut calls = self.calls.lock().unwrap();
            calls.push(order.number);
            calls.len() == 1
        };
        let (code, stdout) = if first { (3, "bad\n") } else { (0, "good\n") };
        Box::pin(async move {
            news.send(DirectNews::Taken).await.unwrap();
            let ended = DirectNews::Ended {
                machine: web1(),
                exit: Exit::Exited { code },
                stdout: stdout.to_owned(),
                stderr: String::new(),
            };
            news.send(ended).await.unwrap();
        })
    }

    fn known_machines(&self) -> BoxFuture<'_, Vec<MachineId>> {
        Box::pin(async { vec![web1()] })
    }

    fn explain<'a>(
        &'a self,
        _: &'a TargetExpr,
        _: &'a Maintenance,
        _: UnixMillis,
    ) -> BoxFuture<'a, Result<Vec<TargetRow>, ExecutorError>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}

async fn bed(more: &str) -> Bed<Reluctant> {
    bed_with(more, Plaintext::Allow).await
}

async fn bed_with(more: &str, plaintext: Plaintext) -> Bed<Reluctant> {
    Bed::twice(Reluctant::default(), more, plaintext).await
}

#[tokio::test]
async fn a_command_without_a_wrapper_is_called_anew_and_each_call_keeps_its_output() {
    let bed = bed(", use_wrapper: false").await;
    let (run, detail) = bed.run().await;
    assert_eq!(detail.summary.state.outcome(), Some(&RunOutcome::Succeeded));
    let calls = bed.executor.calls.lock().unwrap().clone();
    assert!(calls.len() == 2 && calls[0] != calls[1], "{calls:?}");
    for (attempt, expected) in [(Attempt::FIRST, "bad\n"), (Attempt::after(1), "good\n")] {
        let mut reader = bed
            .output
            .reader(&run, (&web1(), attempt), 0)
            .await
            .unwrap();
        let bytes = reader.next().await.unwrap().unwrap();
        assert_eq!(bytes, expected.as_bytes(), "attempt {attempt}");
    }
}

#[tokio::test]
async fn a_version_1_wrapper_is_told_its_attempt_in_the_name_of_the_run() {
    for (protocol, second) in [("1", ".2"), ("2", "")] {
        let bed = bed(&format!(", wrapper_protocol: {protocol}")).await;
        let (run, detail) = bed.run().await;
        assert_eq!(detail.machines[0].attempt.get(), 2);
        assert!(matches!(
            detail.machines[0].earlier[0].outcome,
            MachineOutcome::StartFailed { .. }
        ));
        let launches = bed.executor.launches.lock().unwrap();
        let names: Vec<&str> = launches.iter().map(|launch| launch.run.as_str()).collect();
        assert_eq!(names, [run.as_str(), &format!("{run}{second}")]);
        assert_eq!(launches[0].token, launches[1].token, "it is the run's");
    }
}

#[tokio::test]
async fn a_wrapper_that_speaks_no_tls_is_started_where_it_may_come_and_nowhere_else() {
    let bed = bed_with(", wrapper_protocol: 1", Plaintext::Refuse).await;
    let (_, detail) = bed.run().await;
    assert!(bed.executor.launches.lock().unwrap().is_empty());
    let last = detail.machines[0].state.outcome().unwrap();
    let MachineOutcome::StartFailed { message, .. } = last else {
        panic!("{last:?}");
    };
    assert!(
        message.contains("machines_ws_plaintext: allow"),
        "{message}"
    );
    for (protocol, scheme, has_pin) in [("1", "ws://", false), ("2", "wss://", true)] {
        let bed = bed_with(&format!(", wrapper_protocol: {protocol}"), Plaintext::Allow).await;
        bed.run().await;
        let launches = bed.executor.launches.lock().unwrap();
        assert!(launches[0].url.starts_with(scheme), "{}", launches[0].url);
        assert_eq!(launches[0].tls_pin.is_some(), has_pin);
    }
}

/// What the first attempt came to, and with how many launches of which some had the command.
async fn of_the_first(bed: &Bed<Reluctant>) -> (String, usize, bool) {
    let (_, detail) = bed.run().await;
    let outcome = detail.machines[0].earlier[0].outcome.clone();
    let MachineOutcome::StartFailed { message, .. } = outcome else {
        panic!("{outcome:?}");
    };
    let launches = bed.executor.launches.lock().unwrap();
    let told = launches.iter().any(|launch| launch.command.is_some());
    (message, launches.len(), told)
}

#[tokio::test]
async fn a_command_with_secrets_is_told_to_no_wrapper_of_the_earlier_kind() {
    // A variable that every test has.
    for (secrets, told) in [
        ("", true),
        (", secrets: {HERE: {env: CARGO_MANIFEST_DIR}}", false),
    ] {
        let bed = bed(secrets).await;
        bed.executor.earlier.store(true, Ordering::Relaxed);
        let (message, _, was_told) = of_the_first(&bed).await;
        assert_eq!(was_told, told, "{secrets}");
        assert_eq!(
            message.contains("cannot be given the secrets"),
            !told,
            "{message}"
        );
    }
}

#[tokio::test]
async fn without_its_secrets_a_command_is_launched_nowhere() {
    let bed = bed(", secrets: {KEY: {file: /no/such/file}}").await;
    let (message, launches, _) = of_the_first(&bed).await;
    assert!(
        message.contains("secret KEY: /no/such/file cannot be read"),
        "{message}"
    );
    assert_eq!(launches, 0);
}
