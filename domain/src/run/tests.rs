mod ends;
mod late;
mod retries;
mod returned;
mod rolling;

use super::samples::{
    STARTED, T0, at, exited, hello, kill, launched, machine, names, resolved, resolving, running,
    started, state, v2,
};
use super::{Effect, Input, LogEvent, Refused, Resolution, Run};
use saltpeter_protocol::machine::v2::{LeaveReason, Progress};
use saltpeter_protocol::{MachineOutcome, MachineState, RunOutcome, RunState};
use std::time::Duration;

fn outcome(run: &Run) -> RunOutcome {
    run.state().outcome().expect("not over").clone()
}

fn machine_outcome(run: &Run, name: &str) -> MachineOutcome {
    state(run, name).outcome().expect("not over").clone()
}

fn welcome(start: bool, kill: bool) -> Effect {
    Effect::Welcome {
        machine: machine("a"),
        start,
        kill,
    }
}

fn leave(reason: LeaveReason) -> Vec<Effect> {
    vec![Effect::Leave {
        machine: machine("a"),
        reason,
    }]
}

#[test]
fn a_run_that_goes_well() {
    let mut run = resolved(&["a"], 0);
    assert_eq!(*state(&run, "a"), MachineState::Starting { since: T0 });
    let step = run.apply(hello("a", v2(1), Progress::New), at(1)).unwrap();
    assert_eq!(step.effects, [welcome(true, false)]);
    run.apply(started("a"), at(2)).unwrap();
    assert_eq!(*state(&run, "a"), MachineState::Running { since: at(2) });
    assert_eq!(run.machines()["a"].pid, Some(7));
    let step = run.apply(exited("a", 0), at(3)).unwrap();
    assert!(step.effects.contains(&Effect::SendDone(machine("a"))));
    assert!(
        step.effects
            .contains(&Effect::Finished(RunOutcome::Succeeded))
    );
    assert_eq!(outcome(&run), RunOutcome::Succeeded);
    assert_eq!(run.counts().succeeded, 1);
    assert_eq!(run.next_deadline(), None);
}

#[test]
fn a_batch_moves_on_as_its_machines_end() {
    let mut run = resolving(2);
    let resolution = Resolution {
        machines: names(&["a", "b", "c", "d"]),
        ..Resolution::default()
    };
    let step = run.apply(Input::Resolved(resolution), T0).unwrap();
    assert_eq!(launched(&step), ["a", "b"]);
    run.apply(hello("b", v2(2), Progress::New), T0).unwrap();
    run.apply(started("b"), T0).unwrap();
    let step = run.apply(exited("b", 3), T0).unwrap();
    assert_eq!(launched(&step), ["c"]);
    assert_eq!(run.counts().waiting, 1);
    let failed = Input::LaunchFailed {
        machine: machine("a"),
        message: "no route".to_owned(),
    };
    let step = run.apply(failed, T0).unwrap();
    assert_eq!(launched(&step), ["d"]);
    assert_eq!(machine_outcome(&run, "a").exit_code(), Some(254));
}

#[test]
fn silent_machines_and_those_under_maintenance_end_at_once() {
    let mut run = resolving(0);
    let resolution = Resolution {
        machines: names(&["a"]),
        silent: names(&["s"]),
        maintenance: names(&["m"]),
        ..Resolution::default()
    };
    let step = run.apply(Input::Resolved(resolution), T0).unwrap();
    assert_eq!(machine_outcome(&run, "s").exit_code(), Some(255));
    assert_eq!(machine_outcome(&run, "m"), MachineOutcome::Maintenance);
    let maintenance_logged = step.effects.iter().any(
        |effect| matches!(effect, Effect::Log(entry) if matches!(entry.event, LogEvent::Maintenance { .. })),
    );
    assert!(maintenance_logged);
    assert_eq!(*run.state(), RunState::Running);
}

#[test]
fn without_machines_a_run_says_why() {
    let mut run = resolving(0);
    run.apply(Input::Resolved(Resolution::default()), T0)
        .unwrap();
    assert_eq!(outcome(&run), RunOutcome::NoTargets);

    let mut run = resolving(0);
    let resolution = Resolution {
        maintenance: names(&["a", "b"]),
        ..Resolution::default()
    };
    run.apply(Input::Resolved(resolution), T0).unwrap();
    assert_eq!(outcome(&run), RunOutcome::Maintenance);

    let mut run = resolving(0);
    let message = "no such nodegroup".to_owned();
    run.apply(
        Input::ResolveFailed {
            message: message.clone(),
        },
        T0,
    )
    .unwrap();
    assert_eq!(outcome(&run), RunOutcome::ResolveFailed { message });
}

