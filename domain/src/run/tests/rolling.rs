//! Runs that stop because too many machines have failed.

use super::{machine_outcome, outcome};
use crate::failures::FailureLimit;
use crate::job::RunSpec;
use crate::retry::{Backoff, Retry};
use crate::run::samples::{
    STARTED, T0, at, exited, hello, kill, launched, logged, machine, resolved_with, resolving,
    run_through, state, v2,
};
use crate::run::{Effect, Input, LogEvent, Resolution, Run};
use saltpeter_protocol::api::StopView;
use saltpeter_protocol::{MachineOutcome, MachineState, RunOutcome, RunState};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

fn rolling(limit: &str, batch: u32) -> impl FnOnce(&mut RunSpec) {
    let limit = limit.parse::<FailureLimit>().unwrap();
    move |spec| {
        spec.max_failures = Some(limit);
        spec.batch_size = NonZeroU32::new(batch);
    }
}

#[test]
fn a_rolling_run_stops_and_what_runs_finishes() {
    let mut run = resolved_with(&["a", "b", "c", "d", "e"], rolling("2", 2));
    let step = run_through(&mut run, "a", 1, 1, at(1));
    assert_eq!(launched(&step), ["c"]);
    let step = run_through(&mut run, "b", 1, 1, at(2));
    assert_eq!(launched(&step), [""; 0]);
    let stopped = LogEvent::RunStopped {
        run: run.id().clone(),
        failures: 2,
        not_attempted: 2,
    };
    assert!(logged(&step).contains(&&stopped));
    for name in ["d", "e"] {
        assert_eq!(machine_outcome(&run, name), MachineOutcome::NotAttempted);
    }
    assert_eq!(*run.state(), RunState::Running, "c goes on");
    run_through(&mut run, "c", 1, 0, at(3));
    assert_eq!(outcome(&run), RunOutcome::Failed);
    let stop = StopView {
        failures: 2,
        at: at(2),
    };
    assert_eq!(run.summary().stopped, Some(stop));
}

#[test]
fn a_run_that_stopped_has_failed_whatever_came_back() {
    let mut run = resolved_with(&["a", "b"], rolling("1", 1));
    run.apply(hello("a", v2(1), STARTED), T0).unwrap();
    run.apply(Input::Tick, at(15)).unwrap();
    run.apply(Input::Tick, at(615)).unwrap();
    assert_eq!(machine_outcome(&run, "b"), MachineOutcome::NotAttempted);
    assert_eq!(outcome(&run), RunOutcome::Failed);
    run.apply(hello("a", v2(1), STARTED), at(700)).unwrap();
    run.apply(exited("a", 0), at(700)).unwrap();
    assert_eq!(machine_outcome(&run, "a"), MachineOutcome::Succeeded);
    assert_eq!(outcome(&run), RunOutcome::Failed, "b was not attempted");
}

#[test]
fn machines_that_cannot_be_reached_count_and_those_under_maintenance_do_not() {
    let mut head = resolving(0).head().clone();
    let mut spec = (*head.spec).clone();
    rolling("50 %", 1)(&mut spec);
    head.spec = Arc::new(spec);
    let resolve = |silent: &[&str]| {
        let mut run = Run::new(head.clone(), std::collections::BTreeMap::new());
        let names = crate::run::samples::names;
        let resolution = Resolution {
            machines: names(&["a", "b"]),
            silent: names(silent),
            maintenance: names(&["m", "n", "o"]),
            ..Resolution::default()
        };
        let step = run.apply(Input::Resolved(resolution), T0).unwrap();
        (launched(&step).len(), run)
    };
    let (begun, run) = resolve(&["s"]);
    assert_eq!((begun, run.head().stopped), (1, None), "a third");
    let (begun, run) = resolve(&["s", "t"]);
    assert_eq!(begun, 0, "a half");
    assert_eq!(run.head().stopped.map(|stop| stop.failures), Some(2));
    assert_eq!(outcome(&run), RunOutcome::Failed);
}

#[test]
fn what_a_person_kills_is_no_failure() {
    let mut run = resolved_with(&["a", "b"], rolling("1", 1));
    let step = run.apply(kill(Some("a")), T0).unwrap();
    assert_eq!(machine_outcome(&run, "a"), MachineOutcome::Killed);
    assert_eq!(launched(&step), ["b"]);
}

#[test]
fn a_limit_that_keeps_nothing_from_beginning_stops_nothing() {
    let mut run = resolved_with(&["a", "b"], rolling("1", 0));
    run_through(&mut run, "a", 1, 1, T0);
    run_through(&mut run, "b", 1, 0, T0);
    assert_eq!(outcome(&run), RunOutcome::Failed);
    assert_eq!(run.head().stopped, None);
}

#[test]
fn a_machine_counts_after_its_last_attempt_and_a_stop_ends_the_others_retries() {
    let mut run = resolved_with(&["a", "b", "c"], |spec| {
        rolling("1", 2)(spec);
        spec.retry = Some(Retry {
            more: NonZeroU32::MIN,
            delay: Duration::from_secs(5),
            backoff: Backoff::Fixed,
        });
    });
    run_through(&mut run, "a", 1, 1, T0);
    assert_eq!(run.head().stopped, None, "it has another attempt");
    run.apply(Input::Tick, at(5)).unwrap();
    run_through(&mut run, "b", 1, 2, at(6));
    assert_eq!(
        *state(&run, "b"),
        MachineState::Retrying { at: at(11) },
        "nothing has failed for good yet"
    );
    let step = run_through(&mut run, "a", 2, 1, at(7));
    assert!(run.head().stopped.is_some());
    assert_eq!(
        *state(&run, "b"),
        MachineState::Ended {
            since: Some(at(6)),
            at: at(6),
            outcome: MachineOutcome::Failed { code: 2 }
        }
    );
    assert!(run.machines()["b"].earlier.is_empty());
    let given_up = LogEvent::RetriesGivenUp {
        run: run.id().clone(),
        machine: machine("b"),
        outcome: MachineOutcome::Failed { code: 2 },
    };
    assert!(logged(&step).contains(&&given_up));
    assert_eq!(machine_outcome(&run, "c"), MachineOutcome::NotAttempted);
    assert!(step.effects.contains(&Effect::Finished(RunOutcome::Failed)));
    // The wrapper that reported it is known as the one that did.
    let step = run.apply(hello("b", v2(1), STARTED), at(8)).unwrap();
    assert_eq!(
        step.effects,
        [Effect::Leave {
            machine: machine("b"),
            reason: saltpeter_protocol::machine::v2::LeaveReason::AlreadyEnded
        }]
    );
}

#[test]
fn a_stop_survives_a_restart() {
    let mut run = resolved_with(&["a", "b", "c"], rolling("1", 2));
    run_through(&mut run, "a", 1, 1, T0);
    let mut run = Run::new(run.head().clone(), run.machines().clone());
    let step = run.apply(Input::Recovered, at(1)).unwrap();
    assert_eq!(launched(&step), ["b"], "its wrapper had not come yet");
    assert_eq!(machine_outcome(&run, "c"), MachineOutcome::NotAttempted);
    run_through(&mut run, "b", 1, 0, at(2));
    assert_eq!(outcome(&run), RunOutcome::Failed);
}
