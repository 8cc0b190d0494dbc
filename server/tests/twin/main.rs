//! The twin of the chaos test: the real planner, runs, scheduler, conversations and wrapper cores in one thread, on a
//! simulated network, store, executor and commands, in virtual time. Everything follows from a seed, so what fails once
//! fails again.
//!
//! `cargo xtask twin --seed N` prints what happens in one.

mod check;
mod dice;
mod disk;
mod drive;
mod executor;
mod life;
mod machines;
mod net;
mod output;
mod process;
mod world;
mod wrapper;

use drive::{Outcome, simulate};
use std::time::Instant;
use world::Mutation;

/// Seeds of each of the tests below, which run side by side.
const SHARE: u64 = 250;

fn report(outcome: &Outcome) -> String {
    format!(
        "seed {}: {}\nSee it with `cargo xtask twin --seed {}`.",
        outcome.seed,
        outcome.violations.join("\n  "),
        outcome.seed
    )
}

/// Nothing is lost, doubled or stuck in the `part`-th share of the seeds.
fn share(part: u64) {
    let begun = Instant::now();
    let (mut wrappers, mut lives) = (0, 0);
    let mut failed = Vec::new();
    for seed in part * SHARE..(part + 1) * SHARE {
        let outcome = simulate(seed, None, false);
        wrappers += outcome.wrappers;
        lives += outcome.lives;
        if !outcome.violations.is_empty() {
            failed.push(report(&outcome));
        }
    }
    println!(
        "{SHARE} seeds in {:.1} s: {wrappers} wrappers, {lives} lives of the server",
        begun.elapsed().as_secs_f64()
    );
    assert!(
        failed.is_empty(),
        "{} of {SHARE} seeds failed:\n{}",
        failed.len(),
        failed.join("\n")
    );
}

macro_rules! shares {
    ($($name:ident = $part:expr,)*) => {
        $(#[test]
        fn $name() {
            share($part);
        })*
    };
}

shares! {
    seeds_0_to_249 = 0,
    seeds_250_to_499 = 1,
    seeds_500_to_749 = 2,
    seeds_750_to_999 = 3,
    seeds_1000_to_1249 = 4,
    seeds_1250_to_1499 = 5,
    seeds_1500_to_1749 = 6,
    seeds_1750_to_1999 = 7,
}

/// The seed of the environment, for people.
#[test]
#[ignore = "shows what happens in one seed; run by cargo xtask twin"]
fn one() {
    let seed = std::env::var("TWIN_SEED").ok().and_then(|seed| seed.parse().ok());
    let outcome = simulate(seed.unwrap_or(0), None, true);
    for line in &outcome.trace {
        println!("{line}");
    }
    assert!(outcome.violations.is_empty(), "{}", report(&outcome));
}

/// The kill of a machine, taken in together with the resolution that begins on it.
#[test]
fn a_machine_that_is_killed_as_it_is_resolved_is_not_launched() {
    let outcome = simulate(1064, None, false);
    assert!(outcome.violations.is_empty(), "{}", report(&outcome));
}

#[test]
fn the_same_seed_is_the_same_story() {
    for seed in [1, 17, 230, 999] {
        let first = simulate(seed, None, true);
        let second = simulate(seed, None, true);
        if first.hash != second.hash {
            let differs = first.trace.iter().zip(&second.trace).position(|(a, b)| a != b);
            let at = differs.unwrap_or(0);
            panic!(
                "seed {seed} differs at line {at}:\n{:?}\n{:?}",
                first.trace.get(at),
                second.trace.get(at)
            );
        }
    }
}

/// Within how many seeds a broken variant is noticed.
fn noticed(mutation: Mutation) {
    const WITHIN: u64 = 300;
    let caught = (0..WITHIN)
        .map(|seed| simulate(seed, Some(mutation), false))
        .find(|outcome| !outcome.violations.is_empty());
    let Some(outcome) = caught else {
        panic!("{mutation:?} is not noticed within {WITHIN} seeds");
    };
    println!(
        "{mutation:?} is noticed by seed {}: {}",
        outcome.seed, outcome.violations[0]
    );
}

macro_rules! mutations {
    ($($name:ident = $mutation:ident,)*) => {
        $(#[test]
        fn $name() {
            noticed(Mutation::$mutation);
        })*
    };
}

mutations! {
    notices_acks_before_the_commit = AckBeforeCommit,
    notices_acts_before_the_write = ActBeforeWrite,
    notices_forgotten_kills = ForgetKill,
    notices_forgotten_speakers = ForgetSpeaker,
    notices_doubled_instants = NoDedupe,
    notices_output_sent_from_the_beginning = ResumeAtZero,
    notices_dropped_output = DropUnacked,
    notices_kills_that_do_not_land = DeafToKill,
    notices_output_taken_twice = TakeTwice,
}
