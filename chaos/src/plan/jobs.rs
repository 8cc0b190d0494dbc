//! The jobs of a chaos run.

use crate::content::Dice;

/// How the command of a job ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// With a code that follows from the run and the machine, mostly 0.
    Any,
    /// With this code.
    Exit(u8),
    /// With a code that is not 0 so many times, and then with 0.
    After(u8),
    /// By this signal, which it sends itself.
    Signal(i32),
}

/// What the command of a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Bytes that it writes; one that writes for ever: at most so many at a time.
    pub bytes: u64,
    /// Milliseconds that this takes; 0: it writes for ever.
    pub millis: u64,
    /// How it ends.
    pub ends: Ends,
    /// Whether it ignores SIGTERM.
    pub ignores_term: bool,
    /// Whether it starts a process that writes to standard error beside it.
    pub forks: bool,
}

/// A job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobPlan {
    /// Its name, without what makes it this run's own.
    pub name: String,
    /// Its schedule; `None`: it is started by hand.
    pub schedule: Option<String>,
    /// `skip`, `queue`, `allow` or `replace`.
    pub overlap: &'static str,
    /// `skip`, `once` or `all`.
    pub missed: &'static str,
    /// Seconds that it may take; 0: as long as it likes.
    pub timeout: u64,
    /// How often a machine is tried again.
    pub retries: u32,
    /// How many of [`MACHINES`](super::MACHINES) it is for, the first ones.
    pub machines: usize,
    /// What its command does.
    pub shape: Shape,
}

/// The jobs, of which some things are rolled.
pub(super) fn jobs(dice: &mut Dice) -> Vec<JobPlan> {
    let plain = Shape {
        bytes: 0,
        millis: 0,
        ends: Ends::Any,
        ignores_term: false,
        forks: false,
    };
    let job = |name, schedule: Option<u64>, overlap, missed, timeout, machines, shape| JobPlan {
        name: str::to_owned(name),
        schedule: schedule.map(|every| format!("*/{every} * * * * *")),
        overlap,
        missed,
        timeout,
        retries: 0,
        machines,
        shape,
    };
    let retried = |retries, job: JobPlan| JobPlan { retries, ..job };
    let mut writes = |most, millis, ends| Shape {
        bytes: dice.between(1, most),
        millis: dice.between(millis / 3, millis),
        ends,
        ..plain
    };
    let forking = Shape {
        forks: true,
        ..writes(60_000, 2500, Ends::Any)
    };
    let stubborn = Shape {
        ignores_term: true,
        ..writes(8_000, 9_000, Ends::Any)
    };
    let replaced = Shape {
        ignores_term: false,
        ..plain
    };
    let flaky = Shape {
        bytes: 30_000,
        millis: 700,
        ends: Ends::After(1),
        ..plain
    };
    let hopeless = Shape {
        ends: Ends::Exit(5),
        ..flaky
    };
    vec![
        job(
            "quick",
            Some(1),
            "skip",
            "skip",
            0,
            1,
            writes(3_000, 250, Ends::Any),
        ),
        job(
            "steady",
            Some(4),
            "allow",
            "skip",
            0,
            2,
            writes(400_000, 5_000, Ends::Any),
        ),
        job(
            "heavy",
            Some(15),
            "skip",
            "once",
            0,
            1,
            writes(8_000_000, 4_000, Ends::Exit(0)),
        ),
        job(
            "queued",
            Some(5),
            "queue",
            "skip",
            0,
            1,
            writes(20_000, 7_000, Ends::Any),
        ),
        job(
            "skipped",
            Some(2),
            "skip",
            "skip",
            0,
            1,
            writes(20_000, 3_500, Ends::Any),
        ),
        job("replaced", Some(6), "replace", "skip", 0, 2, replaced),
        retried(1, job("late", Some(10), "skip", "skip", 2, 1, stubborn)),
        job("forking", Some(5), "skip", "skip", 0, 2, forking),
        job(
            "made-up",
            Some(3),
            "skip",
            "all",
            0,
            1,
            writes(2_000, 400, Ends::Any),
        ),
        retried(
            1,
            job(
                "signalled",
                Some(7),
                "skip",
                "skip",
                0,
                1,
                writes(2_000, 900, Ends::Signal(9)),
            ),
        ),
        job("by-hand", None, "allow", "skip", 0, 2, plain),
        job(
            "stubborn",
            None,
            "allow",
            "skip",
            0,
            1,
            Shape {
                ignores_term: true,
                ..plain
            },
        ),
        // Nothing of these is rolled: what the seeds that found bugs do to the server stays as it is.
        retried(2, job("flaky", Some(6), "skip", "skip", 0, 2, flaky)),
        retried(1, job("hopeless", Some(9), "queue", "skip", 0, 1, hopeless)),
    ]
}
