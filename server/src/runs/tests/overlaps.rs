//! The four overlap policies.

use super::bed::{Bed, NEW, STARTED, Wrapper, job, scheduled};
use crate::runs::{HelloAnswer, StartError, ToMachine};
use saltpeter_domain::job::Overlap;
use saltpeter_domain::run::LogEvent;
use saltpeter_protocol::machine::v2::Exit;
use saltpeter_protocol::{RunCause, RunId, RunOutcome, RunState};

#[tokio::test(start_paused = true)]
async fn skip_leaves_the_earlier_alone_and_notes_scheduled_ones() {
    let mut bed = Bed::new();
    let (first, mut wrapper) = bed.running(Overlap::Skip).await;
    let by_hand = bed.start(Overlap::Skip, super::bed::by_hand()).await;
    assert!(matches!(by_hand, Err(StartError::SkippedOverlap { active }) if active == first));
    let scheduled = bed.start(Overlap::Skip, scheduled(5000)).await;
    assert!(matches!(scheduled, Err(StartError::SkippedOverlap { active }) if active == first));
    let states = bed.store.states();
    assert_eq!(states.len(), 2, "{states:?}");
    assert_eq!(states[1].outcome(), Some(&RunOutcome::SkippedOverlap));
    let event = bed
        .logged(|event| matches!(event, LogEvent::Overlap { .. }))
        .await;
    assert_eq!(
        event,
        LogEvent::Overlap {
            active: first.clone()
        }
    );
    assert!(bed.idle());
    wrapper.finish().await;
    bed.until_over(&first).await;
    bed.start_now(Overlap::Skip).await;
}

#[tokio::test(start_paused = true)]
async fn queue_has_one_place() {
    let mut bed = Bed::new();
    let (first, mut wrapper) = bed.running(Overlap::Queue).await;
    let second = bed.start_now(Overlap::Queue).await;
    let third = bed.start(Overlap::Queue, super::bed::by_hand()).await;
    assert!(matches!(third, Err(StartError::SkippedOverlap { active }) if active == second));
    assert!(bed.idle());
    let active = bed.runs.active(&job());
    assert_eq!(active.len(), 2);
    assert_eq!(active[1].state, RunState::Queued);
    wrapper.finish().await;
    assert_eq!(bed.resolve(&["a"]).await, second);
    bed.launched().await;
    assert!(bed.store.get(&first).state().is_ended());
    let mut wrapper = Wrapper::connect(&bed.runs, &second, "a", 2, NEW).await;
    wrapper.started().await;
    wrapper.finish().await;
    bed.until_over(&second).await;
}

#[tokio::test(start_paused = true)]
async fn a_queued_run_can_be_killed() {
    let mut bed = Bed::new();
    let (_first, mut wrapper) = bed.running(Overlap::Queue).await;
    let second = bed.start_now(Overlap::Queue).await;
    bed.runs.kill(&second, None, "op".to_owned()).await.unwrap();
    let third = bed.start_now(Overlap::Queue).await;
    wrapper.finish().await;
    assert_eq!(bed.resolve(&["a"]).await, third);
}

