//! Machines that are tried again, and runs that stop.

use super::bed::{Bed, NEW, NOW, STARTED, Wrapper, machine};
use crate::runs::{HelloAnswer, RunChange, ToMachine};
use saltpeter_domain::RunSpec;
use saltpeter_domain::failures::FailureLimit;
use saltpeter_domain::retry::{Backoff, Retry};
use saltpeter_domain::run::LogEvent;
use saltpeter_protocol::machine::v2::Exit;
use saltpeter_protocol::{Attempt, MachineOutcome, MachineState, RunId, RunOutcome};
use std::num::NonZeroU32;
use std::time::Duration;

const FAILED: Exit = Exit::Exited { code: 3 };

fn once_more(spec: &mut RunSpec) {
    spec.retry = Some(Retry {
        more: NonZeroU32::MIN,
        delay: Duration::from_secs(20),
        backoff: Backoff::Fixed,
    });
}

fn retrying(change: &RunChange) -> bool {
    change.summary.counts.retrying == 1
}

/// A run whose first attempt on `a` has failed.
async fn failed_once(bed: &mut Bed) -> (RunId, Wrapper) {
    let run = bed.start_changed(once_more).await;
    bed.resolve(&["a"]).await;
    bed.launched().await;
    let wrapper = Wrapper::connect(&bed.runs, &run, "a", 1, NEW).await;
    wrapper.started().await;
    wrapper.ended(FAILED).await;
    bed.until(&run, retrying).await;
    (run, wrapper)
}

#[tokio::test(start_paused = true)]
async fn the_next_attempt_is_launched_in_its_time_for_another_wrapper() {
    let mut bed = Bed::new();
    let (run, mut first) = failed_once(&mut bed).await;
    assert_eq!(first.inbox.recv().await, Some(ToMachine::Done));
    assert_eq!(first.inbox.recv().await, Some(ToMachine::Displaced));
    assert_eq!(first.inbox.recv().await, None, "nothing more for it");
    let order = bed.launch_order().await;
    assert_eq!(order.machines, [machine("a")]);
    assert_eq!(order.attempts[&machine("a")], Attempt::after(1));
    assert!(order.earlier.is_empty(), "nobody speaks for it yet");
    let waited = bed.clock_now().since(NOW);
    assert!(waited >= Duration::from_secs(20), "{waited:?}");
    let again = Wrapper::connect(&bed.runs, &run, "a", 1, STARTED).await;
    assert!(!again.welcomed(), "its attempt is over");
    let mut second = Wrapper::connect(&bed.runs, &run, "a", 2, NEW).await;
    assert!(matches!(
        &second.answer,
        HelloAnswer::Welcome { attempt, .. } if attempt.get() == 2
    ));
    second.started().await;
    second.finish().await;
    let over = bed.until_over(&run).await;
    assert_eq!(over.summary.state.outcome(), Some(&RunOutcome::Succeeded));
    let stored = bed.runs.stored(&run).await.unwrap().unwrap();
    let machine = &stored.machines()["a"];
    assert_eq!(machine.attempt(), stored.spec().last_attempt());
    assert_eq!(machine.attempt().get(), 2);
    assert_eq!(
        machine.earlier[0].outcome,
        MachineOutcome::Failed { code: 3 }
    );
}

#[tokio::test(start_paused = true)]
async fn the_time_of_the_next_attempt_survives_the_server() {
    let mut bed = Bed::new();
    let (run, _first) = failed_once(&mut bed).await;
    let MachineState::Retrying { at } = bed.store.get(&run).machines()["a"].state else {
        panic!("{:?}", bed.store.get(&run));
    };
    tokio::time::sleep(Duration::from_secs(5)).await;
    let mut bed = bed.restarted().await;
    assert!(bed.idle());
    bed.launched().await;
    let late = bed.clock_now().since(at);
    assert!(
        bed.clock_now() >= at && late < Duration::from_secs(1),
        "{late:?}"
    );
    // One whose time passes while no server is there begins when there is one.
    let bed = bed.restarted().await;
    let state = bed.store.get(&run).machines()["a"].state.clone();
    assert!(matches!(state, MachineState::Starting { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_kill_during_the_pause_ends_the_run() {
    let mut bed = Bed::new();
    let (run, _first) = failed_once(&mut bed).await;
    bed.runs.kill(&run, None, "op".to_owned()).await.unwrap();
    let over = bed.until_over(&run).await;
    assert_eq!(over.summary.state.outcome(), Some(&RunOutcome::Killed));
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert!(bed.idle(), "no other attempt");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_stopped_stays_so_across_a_restart() {
    let mut bed = Bed::new();
    let run = bed
        .start_changed(|spec| {
            spec.batch_size = NonZeroU32::new(2);
            spec.max_failures = Some(FailureLimit::Machines(NonZeroU32::MIN));
        })
        .await;
    bed.resolve(&["a", "b", "c"]).await;
    bed.launched().await;
    let a = Wrapper::connect(&bed.runs, &run, "a", 1, NEW).await;
    let b = Wrapper::connect(&bed.runs, &run, "b", 2, NEW).await;
    a.started().await;
    b.started().await;
    a.ended(FAILED).await;
    bed.logged(|event| {
        matches!(
            event,
            LogEvent::RunStopped {
                not_attempted: 1,
                ..
            }
        )
    })
    .await;
    let mut bed = bed.restarted().await;
    let mut b = Wrapper::connect(&bed.runs, &run, "b", 2, STARTED).await;
    b.finish().await;
    let over = bed.until_over(&run).await;
    assert_eq!(over.summary.state.outcome(), Some(&RunOutcome::Failed));
    assert_eq!(over.summary.stopped.unwrap().failures, 1);
    assert_eq!(over.summary.counts.not_attempted, 1);
    assert!(bed.idle());
}

#[tokio::test(start_paused = true)]
async fn a_kill_that_nothing_comes_of_is_told() {
    let mut bed = Bed::new();
    let (run, wrapper) = bed.running(saltpeter_domain::job::Overlap::Skip).await;
    bed.runs.kill(&run, None, "op".to_owned()).await.unwrap();
    let shown = bed.until(&run, |change| {
        let mut kills = change.machines.iter().filter_map(|row| row.kill.as_ref());
        kills.any(|kill| kill.unconfirmed)
    });
    let alive = async {
        loop {
            wrapper.heard().await;
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    };
    tokio::select! {
        _ = shown => {}
        () = alive => {}
    }
    let kill = bed.store.get(&run).machines()["a"].kill.clone().unwrap();
    assert!(kill.unconfirmed);
    let waited = bed.clock_now().since(kill.at);
    assert!(
        (Duration::from_secs(30)..Duration::from_secs(31)).contains(&waited),
        "{waited:?}"
    );
    bed.logged(|event| matches!(event, LogEvent::KillUnconfirmed { .. }))
        .await;
    assert!(!bed.store.get(&run).state().is_ended());
}
