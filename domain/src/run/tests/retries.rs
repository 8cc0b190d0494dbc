//! Machines that are tried again.

use super::{leave, machine_outcome, outcome};
use crate::job::{Overlap, RunSpec, WrapperProtocol};
use crate::retry::{Backoff, Retry};
use crate::run::samples::{
    STARTED, T0, at, exited, hello, kill, launched, logged, machine, resolved_with, run_through,
    started, state, v2,
};
use crate::run::{Effect, Input, LogEvent, Refused, Run, Speaker};
use saltpeter_protocol::machine::v2::{LeaveReason, Progress};
use saltpeter_protocol::{Attempt, MachineOutcome, MachineState, RunOutcome, RunState};
use std::num::NonZeroU32;
use std::time::Duration;

fn twice_more(spec: &mut RunSpec) {
    spec.retry = Some(Retry {
        more: NonZeroU32::new(2).unwrap(),
        delay: Duration::from_secs(5),
        backoff: Backoff::Exponential,
    });
}

fn retrying(seconds: u64) -> MachineState {
    MachineState::Retrying { at: at(seconds) }
}

fn tick(run: &mut Run, seconds: u64) -> Vec<String> {
    let step = run.apply(Input::Tick, at(seconds)).unwrap();
    launched(&step).into_iter().map(str::to_owned).collect()
}

#[test]
fn the_second_attempt_succeeds() {
    let mut run = resolved_with(&["a"], twice_more);
    let step = run_through(&mut run, "a", 1, 3, at(1));
    assert_eq!(*state(&run, "a"), retrying(6));
    assert!(step.effects.contains(&Effect::Dismiss(machine("a"))));
    assert!(!step.effects.contains(&Effect::SendDone(machine("a"))));
    assert_eq!(
        logged(&step),
        [&LogEvent::AttemptEnded {
            run: run.id().clone(),
            machine: machine("a"),
            attempt: Attempt::FIRST,
            last: Attempt::after(2),
            outcome: MachineOutcome::Failed { code: 3 },
            next: at(6),
        }]
    );
    assert_eq!(*run.state(), RunState::Running);
    assert_eq!((run.counts().retrying, run.counts().failed), (1, 0));
    assert_eq!(run.next_deadline(), Some(at(6)));
    assert_eq!(tick(&mut run, 5), [""; 0]);
    assert_eq!(tick(&mut run, 6), ["a"]);
    assert_eq!(*state(&run, "a"), MachineState::Starting { since: at(6) });
    assert_eq!(run.machines()["a"].pid, None);
    run_through(&mut run, "a", 2, 0, at(7));
    assert_eq!(outcome(&run), RunOutcome::Succeeded);
    let known = &run.machines()["a"];
    assert_eq!(known.attempt().get(), 2);
    assert_eq!(known.earlier.len(), 1);
    assert_eq!(known.earlier[0].outcome, MachineOutcome::Failed { code: 3 });
    assert_eq!(known.earlier[0].speaker, Some(v2(1)));
}

#[test]
fn the_last_attempt_is_the_outcome() {
    let mut run = resolved_with(&["a"], twice_more);
    run_through(&mut run, "a", 1, 3, T0);
    assert_eq!(tick(&mut run, 5), ["a"]);
    run_through(&mut run, "a", 2, 4, at(5));
    assert_eq!(*state(&run, "a"), retrying(15), "twice as long");
    assert_eq!(tick(&mut run, 15), ["a"]);
    let step = run_through(&mut run, "a", 3, 5, at(16));
    assert!(step.effects.contains(&Effect::SendDone(machine("a"))));
    assert_eq!(
        machine_outcome(&run, "a"),
        MachineOutcome::Failed { code: 5 }
    );
    assert_eq!(outcome(&run), RunOutcome::Failed);
    assert_eq!(run.machines()["a"].attempt().get(), 3);
}

