//! What has to be so when everything is over.

use crate::drive::instants;
use crate::machines::{Wrapper, outcome_of};
use crate::world::World;
use saltpeter_domain::JobSet;
use saltpeter_domain::run::{Run, Speaker};
use saltpeter_protocol::machine::v2::FromWrapper;
use saltpeter_protocol::{
    Attempt, JobName, LaunchErrorKind, MachineId, MachineOutcome, UnixMillis,
};
use std::collections::BTreeMap;

/// Whether every run has ended and every wrapper has left.
pub(crate) fn all_over(world: &World) -> bool {
    let ended = world.disk().runs.iter().all(|run| run.state().is_ended());
    let machines = world.machines();
    let left = |one: &Wrapper| one.left.is_some() || one.killed;
    ended && machines.wrappers.values().all(left)
}

/// All checks of the end. Up to `planned_until`, by the server's clock, every instant has its row.
pub(crate) fn end(world: &World, set: &JobSet, planned_until: UnixMillis) {
    let disk = world.disk();
    for run in &disk.runs {
        if !run.state().is_ended() {
            world.violation(format_args!("{} is stuck: {:?}", run.id(), run.state()));
        }
    }
    let machines = world.machines();
    for (id, one) in &machines.wrappers {
        if one.left.is_none() && !one.killed {
            world.violation(format_args!("a wrapper of {} {} is stuck", one.run, one.machine));
        }
        if one.started && speaks_for(disk.run(&one.run), &one.machine, *id).is_none() {
            world.violation(format_args!(
                "a command of {} {} ran, and its wrapper is not the machine's",
                one.run, one.machine
            ));
        }
    }
    for run in &disk.runs {
        for (id, machine) in run.machines() {
            let past = machine.earlier.iter().enumerate().map(|(at, past)| {
                let speaker = past.speaker;
                (Attempt::after(at), speaker, past.outcome.clone())
            });
            let last = machine.state.outcome().map(|outcome| {
                let speaker = machine.bound.map(|bound| bound.speaker);
                (machine.attempt(), speaker, outcome.clone())
            });
            for (attempt, speaker, outcome) in past.chain(last) {
                let wrapper = match speaker {
                    Some(Speaker::V2(number)) => machines.wrappers.get(&number.0),
                    _ => None,
                };
                let key = (run.id().clone(), id.clone(), attempt);
                let kept = disk.output.get(&key).map_or(&[][..], Vec::as_slice);
                let what = format!("{} {id} {attempt:?}", run.id());
                check_machine(world, &what, &outcome, wrapper, kept);
            }
        }
    }
    for job in set.jobs.keys() {
        check_instants(world, set, job, &disk.runs, disk.first.get(job), planned_until);
    }
}

/// The attempt that a wrapper speaks for.
fn speaks_for(run: Option<&Run>, machine: &MachineId, id: u64) -> Option<Attempt> {
    let machine = run?.machines().get(machine)?;
    let is_it = |speaker: Speaker| matches!(speaker, Speaker::V2(number) if number.0 == id);
    let mut past = machine.earlier.iter();
    if let Some(at) = past.position(|past| past.speaker.is_some_and(is_it)) {
        return Some(Attempt::after(at));
    }
    let bound = machine.bound?;
    is_it(bound.speaker).then(|| machine.attempt())
}

/// The outcome is what the wrapper saw, and the output what its command wrote.
fn check_machine(
    world: &World,
    what: &str,
    outcome: &MachineOutcome,
    wrapper: Option<&Wrapper>,
    kept: &[u8],
) {
    let by_command = matches!(
        outcome,
        MachineOutcome::Succeeded | MachineOutcome::Failed { .. } | MachineOutcome::TimedOut
    );
    let Some(wrapper) = wrapper else {
        if by_command || *outcome == MachineOutcome::Lost {
            world.violation(format_args!("{what}: {outcome:?} without a wrapper"));
        }
        return;
    };
    if !wrapper.read.starts_with(kept) {
        world.violation(format_args!("{what}: {} bytes are not what was written", kept.len()));
    }
    let as_reported = match &wrapper.report {
        Some(FromWrapper::CannotStart { .. }) => matches!(
            outcome,
            MachineOutcome::StartFailed {
                kind_of: LaunchErrorKind::Command,
                ..
            }
        ),
        Some(report) => outcome_of(report).as_ref() == Some(outcome),
        None => false,
    };
    if by_command && !as_reported {
        world.violation(format_args!("{what}: {outcome:?} was never reported"));
    }
    if wrapper.killed || (wrapper.report.is_none() && !wrapper.started) {
        return;
    }
    if !as_reported {
        world.violation(format_args!(
            "{what}: {outcome:?}, and the wrapper reported {:?}",
            wrapper.report
        ));
    }
    if kept.len() != wrapper.read.len() {
        world.violation(format_args!(
            "{what}: {} bytes of output of {}",
            kept.len(),
            wrapper.read.len()
        ));
    }
}

/// Each instant has one row, and every row an instant.
fn check_instants(
    world: &World,
    set: &JobSet,
    job: &JobName,
    runs: &[Run],
    first: Option<&UnixMillis>,
    until: UnixMillis,
) {
    let mut rows: BTreeMap<UnixMillis, usize> = BTreeMap::new();
    for run in runs.iter().filter(|run| run.job() == job) {
        if let Some(instant) = run.head().cause.instant() {
            *rows.entry(instant).or_default() += 1;
        }
    }
    for (instant, count) in &rows {
        if *count > 1 {
            world.violation(format_args!("{job} {instant:?} has {count} rows"));
        }
    }
    let Some(first) = first else { return };
    for instant in instants(set, job, *first, until) {
        if !rows.contains_key(&instant) {
            world.violation(format_args!("{job} {instant:?} has no row"));
        }
    }
}