#[test]
fn a_wrapper_has_thirty_seconds_to_connect() {
    let mut run = resolved(&["a"], 0);
    assert_eq!(run.next_deadline(), Some(at(30)));
    run.apply(Input::Tick, at(29)).unwrap();
    assert!(!run.state().is_ended());
    run.apply(Input::Tick, at(30)).unwrap();
    assert_eq!(machine_outcome(&run, "a").exit_code(), Some(254));
    assert_eq!(outcome(&run), RunOutcome::Failed);
    // One that comes after that starts nothing.
    let step = run.apply(hello("a", v2(1), Progress::New), at(31)).unwrap();
    assert_eq!(step.effects, leave(LeaveReason::AlreadyEnded));
    assert!(run.state().is_ended());
}

#[test]
fn silence_becomes_lost_contact_and_then_lost() {
    let mut run = running();
    run.apply(
        Input::Heard {
            machine: machine("a"),
        },
        at(5),
    )
    .unwrap();
    assert_eq!(run.next_deadline(), Some(at(20)));
    run.apply(Input::Tick, at(20)).unwrap();
    assert_eq!(
        *state(&run, "a"),
        MachineState::LostContact {
            since: T0,
            last_heard: at(5)
        }
    );
    assert_eq!(run.next_deadline(), Some(at(620)));
    run.apply(Input::Tick, at(620)).unwrap();
    assert_eq!(machine_outcome(&run, "a"), MachineOutcome::Lost);
    assert_eq!(outcome(&run), RunOutcome::Lost);
}

#[test]
fn a_sign_of_life_ends_the_loss_of_contact() {
    let mut run = running();
    run.apply(Input::Tick, at(15)).unwrap();
    assert_eq!(run.counts().lost_contact, 1);
    let step = run
        .apply(
            Input::Heard {
                machine: machine("a"),
            },
            at(100),
        )
        .unwrap();
    assert_eq!(*state(&run, "a"), MachineState::Running { since: T0 });
    assert!(!step.changed.is_empty());
    let step = run
        .apply(
            Input::Heard {
                machine: machine("a"),
            },
            at(101),
        )
        .unwrap();
    assert!(step.changed.is_empty(), "a heartbeat is not persisted");
}

#[test]
fn a_lost_wrapper_that_returns_reports_the_real_outcome() {
    let mut run = running();
    run.apply(Input::Tick, at(15)).unwrap();
    run.apply(Input::Tick, at(615)).unwrap();
    assert_eq!(outcome(&run), RunOutcome::Lost);
    let step = run.apply(hello("a", v2(9), STARTED), at(700)).unwrap();
    assert_eq!(step.effects, leave(LeaveReason::NotTheOne));
    let step = run.apply(hello("a", v2(1), STARTED), at(700)).unwrap();
    assert!(step.effects.contains(&welcome(false, false)));
    assert_eq!(*run.state(), RunState::Running);
    assert_eq!(*state(&run, "a"), MachineState::Running { since: T0 });
    run.apply(exited("a", 3), at(701)).unwrap();
    assert_eq!(
        machine_outcome(&run, "a"),
        MachineOutcome::Failed { code: 3 }
    );
    assert_eq!(outcome(&run), RunOutcome::Failed);
}

#[test]
fn a_lost_wrapper_may_also_return_on_the_connection_it_has() {
    let heard = || Input::Heard {
        machine: machine("a"),
    };
    let mut run = running();
    run.apply(Input::Tick, at(15)).unwrap();
    run.apply(Input::Tick, at(615)).unwrap();
    let step = run.apply(heard(), at(700)).unwrap();
    assert!(
        matches!(step.effects[..], [Effect::Log(_)]),
        "it must not be told that it may leave"
    );
    assert!(step.changed.run);
    assert_eq!(*run.state(), RunState::Running);
    assert_eq!(run.next_deadline(), Some(at(715)));

    // The same for a start that took too long.
    let mut run = resolved(&["a"], 0);
    run.apply(hello("a", v2(1), Progress::New), T0).unwrap();
    run.apply(Input::Tick, at(30)).unwrap();
    assert_eq!(machine_outcome(&run, "a").exit_code(), Some(254));
    assert_eq!(run.apply(heard(), at(31)).unwrap().effects, []);
    assert!(run.state().is_ended());
    run.apply(started("a"), at(32)).unwrap();
    assert_eq!(*state(&run, "a"), MachineState::Running { since: at(32) });
    run.apply(exited("a", 0), at(33)).unwrap();
    assert_eq!(outcome(&run), RunOutcome::Succeeded);
}

#[test]
fn a_second_wrapper_is_told_to_leave() {
    let mut run = running();
    let step = run.apply(hello("a", v2(2), Progress::New), at(1)).unwrap();
    assert_eq!(step.effects, leave(LeaveReason::NotTheOne));
    let step = run.apply(hello("a", v2(1), STARTED), at(2)).unwrap();
    assert_eq!(step.effects, [welcome(false, false)], "the first goes on");
}