#[test]
fn a_wrapper_of_an_attempt_that_is_over_is_sent_home() {
    let mut run = resolved_with(&["a"], twice_more);
    run_through(&mut run, "a", 1, 3, T0);
    let home = leave(LeaveReason::AlreadyEnded);
    let come = |run: &mut Run| {
        run.apply(hello("a", v2(1), STARTED), at(5))
            .unwrap()
            .effects
    };
    assert_eq!(come(&mut run), home);
    assert_eq!(
        run.apply(exited("a", 0), at(1)),
        Err(Refused::NoSpeaker {
            machine: machine("a"),
            state: "waiting to retry"
        })
    );
    tick(&mut run, 5);
    assert_eq!(come(&mut run), home, "while the second one starts");
    run.apply(hello("a", v2(2), Progress::New), at(5)).unwrap();
    run.apply(started("a"), at(5)).unwrap();
    assert_eq!(come(&mut run), home, "while the second one runs");
    run.apply(exited("a", 0), at(6)).unwrap();
    assert_eq!(come(&mut run), home);
    assert_eq!(outcome(&run), RunOutcome::Succeeded);
}

#[test]
fn version_1_wrappers_of_two_attempts_are_told_apart_by_the_name_of_the_run() {
    let second = Speaker::v1(Attempt::after(1));
    let mut run = resolved_with(&["a"], twice_more);
    let come = |run: &mut Run, speaker| {
        let step = run.apply(hello("a", speaker, Progress::New), at(5));
        step.unwrap().effects
    };
    let home = leave(LeaveReason::AlreadyEnded);
    assert_eq!(come(&mut run, second), home, "nobody has launched it");
    come(&mut run, Speaker::V1);
    run.apply(started("a"), at(5)).unwrap();
    run.apply(exited("a", 1), at(5)).unwrap();
    assert_eq!(come(&mut run, Speaker::V1), home);
    tick(&mut run, 10);
    assert_eq!(come(&mut run, Speaker::V1), home);
    assert!(matches!(
        come(&mut run, second)[..],
        [Effect::Welcome { .. }]
    ));
    run.apply(exited("a", 0), at(11)).unwrap();
    assert_eq!(outcome(&run), RunOutcome::Succeeded);
}

#[test]
fn a_kill_during_the_pause_ends_it() {
    for of in [Some("a"), None] {
        let mut run = resolved_with(&["a"], twice_more);
        run_through(&mut run, "a", 1, 3, T0);
        run.apply(kill(of), at(2)).unwrap();
        assert_eq!(machine_outcome(&run, "a"), MachineOutcome::Killed);
        assert_eq!(run.next_deadline(), None);
        assert_eq!(run.machines()["a"].earlier.len(), 1);
        let expected = if of.is_some() {
            RunOutcome::Failed
        } else {
            RunOutcome::Killed
        };
        assert_eq!(outcome(&run), expected);
    }
}

#[test]
fn what_was_killed_is_not_tried_again() {
    let mut run = resolved_with(&["a"], twice_more);
    run.apply(hello("a", v2(1), Progress::New), T0).unwrap();
    run.apply(started("a"), T0).unwrap();
    run.apply(kill(Some("a")), T0).unwrap();
    // Its own exit was faster.
    run.apply(exited("a", 1), T0).unwrap();
    assert_eq!(
        machine_outcome(&run, "a"),
        MachineOutcome::Failed { code: 1 }
    );
}

#[test]
fn what_may_still_run_is_not_tried_again() {
    let mut run = resolved_with(&["a"], twice_more);
    run.apply(hello("a", v2(1), Progress::New), T0).unwrap();
    run.apply(started("a"), T0).unwrap();
    tick(&mut run, 15);
    tick(&mut run, 615);
    assert_eq!(machine_outcome(&run, "a"), MachineOutcome::Lost);

    // It has come, and may have started the command just now.
    let mut run = resolved_with(&["a"], twice_more);
    run.apply(hello("a", v2(1), Progress::New), T0).unwrap();
    tick(&mut run, 30);
    assert_eq!(machine_outcome(&run, "a").exit_code(), Some(254));

    let mut run = resolved_with(&["a"], twice_more);
    run.apply(hello("a", Speaker::V1, Progress::New), T0)
        .unwrap();
    let message = "pipe".to_owned();
    let machine = machine("a");
    run.apply(Input::WrapperError { machine, message }, T0)
        .unwrap();
    assert_eq!(machine_outcome(&run, "a").exit_code(), Some(255));
}

