//! What a chaos run does, and when: it all follows from the seed.

use crate::content::Dice;
use std::fmt;
use std::time::Duration;

/// The machines of a chaos run.
pub const MACHINES: [&str; 4] = ["m1", "m2", "m3", "m4"];

/// In the last part of a run the clock is left alone, so that the scheduler sees every step while jobs still fire. It sleeps
/// for ten seconds at most.
const CLOCK_CALM: Duration = Duration::from_secs(7);

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
    /// How many of [`MACHINES`] it is for, the first ones.
    pub machines: usize,
    /// What its command does.
    pub shape: Shape,
}

/// Something that goes wrong, or that somebody does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// SIGKILL to the server, and a new one after `down`. With `after_tick`, the kill waits for the next whole second and
    /// this long, so that it falls among the starts.
    KillServer {
        /// How long there is no server.
        down: Duration,
        /// Since the second.
        after_tick: Option<Duration>,
    },
    /// SIGTERM to the server, and a new one after `down`.
    StopServer {
        /// How long there is no server.
        down: Duration,
    },
    /// SIGKILL to a wrapper, the `pick`th of those that there are.
    KillWrapper {
        /// Taken by the remainder.
        pick: u64,
    },
    /// Ends every `of`th connection of a wrapper.
    Cut {
        /// 1: all.
        of: u64,
    },
    /// The server's side of every `of`th connection ends, and the wrapper's stays open in silence.
    HalfOpen {
        /// 1: all.
        of: u64,
    },
    /// Nothing passes any more, on connections of before and of now, until `lasts` is over; then all of them end.
    BlackHole {
        /// How long.
        lasts: Duration,
    },
    /// New connections end at once.
    Refuse {
        /// How long.
        lasts: Duration,
    },
    /// Whatever passes is late.
    Delay {
        /// By how much.
        by: Duration,
        /// How long.
        lasts: Duration,
    },
    /// Somebody sets the server's clock.
    StepClock {
        /// Forward by so many milliseconds; back when negative.
        by: i64,
    },
    /// Every commit takes this much longer.
    SlowDisk {
        /// How much.
        by: Duration,
        /// How long.
        lasts: Duration,
    },
    /// Every commit fails as on a full disk.
    FullDisk {
        /// How long.
        lasts: Duration,
    },
    /// Somebody presses Run now, and kills the run `then` later.
    RunAndKill {
        /// How long it runs.
        then: Duration,
        /// Whether the server dies at once after it has taken the kill.
        and_kill_server: bool,
    },
}

impl Fault {
    /// The kind, for counting.
    pub fn kind(self) -> &'static str {
        match self {
            Self::KillServer { .. } => "server killed",
            Self::StopServer { .. } => "server stopped",
            Self::KillWrapper { .. } => "wrapper killed",
            Self::Cut { .. } => "links cut",
            Self::HalfOpen { .. } => "half open",
            Self::BlackHole { .. } => "black hole",
            Self::Refuse { .. } => "refused",
            Self::Delay { .. } => "delayed",
            Self::StepClock { .. } => "clock set",
            Self::SlowDisk { .. } => "disk slow",
            Self::FullDisk { .. } => "disk full",
            Self::RunAndKill { .. } => "killed by hand",
        }
    }
}

/// A fault and its time since the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    /// When.
    pub at: Duration,
    /// What.
    pub fault: Fault,
}

/// A whole chaos run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What everything follows from.
    pub seed: u64,
    /// How long faults come.
    pub length: Duration,
    /// The jobs.
    pub jobs: Vec<JobPlan>,
    /// The faults, in order.
    pub faults: Vec<Planned>,
}

impl Plan {
    /// The plan of `seed` for a run of this length.
    pub fn new(seed: u64, length: Duration) -> Self {
        let mut dice = Dice::new(seed.wrapping_mul(0x2545_f491_4f6c_dd1d).wrapping_add(1));
        let jobs = jobs(&mut dice);
        let mut faults = Vec::new();
        let mut at = Duration::from_millis(dice.between(700, 2500));
        // Clock steps add up, and the whole is bounded: a job's instants of more than a hundred are not listed.
        let mut ahead = 0;
        while at < length {
            let fault = fault(&mut dice, length.saturating_sub(at), &mut ahead);
            faults.push(Planned { at, fault });
            at += Duration::from_millis(dice.between(150, 2300));
        }
        Self {
            seed,
            length,
            jobs,
            faults,
        }
    }
}

