//! Written before done; and what the actor tells whom.

use super::bed::{Bed, NEW, NOW, STARTED, Wrapper, job, machine};
use crate::runs::{HelloAnswer, KillError, RunWrite, ToMachine};
use saltpeter_domain::job::Overlap;
use saltpeter_protocol::machine::v2::{Exit, LeaveReason};
use saltpeter_protocol::{Attempt, MachineOutcome, MachineState, RunOutcome, RunState};
use std::collections::BTreeMap;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn a_run_goes_from_its_start_to_its_end() {
    let mut bed = Bed::new();
    let run = bed.start_now(Overlap::Skip).await;
    assert_eq!(run.as_str(), "tick_1700000000");
    assert_eq!(bed.runs.active(&job())[0].state, RunState::Resolving);
    assert_eq!(bed.resolve(&["a", "b"]).await, run);
    assert_eq!(bed.launched().await, ["a", "b"]);
    let mut a = Wrapper::connect(&bed.runs, &run, "a", 1, NEW).await;
    match &a.answer {
        HelloAnswer::Welcome {
            command: Some(command),
            attempt: Attempt::FIRST,
            kill: false,
            ..
        } => assert_eq!(command.command, "true"),
        other => panic!("{other:?}"),
    }
    a.started().await;
    a.finish().await;
    let mut b = Wrapper::connect(&bed.runs, &run, "b", 2, NEW).await;
    b.started().await;
    b.ended(Exit::Exited { code: 3 }).await;
    assert_eq!(b.inbox.recv().await, Some(ToMachine::Done));
    let change = bed.until_over(&run).await;
    assert_eq!(change.summary.state.outcome(), Some(&RunOutcome::Failed));
    assert!(bed.runs.active(&job()).is_empty());
    let stored = bed.runs.stored(&run).await.unwrap().unwrap();
    assert_eq!(stored.machines().len(), 2);
    assert_eq!(stored.summary(), change.summary);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_answered_told_or_shown_before_it_is_written() {
    let mut bed = Bed::new();
    let (run, mut wrapper) = bed.running(Overlap::Skip).await;
    bed.store.set_broken(true);
    wrapper.ended(Exit::Exited { code: 0 }).await;
    let killing = {
        let (runs, run) = (bed.runs.clone(), run.clone());
        tokio::spawn(async move { runs.kill(&run, None, "op".to_owned()).await })
    };
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert!(wrapper.inbox.try_recv().is_err(), "no done");
    assert!(bed.changes.try_recv().is_err(), "no change");
    assert!(!killing.is_finished());
    assert_eq!(bed.runs.active(&job()).len(), 1);

    bed.store.set_broken(false);
    assert_eq!(wrapper.inbox.recv().await, Some(ToMachine::Done));
    bed.until_over(&run).await;
    assert!(matches!(killing.await.unwrap(), Err(KillError::NotRunning)));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_cannot_be_written_down_is_not_begun() {
    let mut bed = Bed::new();
    bed.store.set_broken(true);
    assert!(
        bed.start(Overlap::Skip, super::bed::by_hand())
            .await
            .is_err()
    );
    assert!(bed.idle());
    assert_eq!(bed.runs.actors(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_second_wrapper_leaves_and_the_reconnected_one_displaces_its_old_connection() {
    let mut bed = Bed::new();
    let (run, mut first) = bed.running(Overlap::Skip).await;
    let second = Wrapper::connect(&bed.runs, &run, "a", 2, NEW).await;
    assert!(matches!(
        second.answer,
        HelloAnswer::Leave {
            reason: LeaveReason::NotTheOne,
            ..
        }
    ));
    let mut again = Wrapper::connect(&bed.runs, &run, "a", 1, STARTED).await;
    assert_eq!(
        again.answer,
        HelloAnswer::Welcome {
            command: None,
            secrets: BTreeMap::new(),
            attempt: Attempt::FIRST,
            kill: false
        }
    );
    assert_eq!(first.inbox.recv().await, Some(ToMachine::Displaced));
    let stranger = Wrapper::connect(&bed.runs, &run, "zzz", 3, NEW).await;
    assert!(matches!(
        stranger.answer,
        HelloAnswer::Leave {
            reason: LeaveReason::NotKnown,
            ..
        }
    ));
    bed.runs.kill(&run, None, "op".to_owned()).await.unwrap();
    assert_eq!(again.inbox.recv().await, Some(ToMachine::Kill));
}

#[tokio::test(start_paused = true)]
async fn a_kill_reaches_a_wrapper_that_was_away() {
    let mut bed = Bed::new();
    let (run, wrapper) = bed.running(Overlap::Skip).await;
    drop(wrapper);
    bed.runs
        .kill(&run, Some(machine("a")), "op".to_owned())
        .await
        .unwrap();
    let mut again = Wrapper::connect(&bed.runs, &run, "a", 1, STARTED).await;
    assert_eq!(
        again.answer,
        HelloAnswer::Welcome {
            command: None,
            secrets: BTreeMap::new(),
            attempt: Attempt::FIRST,
            kill: true
        }
    );
    // It is told again while it is heard and does not end.
    tokio::time::sleep(Duration::from_secs(5)).await;
    again.heard().await;
    assert_eq!(again.inbox.recv().await, Some(ToMachine::Kill));
    again.ended(Exit::Killed).await;
    assert_eq!(again.inbox.recv().await, Some(ToMachine::Done));
    let row = bed.until_over(&run).await.machines[0].clone();
    assert_eq!(row.state.outcome(), Some(&MachineOutcome::Killed));
    assert_eq!(row.kill.unwrap().by, "op");
}

#[tokio::test(start_paused = true)]
async fn killing_what_is_not_there_says_so() {
    let mut bed = Bed::new();
    let unknown = "tick_1".parse().unwrap();
    let result = bed.runs.kill(&unknown, None, "op".to_owned()).await;
    assert!(matches!(result, Err(KillError::UnknownRun(_))));
    let (run, mut wrapper) = bed.running(Overlap::Skip).await;
    let result = bed
        .runs
        .kill(&run, Some(machine("b")), "op".to_owned())
        .await;
    assert!(matches!(result, Err(KillError::UnknownMachine(_))));
    wrapper.finish().await;
    let result = bed.runs.kill(&run, None, "op".to_owned()).await;
    assert!(matches!(result, Err(KillError::NotRunning)));
}

#[tokio::test(start_paused = true)]
async fn silence_is_noticed_by_itself() {
    let mut bed = Bed::new();
    let (run, wrapper) = bed.running(Overlap::Skip).await;
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_secs(5)).await;
        wrapper.heard().await;
    }
    assert_eq!(bed.store.get(&run).counts().running, 1);
    let change = bed
        .until(&run, |change| change.summary.counts.lost_contact == 1)
        .await;
    let MachineState::LostContact { last_heard, .. } = change.machines[0].state else {
        panic!("{change:?}");
    };
    assert_eq!(last_heard.since(NOW).as_secs(), 50);
    let change = bed.until_over(&run).await;
    assert_eq!(change.summary.state.outcome(), Some(&RunOutcome::Lost));
    let MachineState::Ended { at, .. } = change.machines[0].state else {
        panic!("{change:?}");
    };
    assert_eq!(
        at.since(last_heard).as_secs(),
        15 + super::bed::GRACE.as_secs()
    );
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_never_connects_fails_to_start() {
    let mut bed = Bed::new();
    let run = bed.start_now(Overlap::Skip).await;
    bed.resolve(&["a"]).await;
    bed.launched().await;
    let row = bed.until_over(&run).await.machines[0].clone();
    assert_eq!(row.state.outcome().unwrap().exit_code(), Some(254));
}

#[tokio::test(start_paused = true)]
async fn a_machine_whose_kill_comes_with_its_start_is_not_launched() {
    let mut bed = Bed::new();
    let run = bed.start_now(Overlap::Skip).await;
    // Neither waits for the other: the run takes both in together.
    bed.resolve(&["a", "b"]).await;
    let kill = bed.runs.kill(&run, Some(machine("b")), "op".to_owned());
    kill.await.unwrap();
    assert_eq!(bed.launched().await, ["a"]);
    assert!(bed.idle());
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_changes_is_shown_as_a_few() {
    let mut bed = Bed::new();
    let run = bed.start_now(Overlap::Skip).await;
    let names: Vec<String> = (0..500).map(|n| format!("m{n}")).collect();
    let refs: Vec<&str> = names.iter().map(String::as_str).collect();
    bed.resolve(&refs).await;
    bed.launched().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    while bed.changes.try_recv().is_ok() {}
    for (n, name) in names.iter().enumerate() {
        let wrapper = Wrapper::connect(&bed.runs, &run, name, n as u64, NEW).await;
        wrapper.started().await;
    }
    let mut changes = 0;
    let mut rows = std::collections::BTreeMap::new();
    while rows.values().filter(|running| **running).count() < 500 {
        let change = bed.changes.recv().await.unwrap();
        changes += 1;
        for row in &change.machines {
            let running = matches!(row.state, MachineState::Running { .. });
            rows.insert(row.machine.clone(), running);
        }
    }
    assert!(changes <= 20, "{changes}");
}

#[tokio::test(start_paused = true)]
async fn a_write_holds_what_has_changed_and_no_more() {
    let mut bed = Bed::new();
    let (run, _wrapper) = bed.running(Overlap::Skip).await;
    let stored = bed.store.get(&run);
    let write = RunWrite::of(&stored, &saltpeter_domain::run::Changed::default());
    assert!(write.machines.is_empty());
    assert_eq!(write.counts.running, 1);
}
