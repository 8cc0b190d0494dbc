//! What the history says of guesses that did not hold, and of kills that nothing came of.

use super::{machine_outcome, outcome};
use crate::run::samples::{
    STARTED, T0, at, exited, hello, kill, logged, machine, resolved, running, v2,
};
use crate::run::{Input, LogEvent, Run};
use saltpeter_protocol::api::{OutputLength, ReplacedOutcome};
use saltpeter_protocol::machine::v2::Progress;
use saltpeter_protocol::{MachineOutcome, RunOutcome};

fn lost() -> Run {
    let mut run = running();
    run.apply(Input::Tick, at(15)).unwrap();
    run.apply(Input::Tick, at(615)).unwrap();
    assert_eq!(machine_outcome(&run, "a"), MachineOutcome::Lost);
    run
}

#[test]
fn an_outcome_that_was_replaced_is_remembered() {
    let come_back = [hello("a", v2(1), STARTED), exited("a", 0)];
    for input in come_back {
        let mut run = lost();
        let step = run.apply(input, at(700)).unwrap();
        let event = LogEvent::MachineReturned {
            run: run.id().clone(),
            machine: machine("a"),
            replaced: MachineOutcome::Lost,
        };
        assert!(logged(&step).contains(&&event));
        if !run.state().is_ended() {
            run.apply(exited("a", 0), at(701)).unwrap();
        }
        assert_eq!(outcome(&run), RunOutcome::Succeeded);
        let row = run
            .machine_row(&machine("a"), OutputLength::default())
            .unwrap();
        let replaced = ReplacedOutcome {
            outcome: MachineOutcome::Lost,
            given: at(615),
            returned: at(700),
        };
        assert_eq!(row.replaced, Some(replaced));
    }
}

#[test]
fn the_time_to_start_is_not_had_anew_with_every_hello() {
    let mut run = resolved(&["a"], 0);
    for seconds in [5, 15, 25] {
        run.apply(hello("a", v2(1), Progress::New), at(seconds))
            .unwrap();
    }
    assert_eq!(run.next_deadline(), Some(at(35)));
    run.apply(Input::Tick, at(35)).unwrap();
    assert_eq!(machine_outcome(&run, "a").exit_code(), Some(254));
}

fn unconfirmed(run: &Run) -> bool {
    let kill = run.machines()["a"].kill.as_ref();
    kill.is_some_and(|kill| kill.unconfirmed)
}

#[test]
fn a_kill_that_nothing_comes_of_is_said_to_be_unconfirmed() {
    let heard = || Input::Heard {
        machine: machine("a"),
    };
    let mut run = running();
    run.apply(kill(None), at(1)).unwrap();
    for seconds in [6, 16, 26] {
        run.apply(heard(), at(seconds)).unwrap();
        run.apply(Input::Tick, at(seconds)).unwrap();
    }
    assert!(!unconfirmed(&run));
    assert_eq!(run.next_deadline(), Some(at(31)));
    let step = run.apply(Input::Tick, at(31)).unwrap();
    assert!(unconfirmed(&run));
    assert!(step.changed.machines.contains(&machine("a")));
    let event = LogEvent::KillUnconfirmed {
        run: run.id().clone(),
        machine: machine("a"),
        by: "op".to_owned(),
    };
    assert_eq!(logged(&step), [&event]);
    assert!(!run.state().is_ended(), "it is no success");
    let step = run.apply(Input::Tick, at(32)).unwrap();
    assert_eq!(logged(&step), [] as [&LogEvent; 0], "it is said once");
}

#[test]
fn after_a_restart_a_kill_has_its_time_anew() {
    let mut run = running();
    run.apply(kill(None), at(1)).unwrap();
    let mut run = Run::new(run.head().clone(), run.machines().clone());
    run.apply(Input::Recovered, at(100)).unwrap();
    run.apply(hello("a", v2(1), STARTED), at(101)).unwrap();
    run.apply(Input::Tick, at(102)).unwrap();
    assert!(!unconfirmed(&run));
    run.apply(Input::Tick, at(130)).unwrap();
    assert!(unconfirmed(&run));
}

#[test]
fn a_kill_that_has_come_about_is_confirmed() {
    let mut run = running();
    run.apply(kill(None), T0).unwrap();
    run.apply(exited("a", 0), at(2)).unwrap();
    run.apply(Input::Tick, at(31)).unwrap();
    assert!(!unconfirmed(&run));
}
