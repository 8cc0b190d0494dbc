//! Any inputs in any order, with the server dying in between: one outcome for each machine, no panic.

use super::samples::{at, exited, head, hello, kill, machine, names, started, v1_exit, v2};
use super::{Effect, Input, Late, MachineExit, MachineRun, Resolution, Run, RunHead, Speaker};
use crate::failures::FailureLimit;
use crate::retry::{Backoff, Retry};
use proptest::prelude::*;
use saltpeter_protocol::api::{Counts, KillView};
use saltpeter_protocol::machine::v2::{Exit, Progress};
use saltpeter_protocol::{
    Attempt, LaunchErrorKind, MachineId, MachineOutcome, MachineState, RunOutcome, RunState,
    UnixMillis,
};
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

const NAMES: [&str; 3] = ["a", "b", "c"];

/// An input, or the death of the server.
#[derive(Debug, Clone)]
enum Event {
    Input(Input),
    Restart,
}

fn any_input() -> impl Strategy<Value = Input> {
    let name = || prop::sample::select(vec!["a", "b", "c", "stranger"]);
    let speaker = prop_oneof![
        2 => (0u64..3).prop_map(v2),
        1 => (0usize..3).prop_map(|earlier| Speaker::v1(Attempt::after(earlier))),
    ];
    let progress = prop_oneof![Just(Progress::New), Just(super::samples::STARTED)];
    let text = || Just("why".to_owned());
    prop_oneof![
        1 => Just(Input::Begin),
        2 => (0usize..=3, any::<bool>(), any::<bool>(), any::<bool>(), 0u32..3).prop_map(
            |(n, silent, maintenance, awaited, open)| {
                let (run, rest) = NAMES.split_at(n);
                let given = |given| if given { names(rest) } else { Vec::new() };
                Input::Resolved(Resolution {
                    machines: names(run),
                    silent: given(silent),
                    maintenance: given(maintenance),
                    awaited: given(awaited),
                    open,
                })
            }
        ),
        3 => (prop::collection::vec(name(), 0..3), 0usize..3, 0u32..3).prop_map(|(heard, of, open)| {
            let mut late = Late { open, ..Late::default() };
            [&mut late.up, &mut late.silent, &mut late.maintenance][of].extend(names(&heard));
            Input::Late(late)
        }),
        1 => name().prop_map(|n| Input::LaunchGoesOn { machines: names(&[n]) }),
        1 => text().prop_map(|message| Input::ResolveFailed { message }),
        1 => (name(), text()).prop_map(|(n, message)| Input::LaunchFailed { machine: machine(n), message }),
        6 => (name(), speaker, progress).prop_map(|(n, speaker, progress)| hello(n, speaker, progress)),
        4 => name().prop_map(started),
        4 => name().prop_map(|n| Input::Heard { machine: machine(n) }),
        3 => (name(), -20i32..300).prop_map(|(n, code)| exited(n, code)),
        1 => (name(), -20i32..300).prop_map(|(n, code)| v1_exit(n, code)),
        1 => (name(), prop::sample::select(vec![Exit::Killed, Exit::TimedOut, Exit::Signalled { signal: 9 }]))
            .prop_map(|(n, exit)| Input::Ended { machine: machine(n), exit: MachineExit::V2(exit) }),
        1 => (name(), text()).prop_map(|(n, message)| Input::CannotStart { machine: machine(n), message }),
        1 => (name(), text()).prop_map(|(n, message)| Input::WrapperError { machine: machine(n), message }),
        1 => prop::option::of(name()).prop_map(kill),
        1 => Just(Input::Recovered),
        4 => Just(Input::Tick),
    ]
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        12 => any_input().prop_map(Event::Input),
        1 => Just(Event::Restart),
    ]
}

/// Milliseconds between one event and the next: mostly moments, sometimes long silences.
fn any_pause() -> impl Strategy<Value = u64> {
    prop_oneof![6 => 0u64..3, 2 => 10u64..40, 1 => 600u64..700]
}

/// What the store keeps of a machine.
fn through_the_store(machine: &MachineRun) -> MachineRun {
    let text = |value: serde_json::Value| value.to_string();
    let mut back = MachineRun::new(
        serde_json::from_str(&text(serde_json::to_value(&machine.state).unwrap())).unwrap(),
    );
    back.pid = machine.pid;
    back.bound = serde_json::from_str(&text(serde_json::to_value(machine.bound).unwrap())).unwrap();
    back.kill = serde_json::from_str(&text(serde_json::to_value(&machine.kill).unwrap())).unwrap();
    back.earlier =
        serde_json::from_str(&text(serde_json::to_value(&machine.earlier).unwrap())).unwrap();
    back.replaced =
        serde_json::from_str(&text(serde_json::to_value(&machine.replaced).unwrap())).unwrap();
    back
}

