//! Machines that are heard after the run has begun on others.

use super::{machine_outcome, outcome};
use crate::run::samples::{
    STARTED, T0, at, exited, hello, kill, launched, machine, names, resolving, state, v2,
};
use crate::run::{AWAITED_LIMIT, Input, Late, LogEvent, Refused, Resolution, Run};
use crate::run::{Effect, Step};
use saltpeter_protocol::{MachineOutcome, MachineState, RunOutcome, RunState};

/// A run that has begun on `up` and waits for `awaited`.
fn begun(up: &[&str], awaited: &[&str], open: u32, batch: u32) -> (Run, Step) {
    let mut run = resolving(batch);
    let resolution = Resolution {
        machines: names(up),
        awaited: names(awaited),
        open,
        ..Resolution::default()
    };
    let step = run.apply(Input::Resolved(resolution), T0).unwrap();
    (run, step)
}

fn up(machines: &[&str], open: u32) -> Input {
    Input::Late(Late {
        up: names(machines),
        open,
        ..Late::default()
    })
}

fn silent(machines: &[&str]) -> Input {
    Input::Late(Late {
        silent: names(machines),
        ..Late::default()
    })
}

fn succeed(run: &mut Run, name: &str) -> Step {
    run.apply(hello(name, v2(1), STARTED), at(1)).unwrap();
    run.apply(exited(name, 0), at(1)).unwrap()
}

#[test]
fn the_quick_begin_and_the_slow_follow() {
    let (mut run, step) = begun(&["a"], &["slow", "dead"], 0, 0);
    assert_eq!(launched(&step), ["a"]);
    assert_eq!(*state(&run, "slow"), MachineState::Waiting);
    succeed(&mut run, "a");
    assert_eq!(*run.state(), RunState::Running, "others are awaited");
    let step = run.apply(up(&["slow"], 0), at(4)).unwrap();
    assert_eq!(launched(&step), ["slow"]);
    succeed(&mut run, "slow");
    run.apply(silent(&["dead"]), at(10)).unwrap();
    assert_eq!(machine_outcome(&run, "dead").exit_code(), Some(255));
    assert_eq!(outcome(&run), RunOutcome::Failed);
}

#[test]
fn a_batch_has_room_for_those_that_answer_late() {
    let (mut run, step) = begun(&["b", "c"], &["a"], 0, 1);
    assert_eq!(launched(&step), ["b"]);
    let step = run.apply(up(&["a"], 0), at(2)).unwrap();
    assert_eq!(launched(&step), [""; 0]);
    assert_eq!(launched(&succeed(&mut run, "b")), ["a"]);
}

#[test]
fn nothing_hangs_when_nothing_is_said_of_them() {
    let (mut run, _) = begun(&[], &["a"], 2, 0);
    assert_eq!(run.next_deadline(), Some(T0 + AWAITED_LIMIT));
    run.apply(Input::Tick, T0 + AWAITED_LIMIT).unwrap();
    assert_eq!(machine_outcome(&run, "a").exit_code(), Some(255));
    assert_eq!(outcome(&run), RunOutcome::Failed);
}

#[test]
fn open_places_are_filled_by_whoever_answers_first() {
    let (mut run, _) = begun(&["a"], &[], 1, 0);
    succeed(&mut run, "a");
    assert_eq!(*run.state(), RunState::Running, "a place is open");
    let step = run.apply(up(&["b", "c"], 1), at(3)).unwrap();
    assert_eq!(launched(&step), ["b"]);
    assert!(!run.machines().contains_key("c"));
    assert_eq!(
        run.apply(up(&["c"], 1), at(3)),
        Err(Refused::NotResolving),
        "the place is taken"
    );
    succeed(&mut run, "b");
    assert_eq!(outcome(&run), RunOutcome::Succeeded);
}

#[test]
fn without_any_machine_in_the_end_there_were_no_targets() {
    let (mut run, step) = begun(&[], &[], u32::MAX, 0);
    assert_eq!(step.effects, []);
    let step = run.apply(up(&[], 0), at(10)).unwrap();
    assert_eq!(outcome(&run), RunOutcome::NoTargets);
    assert!(step.effects.iter().any(
        |effect| matches!(effect, Effect::Log(entry) if matches!(entry.event, LogEvent::NoTargets { .. })),
    ));
}

#[test]
fn late_maintenance_is_seen() {
    let (mut run, _) = begun(&["a"], &["m"], 0, 0);
    let late = Late {
        maintenance: names(&["m"]),
        ..Late::default()
    };
    run.apply(Input::Late(late), at(2)).unwrap();
    assert_eq!(machine_outcome(&run, "m"), MachineOutcome::Maintenance);
}

#[test]
fn a_kill_takes_the_awaited_out() {
    let (mut run, _) = begun(&["a"], &["b", "c"], 1, 0);
    run.apply(kill(Some("b")), at(1)).unwrap();
    assert_eq!(machine_outcome(&run, "b"), MachineOutcome::NotAttempted);
    run.apply(kill(None), at(1)).unwrap();
    assert_eq!(machine_outcome(&run, "c"), MachineOutcome::NotAttempted);
    assert_eq!(outcome(&run), RunOutcome::Killed);
    assert!(run.apply(up(&["c", "d"], 1), at(2)).is_err());
}

#[test]
fn after_a_restart_they_are_started_like_any_other() {
    let (run, _) = begun(&["a"], &["b"], 1, 0);
    let mut machines = run.machines().clone();
    machines.get_mut("b").unwrap().awaited = false;
    let mut run = Run::new(run.head().clone(), machines);
    let step = run.apply(Input::Recovered, at(3)).unwrap();
    assert_eq!(launched(&step), ["a", "b"]);
}

#[test]
fn a_launch_that_goes_on_has_its_window_anew() {
    let (mut run, _) = begun(&["a"], &[], 0, 0);
    let goes_on = Input::LaunchGoesOn {
        machines: names(&["a", "stranger"]),
    };
    let step = run.apply(goes_on.clone(), at(20)).unwrap();
    assert!(step.changed.machines.contains(&machine("a")));
    assert_eq!(run.next_deadline(), Some(at(50)));
    succeed(&mut run, "a");
    let step = run.apply(goes_on, at(21)).unwrap();
    assert!(step.changed.is_empty());
}
