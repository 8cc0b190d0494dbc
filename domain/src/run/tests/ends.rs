//! How machines end: by a kill, by their exit, by giving up.

use super::{leave, machine_outcome, outcome, welcome};
use crate::run::samples::{
    STARTED, T0, at, exited, head, hello, kill, machine, resolved, running, started, v1_exit, v2,
};
use crate::run::{
    ANSWERED_AFTER_END, Effect, Input, MachineExit, Refused, Resolution, Run, Speaker,
};
use saltpeter_protocol::machine::v2::{Exit, LeaveReason, Progress};
use saltpeter_protocol::{Attempt, LaunchErrorKind, MachineOutcome, RunOutcome, RunState};
use std::collections::BTreeMap;
use std::time::Duration;

#[test]
fn a_kill_takes_each_machine_as_it_stands() {
    let mut run = resolved(&["a", "b", "c"], 2);
    run.apply(hello("a", v2(1), Progress::New), T0).unwrap();
    run.apply(started("a"), T0).unwrap();
    let step = run.apply(kill(None), at(1)).unwrap();
    assert!(step.effects.contains(&Effect::SendKill(machine("a"))));
    assert_eq!(machine_outcome(&run, "b"), MachineOutcome::Killed);
    assert_eq!(machine_outcome(&run, "c"), MachineOutcome::NotAttempted);
    assert_eq!(*run.state(), RunState::Running);
    // A wrapper that is on its way to b is sent home.
    let step = run.apply(hello("b", v2(2), Progress::New), at(2)).unwrap();
    assert!(matches!(
        step.effects[..],
        [Effect::Leave {
            reason: LeaveReason::AlreadyEnded,
            ..
        }]
    ));
    let exit = Input::Ended {
        machine: machine("a"),
        exit: MachineExit::V2(Exit::Killed),
    };
    run.apply(exit, at(3)).unwrap();
    assert_eq!(machine_outcome(&run, "a").exit_code(), Some(143));
    assert_eq!(outcome(&run), RunOutcome::Killed);
    assert_eq!(run.apply(kill(None), at(4)), Err(Refused::NotRunning));
}

#[test]
fn a_kill_is_repeated_and_lands_on_reconnection() {
    let mut run = running();
    run.apply(kill(Some("a")), at(1)).unwrap();
    let heard = || Input::Heard {
        machine: machine("a"),
    };
    assert_eq!(run.apply(heard(), at(2)).unwrap().effects, []);
    assert_eq!(
        run.apply(heard(), at(6)).unwrap().effects,
        [Effect::SendKill(machine("a"))]
    );
    let step = run.apply(hello("a", v2(1), STARTED), at(7)).unwrap();
    assert_eq!(step.effects, [welcome(false, true)]);
}

#[test]
fn one_machine_killed_makes_the_run_a_failure() {
    let mut run = running();
    run.apply(kill(Some("a")), at(1)).unwrap();
    let exit = Input::Ended {
        machine: machine("a"),
        exit: MachineExit::V2(Exit::Killed),
    };
    run.apply(exit, at(2)).unwrap();
    assert_eq!(outcome(&run), RunOutcome::Failed);
}

#[test]
fn a_machine_taken_out_before_its_turn_makes_the_run_no_success() {
    let mut run = resolved(&["a", "b"], 1);
    run.apply(hello("a", v2(1), Progress::New), at(1)).unwrap();
    run.apply(started("a"), at(2)).unwrap();
    run.apply(kill(Some("b")), at(3)).unwrap();
    assert_eq!(machine_outcome(&run, "b"), MachineOutcome::NotAttempted);
    run.apply(exited("a", 0), at(4)).unwrap();
    assert_eq!(outcome(&run), RunOutcome::Killed);
}

#[test]
fn a_run_is_killed_before_it_has_machines() {
    for state in [RunState::Queued, RunState::Resolving] {
        let mut run = Run::new(head(state, 0), BTreeMap::new());
        run.apply(kill(None), at(1)).unwrap();
        assert_eq!(outcome(&run), RunOutcome::Killed);
        assert_eq!(run.apply(Input::Begin, at(2)), Err(Refused::AlreadyBegun));
        assert_eq!(
            run.apply(Input::Resolved(Resolution::default()), at(2)),
            Err(Refused::NotResolving)
        );
    }
}

#[test]
fn a_wrapper_that_never_started_need_not_after_a_kill() {
    let mut run = resolved(&["a"], 0);
    run.apply(hello("a", v2(1), Progress::New), T0).unwrap();
    run.apply(kill(None), at(1)).unwrap();
    assert!(!run.state().is_ended(), "it may be starting right now");
    let step = run.apply(hello("a", v2(1), Progress::New), at(2)).unwrap();
    assert!(step.effects.contains(&leave(LeaveReason::AlreadyEnded)[0]));
    assert_eq!(machine_outcome(&run, "a"), MachineOutcome::Killed);
}