#[test]
fn a_wrapper_that_nobody_hears_is_started_again_where_it_cannot_run_the_command() {
    let cases = [
        (WrapperProtocol::V2, Overlap::Allow, true),
        (WrapperProtocol::Auto, Overlap::Skip, true),
        (WrapperProtocol::Auto, Overlap::Allow, false),
        (WrapperProtocol::V1, Overlap::Skip, false),
    ];
    for (protocol, overlap, again) in cases {
        let mut run = resolved_with(&["a"], |spec| {
            twice_more(spec);
            spec.wrapper.protocol = protocol;
            spec.overlap = overlap;
        });
        tick(&mut run, 30);
        let is_retrying = *state(&run, "a") == retrying(35);
        assert_eq!(is_retrying, again, "{protocol:?} {overlap:?}");
    }
}

#[test]
fn a_version_1_wrapper_heard_late_goes_on_with_its_attempt() {
    let mut run = resolved_with(&["a"], twice_more);
    tick(&mut run, 30);
    assert_eq!(*state(&run, "a"), retrying(35));
    // One of version 2 has not started anything, and may go.
    let step = run.apply(hello("a", v2(7), Progress::New), at(31)).unwrap();
    assert_eq!(step.effects, leave(LeaveReason::AlreadyEnded));
    run.apply(hello("a", Speaker::V1, Progress::New), at(32))
        .unwrap();
    assert_eq!(*state(&run, "a"), MachineState::Running { since: at(32) });
    assert_eq!(run.machines()["a"].attempt(), Attempt::FIRST);
    assert_eq!(tick(&mut run, 35), [""; 0], "no second one");
    run.apply(exited("a", 0), at(36)).unwrap();
    assert_eq!(outcome(&run), RunOutcome::Succeeded);
}

#[test]
fn a_wrapper_that_was_not_started_is() {
    let mut run = resolved_with(&["a"], twice_more);
    let failed = Input::LaunchFailed {
        machine: machine("a"),
        message: "the master does not answer".to_owned(),
    };
    run.apply(failed, at(1)).unwrap();
    assert_eq!(*state(&run, "a"), retrying(6));
    assert_eq!(tick(&mut run, 6), ["a"]);
    // That of the first attempt may come after all: whoever is first runs the command.
    run.apply(hello("a", v2(1), Progress::New), at(7)).unwrap();
    run.apply(started("a"), at(7)).unwrap();
    assert_eq!(run.machines()["a"].attempt().get(), 2);
}

#[test]
fn the_pause_survives_a_restart() {
    let mut run = resolved_with(&["a", "b"], twice_more);
    run_through(&mut run, "a", 1, 3, T0);
    run_through(&mut run, "b", 1, 3, at(3));
    let mut run = Run::new(run.head().clone(), run.machines().clone());
    let step = run.apply(Input::Recovered, at(6)).unwrap();
    assert_eq!(launched(&step), ["a"], "its time has passed");
    assert_eq!(run.next_deadline(), Some(at(8)));
    assert_eq!(tick(&mut run, 8), ["b"]);
}

#[test]
fn it_keeps_its_place_in_the_batch() {
    let mut run = resolved_with(&["a", "b"], |spec| {
        twice_more(spec);
        spec.batch_size = NonZeroU32::new(1);
    });
    let step = run_through(&mut run, "a", 1, 3, T0);
    assert_eq!(launched(&step), [""; 0]);
    assert_eq!(tick(&mut run, 5), ["a"]);
    let step = run_through(&mut run, "a", 2, 0, at(6));
    assert_eq!(launched(&step), ["b"]);
}
