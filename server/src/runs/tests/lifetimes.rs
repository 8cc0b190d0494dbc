//! Restarts, and actors that come and go.

use super::bed::{Bed, GRACE, NEW, STARTED, Wrapper, job};
use crate::runs::{HelloAnswer, StartError, ToMachine};
use saltpeter_domain::job::Overlap;
use saltpeter_protocol::machine::v2::{Exit, LeaveReason};
use saltpeter_protocol::{Attempt, MachineOutcome, RunOutcome, RunState};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

async fn until_no_actor(bed: &Bed) {
    let none = async {
        while bed.runs.actors() > 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), none)
        .await
        .expect("an actor of a run that is over stays");
}

#[tokio::test(start_paused = true)]
async fn actors_of_runs_that_are_over_do_not_stay() {
    let mut bed = Bed::new();
    for n in 0..50 {
        let run = bed.start_now(Overlap::Skip).await;
        bed.resolve(&["a"]).await;
        bed.launched().await;
        let mut wrapper = Wrapper::connect(&bed.runs, &run, "a", n, NEW).await;
        wrapper.started().await;
        wrapper.finish().await;
        bed.until_over(&run).await;
    }
    until_no_actor(&bed).await;
}

#[tokio::test(start_paused = true)]
async fn a_late_wrapper_is_answered_from_the_store() {
    let mut bed = Bed::new();
    let (run, mut wrapper) = bed.running(Overlap::Skip).await;
    wrapper.finish().await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(bed.runs.actors(), 1, "it is still connected");
    wrapper.inbox.close();
    until_no_actor(&bed).await;
    let again = Wrapper::connect(&bed.runs, &run, "a", 1, STARTED).await;
    assert!(matches!(
        again.answer,
        HelloAnswer::Leave {
            reason: LeaveReason::AlreadyEnded,
            ..
        }
    ));
    // A connection from before is still good for a word.
    until_no_actor(&bed).await;
    wrapper.ended(Exit::Exited { code: 0 }).await;
    until_no_actor(&bed).await;
    assert!(
        bed.runs
            .handle(&"tick_1".parse().unwrap())
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test(start_paused = true)]
async fn a_lost_run_goes_on_when_its_wrapper_returns() {
    let mut bed = Bed::new();
    let (run, wrapper) = bed.running(Overlap::Skip).await;
    drop(wrapper);
    let change = bed.until_over(&run).await;
    assert_eq!(change.summary.state.outcome(), Some(&RunOutcome::Lost));
    until_no_actor(&bed).await;
    assert!(bed.runs.active(&job()).is_empty());
    let mut wrapper = Wrapper::connect(&bed.runs, &run, "a", 1, STARTED).await;
    assert!(wrapper.welcomed());
    assert_eq!(bed.runs.active(&job()).len(), 1);
    let skipped = bed.start(Overlap::Skip, super::bed::by_hand()).await;
    assert!(matches!(skipped, Err(StartError::SkippedOverlap { .. })));
    wrapper.finish().await;
    let change = bed.until_over(&run).await;
    assert_eq!(change.summary.state.outcome(), Some(&RunOutcome::Succeeded));
    drop(wrapper);
    until_no_actor(&bed).await;
}

#[tokio::test(start_paused = true)]
async fn a_running_command_survives_the_server() {
    let mut bed = Bed::new();
    let (run, old) = bed.running(Overlap::Skip).await;
    let mut bed = bed.restarted().await;
    assert_eq!(bed.runs.active(&job()).len(), 1);
    old.heard().await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let mut wrapper = Wrapper::connect(&bed.runs, &run, "a", 1, STARTED).await;
    assert!(wrapper.welcomed());
    wrapper.finish().await;
    let change = bed.until_over(&run).await;
    assert_eq!(change.summary.state.outcome(), Some(&RunOutcome::Succeeded));
    assert!(bed.idle(), "nothing was launched again");
}

#[tokio::test(start_paused = true)]
async fn what_was_not_started_is_started_again() {
    let bed = Bed::new();
    let run = bed.start_now(Overlap::Skip).await;
    let mut bed = bed.restarted().await;
    assert_eq!(bed.resolve(&["a", "b"]).await, run);
    bed.launched().await;
    let b = Wrapper::connect(&bed.runs, &run, "b", 2, NEW).await;
    b.started().await;
    bed.until(&run, |change| change.summary.counts.running == 1)
        .await;
    let mut bed = bed.restarted().await;
    assert_eq!(bed.launched().await, ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_pending_kill_survives_the_server() {
    let mut bed = Bed::new();
    let (run, _old) = bed.running(Overlap::Skip).await;
    bed.runs.kill(&run, None, "op".to_owned()).await.unwrap();
    let mut bed = bed.restarted().await;
    let wrapper = Wrapper::connect(&bed.runs, &run, "a", 1, STARTED).await;
    assert_eq!(
        wrapper.answer,
        HelloAnswer::Welcome {
            command: None,
            secrets: BTreeMap::new(),
            attempt: Attempt::FIRST,
            kill: true
        }
    );
    wrapper.ended(Exit::Killed).await;
    let change = bed.until_over(&run).await;
    assert_eq!(change.summary.state.outcome(), Some(&RunOutcome::Killed));
}

#[tokio::test(start_paused = true)]
async fn a_queued_run_survives_the_server() {
    let mut bed = Bed::new();
    let (first, _old) = bed.running(Overlap::Queue).await;
    let second = bed.start_now(Overlap::Queue).await;
    let mut bed = bed.restarted().await;
    assert!(bed.idle());
    let third = bed.start(Overlap::Queue, super::bed::by_hand()).await;
    assert!(matches!(third, Err(StartError::SkippedOverlap { active }) if active == second));
    let mut wrapper = Wrapper::connect(&bed.runs, &first, "a", 1, STARTED).await;
    wrapper.finish().await;
    assert_eq!(bed.resolve(&["a"]).await, second);
}

#[tokio::test(start_paused = true)]
async fn a_queued_run_whose_predecessor_ended_begins_after_a_restart() {
    let mut bed = Bed::new();
    let (first, wrapper) = bed.running(Overlap::Queue).await;
    let second = bed.start_now(Overlap::Queue).await;
    drop(wrapper);
    bed.runs.kill(&first, None, "op".to_owned()).await.unwrap();
    let mut wrapper = Wrapper::connect(&bed.runs, &first, "a", 1, STARTED).await;
    wrapper.ended(Exit::Killed).await;
    assert_eq!(wrapper.inbox.recv().await, Some(ToMachine::Done));
    let mut bed = bed.restarted().await;
    assert_eq!(bed.resolve(&["a"]).await, second);
}

#[tokio::test(start_paused = true)]
async fn a_replacement_is_carried_through_after_a_restart() {
    let mut bed = Bed::new();
    let (first, _old) = bed.running(Overlap::Replace).await;
    let second = bed.start_now(Overlap::Replace).await;
    let mut bed = bed.restarted().await;
    let wrapper = Wrapper::connect(&bed.runs, &first, "a", 1, STARTED).await;
    assert_eq!(
        wrapper.answer,
        HelloAnswer::Welcome {
            command: None,
            secrets: BTreeMap::new(),
            attempt: Attempt::FIRST,
            kill: true
        }
    );
    wrapper.ended(Exit::Killed).await;
    assert_eq!(bed.resolve(&["a"]).await, second);
}

#[tokio::test(start_paused = true)]
async fn a_machine_whose_wrapper_died_with_the_server_is_lost_within_its_bound() {
    let mut bed = Bed::new();
    let (run, _old) = bed.running(Overlap::Skip).await;
    let mut bed = bed.restarted().await;
    let begun = tokio::time::Instant::now();
    let change = bed.until_over(&run).await;
    assert_eq!(
        change.machines[0].state.outcome(),
        Some(&MachineOutcome::Lost)
    );
    assert_eq!(begun.elapsed().as_secs(), 15 + GRACE.as_secs());
    assert!(matches!(
        bed.store.get(&run).state(),
        RunState::Ended { .. }
    ));
}

#[tokio::test(start_paused = true)]
async fn an_actor_that_breaks_off_is_noticed() {
    let mut bed = Bed::new();
    let stop = CancellationToken::new();
    let watching = tokio::spawn(bed.runs.clone().watch(stop.clone()));
    bed.break_dispatch();
    let run = bed.start_now(Overlap::Skip).await;
    let broken = watching.await.unwrap().unwrap_err().to_string();
    assert!(
        broken.starts_with(&format!("that of {run} panicked: ")),
        "{broken}"
    );
    stop.cancel();
    let ended = Bed::new().runs.watch(stop).await;
    assert!(ended.is_ok(), "a stop that was asked for is no failure");
}