/// A store that only takes what a step says has changed.
struct Rows {
    head: RunHead,
    machines: BTreeMap<MachineId, MachineRun>,
}

impl Rows {
    fn read(&self) -> Run {
        let mut head = self.head.clone();
        head.state = serde_json::from_str(&serde_json::to_string(&head.state).unwrap()).unwrap();
        head.kill =
            serde_json::from_str::<Option<KillView>>(&serde_json::to_string(&head.kill).unwrap())
                .unwrap();
        head.stopped =
            serde_json::from_str(&serde_json::to_string(&head.stopped).unwrap()).unwrap();
        head.spec = std::sync::Arc::new(
            serde_json::from_str(&serde_json::to_string(&*head.spec).unwrap()).unwrap(),
        );
        let machines = self
            .machines
            .iter()
            .map(|(id, machine)| (id.clone(), through_the_store(machine)))
            .collect();
        Run::new(head, machines)
    }
}

fn may_change(outcome: &MachineOutcome) -> bool {
    matches!(
        outcome,
        MachineOutcome::Lost
            | MachineOutcome::StartFailed {
                kind_of: LaunchErrorKind::NoContact,
                ..
            }
    )
}

fn total(counts: Counts) -> u32 {
    counts.waiting
        + counts.starting
        + counts.running
        + counts.lost_contact
        + counts.retrying
        + counts.succeeded
        + counts.failed
        + counts.maintenance
        + counts.not_attempted
}

fn failed(run: &Run) -> u32 {
    let failed = run.machines().values().filter(|machine| {
        machine.state.outcome().is_some_and(|outcome| {
            matches!(outcome.exit_code(), Some(code) if code != 0)
                && *outcome != MachineOutcome::Killed
        })
    });
    failed.count() as u32
}

/// Attempts, and what keeps them from beginning.
fn check_attempts(before: &Run, run: &Run, effects: &[Effect], now: UnixMillis) {
    let more = run.spec().retry.map_or(0, |retry| retry.more.get());
    for (id, machine) in run.machines() {
        assert!(machine.earlier.len() as u32 <= more, "too many attempts");
        if let MachineState::Retrying { .. } = machine.state {
            assert!(run.head().kill.is_none() && machine.kill.is_none());
            assert!(run.head().stopped.is_none(), "it begins nothing more");
        }
        let known = before.machines().get(id).map_or(0, |was| was.earlier.len());
        for past in &machine.earlier[..known.min(machine.earlier.len())] {
            assert!(before.machines()[id].earlier.contains(past), "it is kept");
        }
    }
    let mut begun = false;
    for id in super::samples::launches(effects) {
        match before.machines().get(&id).map(|was| &was.state) {
            Some(MachineState::Retrying { at }) => assert!(*at <= now, "not yet"),
            Some(MachineState::Starting { .. }) => continue,
            _ => begun = true,
        }
        assert!(before.head().stopped.is_none(), "it begins nothing more");
    }
    if let (true, Some(size)) = (begun, run.spec().batch_size) {
        assert!(run.in_work() <= size.get(), "more than the batch");
    }
    let counts = run.counts();
    if let Some(limit) = run.spec().max_failures {
        let reached = limit.is_reached(failed(run), counts.total - counts.maintenance);
        if before.head().stopped.is_none() && run.head().stopped.is_some() {
            assert!(reached, "stopped for nothing");
        }
        if reached && *run.state() == RunState::Running {
            assert_eq!((counts.waiting, counts.retrying), (0, 0), "it goes on");
        }
    } else {
        assert_eq!(run.head().stopped, None);
    }
    if let (Some(_), Some(outcome)) = (run.head().stopped, run.state().outcome()) {
        assert!(matches!(outcome, RunOutcome::Failed | RunOutcome::Killed));
    }
}

