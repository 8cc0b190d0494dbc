//! What a chaos run does, and when: it all follows from the seed.

mod faults;
mod jobs;

pub use faults::Fault;
pub use jobs::{Ends, JobPlan, Shape};

use crate::content::Dice;
use std::fmt;
use std::time::Duration;

/// The machines of a chaos run.
pub const MACHINES: [&str; 4] = ["m1", "m2", "m3", "m4"];

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
        let jobs = jobs::jobs(&mut dice);
        let mut faults = Vec::new();
        let mut at = Duration::from_millis(dice.between(700, 2500));
        // Clock steps add up, and the whole is bounded: a job's instants of more than a hundred are not listed.
        let mut ahead = 0;
        while at < length {
            let fault = faults::fault(&mut dice, length.saturating_sub(at), &mut ahead);
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