#[tokio::test(start_paused = true)]
async fn allow_runs_both() {
    let mut bed = Bed::new();
    let (_first, _wrapper) = bed.running(Overlap::Allow).await;
    let second = bed.start_now(Overlap::Allow).await;
    assert_eq!(second.as_str(), "tick_1700000000_2");
    assert_eq!(bed.resolve(&["a"]).await, second);
    assert_eq!(bed.runs.active(&job()).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn replace_kills_the_earlier_and_waits_for_its_end() {
    let mut bed = Bed::new();
    let (first, mut wrapper) = bed.running(Overlap::Replace).await;
    let second = bed.start_now(Overlap::Replace).await;
    assert_eq!(wrapper.inbox.recv().await, Some(ToMachine::Kill));
    let third = bed.start_now(Overlap::Replace).await;
    bed.until_over(&second).await;
    assert!(bed.idle(), "the earlier one has not ended yet");
    wrapper.ended(Exit::Killed).await;
    assert_eq!(bed.resolve(&["a"]).await, third);
    let first = bed.store.get(&first);
    assert_eq!(first.state().outcome(), Some(&RunOutcome::Killed));
    let kill = first.head().kill.as_ref().unwrap();
    assert_eq!(kill.by, format!("replaced by {second}"));
}

#[tokio::test(start_paused = true)]
async fn an_instant_is_started_once() {
    let bed = Bed::new();
    let first = bed.start(Overlap::Allow, scheduled(5000)).await.unwrap();
    let again = bed.start(Overlap::Allow, scheduled(5000)).await;
    assert!(matches!(again, Err(StartError::AlreadyStarted(id)) if id == first));
}

#[tokio::test(start_paused = true)]
async fn many_starts_at_once_are_decided_one_after_the_other() {
    let mut bed = Bed::new();
    let starts = (0..20).map(|n| bed.start(Overlap::Queue, scheduled(n * 1000)));
    let results = futures::future::join_all(starts).await;
    let begun = results.iter().filter(|result| result.is_ok()).count();
    assert_eq!(begun, 2, "one goes, one waits");
    bed.resolve(&["a"]).await;
    let waiting = bed.store.states();
    assert_eq!(
        waiting
            .iter()
            .filter(|state| **state == RunState::Queued)
            .count(),
        1
    );
}

#[tokio::test(start_paused = true)]
async fn skip_holds_across_a_restart() {
    let mut bed = Bed::new();
    let (first, _old) = bed.running(Overlap::Skip).await;
    let mut bed = bed.restarted().await;
    let second = bed.start(Overlap::Skip, scheduled(5000)).await;
    assert!(matches!(second, Err(StartError::SkippedOverlap { active }) if active == first));
    let mut wrapper = Wrapper::connect(&bed.runs, &first, "a", 1, STARTED).await;
    wrapper.finish().await;
    bed.until_over(&first).await;
    bed.start_now(Overlap::Skip).await;
}

#[tokio::test(start_paused = true)]
async fn the_one_place_of_queue_is_taken_across_a_restart() {
    let mut bed = Bed::new();
    let (first, _old) = bed.running(Overlap::Queue).await;
    let second = bed.start_now(Overlap::Queue).await;
    let mut bed = bed.restarted().await;
    let third = bed.start(Overlap::Queue, super::bed::by_hand()).await;
    assert!(matches!(third, Err(StartError::SkippedOverlap { active }) if active == second));
    assert!(bed.idle(), "the first one still runs");
    let mut wrapper = Wrapper::connect(&bed.runs, &first, "a", 1, STARTED).await;
    wrapper.finish().await;
    assert_eq!(bed.resolve(&["a"]).await, second);
}

#[tokio::test(start_paused = true)]
async fn allow_holds_across_a_restart() {
    let mut bed = Bed::new();
    bed.running(Overlap::Allow).await;
    let mut bed = bed.restarted().await;
    let second = bed.start_now(Overlap::Allow).await;
    assert_eq!(bed.resolve(&["a"]).await, second);
    assert_eq!(bed.runs.active(&job()).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_replacement_that_was_written_down_kills_after_a_restart() {
    let mut bed = Bed::new();
    let (first, _old) = bed.running(Overlap::Replace).await;
    let second = bed.leave_waiting(Overlap::Replace, super::bed::by_hand());
    let mut bed = bed.restarted().await;
    killed_then_replaced(&mut bed, &first, &second).await;
}

#[tokio::test(start_paused = true)]
async fn a_replacement_that_has_killed_begins_after_a_restart() {
    let mut bed = Bed::new();
    let (first, mut old) = bed.running(Overlap::Replace).await;
    let second = bed.start_now(Overlap::Replace).await;
    assert_eq!(old.inbox.recv().await, Some(ToMachine::Kill));
    let mut bed = bed.restarted().await;
    killed_then_replaced(&mut bed, &first, &second).await;
}

/// The wrapper of `first` comes back, and is told that it is to end; then, and not before, `second` begins.
async fn killed_then_replaced(bed: &mut Bed, first: &RunId, second: &RunId) {
    let wrapper = Wrapper::connect(&bed.runs, first, "a", 1, STARTED).await;
    assert!(matches!(
        wrapper.answer,
        HelloAnswer::Welcome { kill: true, .. }
    ));
    assert!(bed.idle(), "the first one has not ended yet");
    wrapper.ended(Exit::Killed).await;
    assert_eq!(bed.resolve(&["a"]).await, *second);
    let first = bed.store.get(first);
    assert_eq!(first.state().outcome(), Some(&RunOutcome::Killed));
    assert_eq!(
        first.head().kill.as_ref().unwrap().by,
        format!("replaced by {second}")
    );
}

#[tokio::test(start_paused = true)]
async fn a_replacement_begins_after_a_restart_when_the_other_has_ended() {
    let mut bed = Bed::new();
    let (first, mut wrapper) = bed.running(Overlap::Replace).await;
    wrapper.finish().await;
    bed.until_over(&first).await;
    let second = bed.leave_waiting(Overlap::Replace, super::bed::by_hand());
    let mut bed = bed.restarted().await;
    assert_eq!(bed.resolve(&["a"]).await, second);
}

#[tokio::test(start_paused = true)]
async fn what_makes_up_for_a_missed_start_replaces_nothing_after_a_restart() {
    let mut bed = Bed::new();
    let (first, _old) = bed.running(Overlap::Replace).await;
    let instant = saltpeter_protocol::UnixMillis(5000);
    let second = bed.start(Overlap::Replace, RunCause::CatchUp { instant });
    let second = second.await.unwrap();
    let mut bed = bed.restarted().await;
    let mut wrapper = Wrapper::connect(&bed.runs, &first, "a", 1, STARTED).await;
    assert!(matches!(
        wrapper.answer,
        HelloAnswer::Welcome { kill: false, .. }
    ));
    wrapper.finish().await;
    assert_eq!(bed.resolve(&["a"]).await, second);
}
