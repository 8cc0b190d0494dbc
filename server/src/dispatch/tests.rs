mod attempts;
mod bed;
mod direct;

use super::choice::{Choice, Matched};
use crate::executor::Answer;
use saltpeter_domain::Maintenance;
use saltpeter_domain::run::Resolution;
use saltpeter_protocol::{MachineId, UnixMillis};
use std::collections::BTreeSet;
use std::num::NonZeroU32;

fn ids(names: &str) -> Vec<MachineId> {
    names
        .split_whitespace()
        .map(|name| MachineId::new(name).unwrap())
        .collect()
}

fn maintenance(names: &str) -> Maintenance {
    Maintenance {
        machines: ids(names).into_iter().collect(),
        ..Maintenance::default()
    }
}

fn matched(up: &str, silent: &str, awaited: &str) -> Matched {
    let all = [ids(up), ids(silent), ids(awaited)].concat();
    let mut matched = Matched::expecting(all);
    for machine in ids(up) {
        matched.hear(&Answer::Up(machine));
    }
    for machine in ids(silent) {
        matched.hear(&Answer::Silent(machine));
    }
    matched
}

fn choose(up: &str, silent: &str, choice: &Choice) -> Resolution {
    choice.of(&matched(up, silent, ""))
}

#[test]
fn maintenance_and_only_take_machines_out() {
    let only = ids("a b d f").into_iter().collect();
    let choice = Choice {
        only: Some(&only),
        number: None,
        maintenance: &maintenance("b c"),
        now: UnixMillis(0),
    };
    let resolution = choice.of(&matched("a b c", "d e", "f g"));
    assert_eq!(resolution.machines, ids("a"));
    assert_eq!(resolution.maintenance, ids("b"));
    assert_eq!(resolution.silent, ids("d"));
    assert_eq!(resolution.awaited, ids("f"));
    let late = choice.late(ids("b f g").into_iter().map(Answer::Up).collect());
    assert_eq!((late.up, late.maintenance), (ids("f"), ids("b")));
}

#[test]
fn a_subset_is_of_machines_that_can_run_and_every_one_has_its_chance() {
    let choice = Choice {
        only: None,
        number: NonZeroU32::new(2),
        maintenance: &maintenance("x"),
        now: UnixMillis(0),
    };
    let mut seen = BTreeSet::new();
    for _ in 0..200 {
        let resolution = choice.of(&matched("a b c d x", "y", "z"));
        assert_eq!(resolution.machines.len(), 2);
        assert!(resolution.maintenance.is_empty() && resolution.silent.is_empty());
        assert!(resolution.awaited.is_empty() && resolution.open == 0);
        seen.extend(resolution.machines);
    }
    assert_eq!(seen, ids("a b c d").into_iter().collect());
}

#[test]
fn a_subset_that_cannot_be_filled_says_why() {
    let choice = Choice {
        only: None,
        number: NonZeroU32::new(3),
        maintenance: &maintenance("x"),
        now: UnixMillis(0),
    };
    let resolution = choose("a x", "w y z", &choice);
    assert_eq!(resolution.machines, ids("a"));
    assert_eq!(resolution.maintenance, ids("x"));
    assert_eq!(resolution.silent, ids("w y"));
}

#[test]
fn a_subset_that_is_not_full_is_topped_up_by_late_ones() {
    let choice = Choice {
        only: None,
        number: NonZeroU32::new(3),
        maintenance: &Maintenance::default(),
        now: UnixMillis(0),
    };
    let mut matched = matched("a", "s", "b c d");
    let resolution = choice.of(&matched);
    assert_eq!(resolution.machines, ids("a"));
    assert_eq!(resolution.open, 2);
    assert!(resolution.awaited.is_empty() && resolution.silent.is_empty());
    let heard = vec![
        Answer::Up(ids("b")[0].clone()),
        Answer::Silent(ids("c")[0].clone()),
    ];
    for answer in &heard {
        matched.hear(answer);
    }
    let late = choice.late(heard);
    assert_eq!((late.up, late.silent), (ids("b"), vec![]));
    assert_eq!(matched.close(), ids("d"));
    let last = choice.last(&matched);
    assert_eq!((last.silent, last.open), (ids("c d s"), 0));
}

#[test]
fn whoever_answers_twice_counts_once() {
    let mut matched = Matched::expecting(ids("a b"));
    let up = Answer::Up(ids("a")[0].clone());
    assert!(matched.hear(&up));
    assert!(!matched.hear(&up));
    assert!(!matched.hear(&Answer::Silent(ids("a")[0].clone())));
    assert!(!matched.is_complete(), "others may follow");
    matched.close();
    assert!(matched.is_complete());
}