#[test]
fn version_1_exit_codes_get_their_meaning() {
    let cases = [
        (0, 10, false, MachineOutcome::Succeeded),
        (3, 10, false, MachineOutcome::Failed { code: 3 }),
        (-9, 10, false, MachineOutcome::Failed { code: 137 }),
        (-15, 10, true, MachineOutcome::Killed),
        (0, 10, true, MachineOutcome::Killed),
        (124, 10, false, MachineOutcome::Failed { code: 124 }),
        (124, 100, false, MachineOutcome::TimedOut),
        (-15, 101, false, MachineOutcome::TimedOut),
        (1, 101, false, MachineOutcome::Failed { code: 1 }),
        (i32::MIN, 1, false, MachineOutcome::Failed { code: 255 }),
    ];
    for (retcode, seconds, killed, expected) in cases {
        let mut run = resolved(&["a"], 0);
        run.apply(hello("a", Speaker::V1, Progress::New), T0)
            .unwrap();
        run.apply(started("a"), T0).unwrap();
        if killed {
            run.apply(kill(None), at(1)).unwrap();
        }
        run.apply(v1_exit("a", retcode), at(seconds)).unwrap();
        assert_eq!(
            machine_outcome(&run, "a"),
            expected,
            "{retcode} after {seconds} s"
        );
    }
}

#[test]
fn version_2_exits_say_what_they_are() {
    let cases = [
        (Exit::Exited { code: 0 }, Some(0)),
        (Exit::Exited { code: 143 }, Some(143)),
        (Exit::Signalled { signal: 9 }, Some(137)),
        (Exit::TimedOut, Some(124)),
        (Exit::Killed, Some(143)),
        (Exit::Exited { code: -1 }, Some(1)),
        (Exit::Exited { code: 4711 }, Some(255)),
    ];
    for (exit, code) in cases {
        let mut run = running();
        let exit = MachineExit::V2(exit);
        run.apply(
            Input::Ended {
                machine: machine("a"),
                exit,
            },
            at(1),
        )
        .unwrap();
        assert_eq!(machine_outcome(&run, "a").exit_code(), code);
    }
}

#[test]
fn what_is_said_twice_counts_once() {
    let mut run = running();
    run.apply(exited("a", 0), at(1)).unwrap();
    let step = run.apply(exited("a", 9), at(2)).unwrap();
    assert_eq!(step.effects, [Effect::SendDone(machine("a"))]);
    assert!(step.changed.is_empty());
    assert_eq!(machine_outcome(&run, "a"), MachineOutcome::Succeeded);
    let step = run.apply(hello("a", v2(1), STARTED), at(3)).unwrap();
    assert_eq!(step.effects, leave(LeaveReason::AlreadyEnded));
}

#[test]
fn a_version_1_wrapper_is_answered_for_as_long_as_it_may_have_something_to_say() {
    let mut run = resolved(&["a"], 0);
    run.apply(hello("a", Speaker::V1, Progress::New), T0)
        .unwrap();
    run.apply(v1_exit("a", 0), at(1)).unwrap();
    let last = at(1) + ANSWERED_AFTER_END;
    let after = last + Duration::from_millis(1);
    for speaker in [Speaker::V1, Speaker::V1Retry(Attempt::after(1))] {
        let again = || hello("a", speaker, Progress::New);
        let step = run.apply(again(), last).unwrap();
        assert_eq!(step.effects, leave(LeaveReason::AlreadyEnded));
        let step = run.apply(again(), after).unwrap();
        assert_eq!(step.effects, leave(LeaveReason::NotKnown));
    }
}

#[test]
fn a_version_1_wrapper_that_came_too_late_to_be_stopped_is_killed() {
    let mut run = resolved(&["a"], 0);
    run.apply(kill(None), T0).unwrap();
    assert_eq!(outcome(&run), RunOutcome::Killed);
    let step = run
        .apply(hello("a", Speaker::V1, Progress::New), at(2))
        .unwrap();
    assert_eq!(step.effects, [welcome(false, true)]);
    let heard = Input::Heard {
        machine: machine("a"),
    };
    let step = run.apply(heard, at(2)).unwrap();
    assert_eq!(step.effects, [Effect::SendKill(machine("a"))]);
    let step = run.apply(v1_exit("a", -15), at(3)).unwrap();
    assert_eq!(step.effects, [Effect::SendDone(machine("a"))]);
}

#[test]
fn a_wrapper_that_cannot_start_or_fails_says_so() {
    let mut run = resolved(&["a"], 0);
    run.apply(hello("a", v2(1), Progress::New), T0).unwrap();
    let input = Input::CannotStart {
        machine: machine("a"),
        message: "no user bob".to_owned(),
    };
    run.apply(input, at(1)).unwrap();
    assert_eq!(
        machine_outcome(&run, "a"),
        MachineOutcome::StartFailed {
            kind_of: LaunchErrorKind::Command,
            message: "no user bob".to_owned()
        }
    );

    let mut run = resolved(&["a"], 0);
    run.apply(hello("a", Speaker::V1, Progress::New), T0)
        .unwrap();
    let input = Input::WrapperError {
        machine: machine("a"),
        message: "pipe".to_owned(),
    };
    run.apply(input, at(1)).unwrap();
    assert_eq!(machine_outcome(&run, "a").exit_code(), Some(255));
}
