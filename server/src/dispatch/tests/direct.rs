//! Commands that the executor runs itself, while their output cannot be written.

use super::ids;
use crate::executor::{Answer, Direct, DirectNews, Executor, ExecutorError, LaunchNews, Matching};
use crate::store::faults::CommitFailure;
use crate::testbed::Bed;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use saltpeter_domain::{Maintenance, Plaintext, TargetExpr};
use saltpeter_protocol::api::TargetRow;
use saltpeter_protocol::launch::Launch;
use saltpeter_protocol::machine::v2::Exit;
use saltpeter_protocol::{MachineId, MachineOutcome, MachineState, UnixMillis};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};

/// The command of `a` ends at once, that of `b` when it is killed.
#[derive(Default)]
struct Half {
    killed: Notify,
}

impl Executor for Half {
    fn describe(&self) -> String {
        "half".to_owned()
    }

    fn server_host(&self, _: Option<&str>) -> String {
        "server".to_owned()
    }

    fn resolve<'a>(&'a self, _: &'a TargetExpr) -> BoxFuture<'a, Result<Matching, ExecutorError>> {
        let expected = ids("a b");
        let answers = expected.clone().into_iter().map(Answer::Up);
        let answers = futures::stream::iter(answers).boxed();
        Box::pin(async { Ok(Matching { expected, answers }) })
    }

    fn launch<'a>(
        &'a self,
        _: Vec<Launch>,
        _: &'a str,
        _: mpsc::Sender<LaunchNews>,
    ) -> BoxFuture<'a, ()> {
        unreachable!("the job has no wrapper")
    }

    fn run(&self, mut order: Direct, news: mpsc::Sender<DirectNews>) -> BoxFuture<'_, ()> {
        let ended = |machine: &MachineId, exit, stdout: &str| DirectNews::Ended {
            machine: machine.clone(),
            exit,
            stdout: stdout.to_owned(),
            stderr: String::new(),
        };
        Box::pin(async move {
            let (a, b) = (&order.machines[0], &order.machines[1]);
            news.send(DirectNews::Taken).await.unwrap();
            let exit = Exit::Exited { code: 0 };
            news.send(ended(a, exit, "done\n")).await.unwrap();
            while order.kills.recv().await.as_ref() != Some(b) {}
            self.killed.notify_one();
            news.send(ended(b, Exit::Killed, "")).await.unwrap();
        })
    }

    fn known_machines(&self) -> BoxFuture<'_, Vec<MachineId>> {
        Box::pin(async { ids("a b") })
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

#[tokio::test]
async fn output_that_waits_for_the_disk_holds_up_no_kill() {
    let bed = Bed::twice(Half::default(), ", use_wrapper: false", Plaintext::Allow).await;
    bed.faults.set_failure(Some(CommitFailure::Full));
    let run = bed.begin().await;
    let runs = |state: &MachineState| matches!(state, MachineState::Running { .. });
    bed.until(&run, |detail| {
        let machines = &detail.machines;
        machines.len() == 2 && machines.iter().all(|row| runs(&row.state))
    })
    .await;
    bed.runs.kill(&run, None, "test".to_owned()).await.unwrap();
    let killed = bed.executor.killed.notified();
    let killed = tokio::time::timeout(Duration::from_secs(20), killed).await;
    assert!(killed.is_ok(), "the kill waits for the disk");
    bed.faults.set_failure(None);
    let over = bed.over(&run).await;
    let outcomes: Vec<_> = over
        .machines
        .iter()
        .map(|row| row.state.outcome())
        .collect();
    // What had ended before anybody asked for its end has ended so.
    let expected = [MachineOutcome::Succeeded, MachineOutcome::Killed];
    assert_eq!(outcomes, expected.each_ref().map(Some));
}