#[test]
fn a_wrapper_whose_turn_has_not_come_is_told_to_leave() {
    let mut run = resolved(&["A", "a"], 1);
    let step = run.apply(hello("a", v2(1), Progress::New), T0).unwrap();
    assert_eq!(step.effects, leave(LeaveReason::NotTheOne));
    assert_eq!(
        run.apply(started("a"), T0),
        Err(Refused::NoSpeaker {
            machine: machine("a"),
            state: "waiting"
        })
    );
}

#[test]
fn the_start_message_may_get_lost() {
    let mut run = resolved(&["a"], 0);
    run.apply(hello("a", v2(1), Progress::New), T0).unwrap();
    let step = run.apply(hello("a", v2(1), Progress::New), at(1)).unwrap();
    assert_eq!(step.effects, [welcome(true, false)], "welcome got lost");
    run.apply(hello("a", v2(1), STARTED), at(2)).unwrap();
    assert_eq!(*state(&run, "a"), MachineState::Running { since: at(2) });
    assert_eq!(run.machines()["a"].pid, Some(7));
}

#[test]
fn when_the_clock_is_set_nobody_is_given_up_too_early_or_waited_for_too_long() {
    for set in [at(10_000), T0 - Duration::from_secs(10_000)] {
        let window = |run: &Run| run.next_deadline().map(|at| at.since(set).as_secs());
        let mut run = running();
        run.apply(Input::ClockSet, set).unwrap();
        assert_eq!(window(&run), Some(15));
        run.apply(Input::Tick, set).unwrap();
        assert_eq!(*state(&run, "a"), MachineState::Running { since: T0 });

        let mut run = resolved(&["a"], 0);
        let step = run.apply(Input::ClockSet, set).unwrap();
        assert_eq!(step.effects, [], "its launch is still under way");
        assert_eq!(window(&run), Some(30));

        let mut run = running();
        run.apply(kill(None), T0).unwrap();
        run.apply(Input::ClockSet, set).unwrap();
        let heard = Input::Heard {
            machine: machine("a"),
        };
        let step = run.apply(heard, set).unwrap();
        assert_eq!(
            step.effects,
            [Effect::SendKill(machine("a"))],
            "it is told again"
        );
    }
}

#[test]
fn a_lost_machine_that_reports_its_end_first_gives_the_run_another_outcome() {
    let mut run = running();
    run.apply(Input::Tick, at(15)).unwrap();
    run.apply(Input::Tick, at(615)).unwrap();
    assert_eq!(outcome(&run), RunOutcome::Lost);
    let step = run.apply(exited("a", 0), at(616)).unwrap();
    assert_eq!(machine_outcome(&run, "a"), MachineOutcome::Succeeded);
    assert_eq!(outcome(&run), RunOutcome::Succeeded);
    assert!(step.changed.run);
}

#[test]
fn after_a_restart_the_clocks_begin_anew() {
    let later = at(10_000);
    let window = |run: &Run| run.next_deadline().map(|at| at.since(later).as_secs());

    let mut run = resolved(&["a"], 0);
    let step = run.apply(Input::Recovered, later).unwrap();
    assert_eq!(launched(&step), ["a"]);
    assert_eq!(window(&run), Some(30));

    run.apply(hello("a", v2(1), Progress::New), later).unwrap();
    let step = run.apply(Input::Recovered, later).unwrap();
    assert_eq!(step.effects, [], "somebody is there");

    let mut run = running();
    run.apply(Input::Recovered, later).unwrap();
    assert_eq!(window(&run), Some(15));
    run.apply(Input::Tick, later).unwrap();
    assert_eq!(*state(&run, "a"), MachineState::Running { since: T0 });

    let mut run = running();
    run.apply(Input::Tick, at(15)).unwrap();
    run.apply(Input::Recovered, later).unwrap();
    assert_eq!(window(&run), Some(615));

    let mut run = resolving(0);
    let step = run.apply(Input::Recovered, later).unwrap();
    assert_eq!(step.effects, [Effect::Resolve]);
}

#[test]
fn a_run_on_many_machines_stays_cheap() {
    let names: Vec<String> = (0..2000).map(|n| format!("m{n:04}")).collect();
    let refs: Vec<&str> = names.iter().map(String::as_str).collect();
    let begun = std::time::Instant::now();
    let mut run = resolved(&refs, 0);
    for (n, name) in refs.iter().enumerate() {
        run.apply(hello(name, v2(n as u64), Progress::New), at(1))
            .unwrap();
        run.apply(started(name), at(1)).unwrap();
        run.apply(
            Input::Heard {
                machine: machine(name),
            },
            at(2),
        )
        .unwrap();
    }
    for name in &refs {
        run.apply(exited(name, 0), at(3)).unwrap();
    }
    assert_eq!(outcome(&run), RunOutcome::Succeeded);
    assert_eq!(run.counts().succeeded, 2000);
    // Generous, for slow machines and builds without optimisation: a quadratic step would take far longer.
    assert!(begun.elapsed().as_secs() < 3, "{:?}", begun.elapsed());
}