fn jobs(dice: &mut Dice) -> Vec<JobPlan> {
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

fn fault(dice: &mut Dice, left: Duration, ahead: &mut i64) -> Fault {
    let millis = |dice: &mut Dice, least, most| Duration::from_millis(dice.between(least, most));
    match dice.between(0, 99) {
        0..=19 => Fault::KillServer {
            down: millis(dice, 0, 2500),
            after_tick: dice.chance(60).then(|| millis(dice, 0, 60)),
        },
        20..=23 => Fault::StopServer {
            down: millis(dice, 0, 1500),
        },
        24..=31 => Fault::KillWrapper { pick: dice.roll() },
        32..=49 => Fault::Cut {
            of: dice.between(1, 3),
        },
        50..=55 => Fault::HalfOpen {
            of: dice.between(1, 3),
        },
        56..=61 => Fault::BlackHole {
            lasts: millis(dice, 200, 4000),
        },
        62..=65 => Fault::Refuse {
            lasts: millis(dice, 200, 2000),
        },
        66..=71 => Fault::Delay {
            by: millis(dice, 5, 400),
            lasts: millis(dice, 500, 3000),
        },
        72..=79 if left > CLOCK_CALM => {
            let by = match dice.between(0, 4) {
                0 => -(dice.between(500, 6_000) as i64),
                1 => dice.between(8_000, 25_000) as i64,
                _ => dice.between(200, 4_000) as i64,
            };
            let by = if *ahead + by > 40_000 { -2_000 } else { by };
            *ahead += by;
            Fault::StepClock { by }
        }
        72..=83 => Fault::SlowDisk {
            by: millis(dice, 20, 800),
            lasts: millis(dice, 500, 3000),
        },
        84..=88 => Fault::FullDisk {
            lasts: millis(dice, 300, 3000),
        },
        _ => Fault::RunAndKill {
            then: millis(dice, 0, 3000),
            and_kill_server: dice.chance(40),
        },
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}, {:?}", self.seed, self.length)?;
        for job in &self.jobs {
            let schedule = job.schedule.as_deref().unwrap_or("by hand");
            writeln!(
                f,
                "  {:<10} {schedule:<16} overlap {:<8} missed {:<5} timeout {} retries {} on {} machines: {:?}",
                job.name,
                job.overlap,
                job.missed,
                job.timeout,
                job.retries,
                job.machines,
                job.shape
            )?;
        }
        for Planned { at, fault } in &self.faults {
            writeln!(f, "  {:>7.3} s  {fault:?}", at.as_secs_f64())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_follows_from_its_seed() {
        let length = Duration::from_mins(1);
        assert_eq!(Plan::new(7, length), Plan::new(7, length));
        assert_ne!(Plan::new(7, length), Plan::new(8, length));
    }

    #[test]
    fn what_is_tried_again_does_not_fork() {
        // Which attempt a child belongs to, its ledger does not say.
        let jobs = Plan::new(1, Duration::ZERO).jobs;
        let retried: Vec<&JobPlan> = jobs.iter().filter(|job| job.retries > 0).collect();
        assert!(retried.len() > 3 && retried.iter().all(|job| !job.shape.forks));
    }

    #[test]
    fn a_few_seeds_have_every_kind_of_fault() {
        let mut kinds = std::collections::BTreeSet::new();
        for seed in 1..=20 {
            let plan = Plan::new(seed, Duration::from_secs(20));
            assert!(plan.faults.is_sorted_by_key(|planned| planned.at));
            kinds.extend(plan.faults.iter().map(|planned| planned.fault.kind()));
        }
        assert_eq!(kinds.len(), 12, "{kinds:?}");
    }

    #[test]
    fn the_clock_is_never_so_far_ahead_that_instants_are_left_out() {
        for seed in 0..500 {
            let mut ahead = 0;
            for planned in Plan::new(seed, Duration::from_mins(2)).faults {
                if let Fault::StepClock { by } = planned.fault {
                    ahead += by;
                    assert!(by < 60_000 && ahead <= 40_000, "{seed}");
                }
            }
        }
    }
}