fn check(before: &Run, run: &Run, effects: &[Effect]) {
    // An outcome stands, but for guesses made in silence.
    for (id, machine) in before.machines() {
        if let Some(outcome) = machine.state.outcome()
            && !may_change(outcome)
        {
            assert_eq!(machine.state, run.machines()[id].state);
        }
    }
    if before.state().is_ended() && before.state() != run.state() {
        assert!(
            before
                .machines()
                .values()
                .any(|machine| machine.state.outcome().is_some_and(may_change)),
            "only a wrapper that was given up reopens a run"
        );
    }
    // The run is over exactly when all of its machines are.
    let all_ended = run
        .machines()
        .values()
        .all(|machine| machine.state.is_ended());
    match run.state() {
        RunState::Running => assert!(!all_ended || run.awaiting.is_some()),
        RunState::Ended { .. } => assert!(all_ended),
        RunState::Queued | RunState::Resolving => assert!(run.machines().is_empty()),
    }
    // The counts are right, and the batch is never exceeded by a launch.
    let mut anew = Run::new(run.head().clone(), run.machines().clone());
    anew.awaiting = run.awaiting;
    anew.recovered = run.recovered;
    assert_eq!(*run, anew);
    assert_eq!(total(run.counts()), run.counts().total);
    for effect in effects {
        if let Effect::Launch(machines) = effect {
            for id in machines {
                let state = &run.machines()[id].state;
                assert!(matches!(state, MachineState::Starting { .. }), "{state:?}");
                assert!(!run.machines()[id].awaited, "it has not answered");
            }
        }
        if let Effect::Finished(outcome) = effect {
            assert_eq!(run.state().outcome(), Some(outcome));
        }
    }
    // Something that waits for nobody has a deadline.
    let waits = run.in_work() > 0 || run.awaiting.is_some();
    assert_eq!(run.next_deadline().is_some(), waits);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_inputs_ends_in_one_outcome(
        batch in 0u32..3,
        retries in 0u32..3,
        limit in prop_oneof![
            2 => Just(None),
            1 => (1u32..4).prop_map(|n| NonZeroU32::new(n).map(FailureLimit::Machines)),
            1 => (1u8..=100).prop_map(|part| Some(FailureLimit::Percent(part))),
        ],
        queued in any::<bool>(),
        resolved_first in any::<bool>(),
        events in prop::collection::vec((any_event(), any_pause()), 0..60),
    ) {
        let state = if queued { RunState::Queued } else { RunState::Resolving };
        let mut head = head(state, batch);
        let mut spec = (*head.spec).clone();
        spec.max_failures = limit;
        spec.retry = NonZeroU32::new(retries).map(|more| Retry {
            more,
            delay: Duration::from_secs(5),
            backoff: Backoff::Exponential,
        });
        head.spec = Arc::new(spec);
        let mut run = Run::new(head, BTreeMap::new());
        let mut rows = Rows { head: run.head().clone(), machines: BTreeMap::new() };
        let mut events = events;
        if resolved_first {
            let resolution = Resolution { machines: names(&NAMES), ..Resolution::default() };
            events.insert(0, (Event::Input(Input::Resolved(resolution)), 0));
            if queued {
                events.insert(0, (Event::Input(Input::Begin), 0));
            }
        }
        let mut seconds = 0;
        for (event, pause) in events {
            seconds += pause;
            let input = match event {
                Event::Input(input) => input,
                Event::Restart => {
                    run = rows.read();
                    Input::Recovered
                }
            };
            let before = run.clone();
            if let Ok(step) = run.apply(input, at(seconds)) {
                check(&before, &run, &step.effects);
                check_attempts(&before, &run, &step.effects, at(seconds));
                if step.changed.run {
                    rows.head = run.head().clone();
                }
                for id in &step.changed.machines {
                    rows.machines.insert(id.clone(), run.machines()[id].clone());
                }
            } else {
                prop_assert_eq!(before.head(), run.head(), "a refused input changes nothing");
                prop_assert_eq!(before.counts(), run.counts());
            }
            // What was not said to have changed has not.
            let stored = rows.read();
            prop_assert_eq!(stored.state(), run.state());
            prop_assert_eq!(stored.counts(), run.counts());
            prop_assert_eq!(stored.head().stopped, run.head().stopped);
            for (id, machine) in run.machines() {
                prop_assert_eq!(&through_the_store(machine), &stored.machines()[id]);
            }
        }
        // Left alone, it ends by its own deadlines.
        let _ = run.apply(Input::Begin, at(seconds));
        let _ = run.apply(Input::ResolveFailed { message: String::new() }, at(seconds));
        let mut rounds = 0;
        while let Some(deadline) = run.next_deadline() {
            run.apply(Input::Tick, deadline).unwrap();
            rounds += 1;
            prop_assert!(rounds < 100, "a deadline that nothing comes of");
        }
        prop_assert!(run.state().is_ended());
        prop_assert!(run.machines().values().all(|machine| machine.state.is_ended()));
        if let Some(RunOutcome::Succeeded) = run.state().outcome() {
            prop_assert!(run.counts().succeeded > 0 && run.counts().failed == 0);
        }
    }
}
