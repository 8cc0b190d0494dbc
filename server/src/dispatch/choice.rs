//! Which of the matching machines a run takes.

use crate::executor::Answer;
use saltpeter_domain::Maintenance;
use saltpeter_domain::run::{Late, Resolution};
use saltpeter_protocol::{MachineId, UnixMillis};
use std::collections::BTreeSet;
use std::num::NonZeroU32;

/// What a run wants, and what keeps machines from it.
pub(super) struct Choice<'a> {
    /// The only machines it may take.
    pub(super) only: Option<&'a BTreeSet<MachineId>>,
    /// How many it takes; `None`: all.
    pub(super) number: Option<NonZeroU32>,
    /// What is under maintenance.
    pub(super) maintenance: &'a Maintenance,
    /// The time.
    pub(super) now: UnixMillis,
}

/// The machines that match, as far as they are known. A machine that answers twice counts once.
#[derive(Debug, Default)]
pub(super) struct Matched {
    up: BTreeSet<MachineId>,
    silent: BTreeSet<MachineId>,
    /// Those that are expected to answer.
    awaited: BTreeSet<MachineId>,
}

impl Matched {
    /// Nothing has been heard yet, and `expected` are to answer. Others may.
    pub(super) fn expecting(expected: Vec<MachineId>) -> Self {
        Self {
            awaited: expected.into_iter().collect(),
            ..Self::default()
        }
    }

    /// Takes an answer in. False when the machine was heard before.
    pub(super) fn hear(&mut self, answer: &Answer) -> bool {
        let (Answer::Up(machine) | Answer::Silent(machine)) = answer;
        self.awaited.remove(machine);
        if self.up.contains(machine) || self.silent.contains(machine) {
            return false;
        }
        match answer {
            Answer::Up(_) => self.up.insert(machine.clone()),
            Answer::Silent(_) => self.silent.insert(machine.clone()),
        }
    }

    /// Nothing more will be heard: who has not answered is silent. Returns those.
    pub(super) fn close(&mut self) -> Vec<MachineId> {
        let awaited = std::mem::take(&mut self.awaited);
        self.silent.extend(awaited.iter().cloned());
        awaited.into_iter().collect()
    }

    /// Whether every machine has been heard.
    pub(super) fn is_complete(&self) -> bool {
        self.awaited.is_empty()
    }

    /// Whether any machine responds.
    pub(super) fn any_up(&self) -> bool {
        !self.up.is_empty()
    }
}

impl Choice<'_> {
    /// What is begun with. What is not known yet stays awaited, unless enough machines have answered.
    pub(super) fn of(&self, matched: &Matched) -> Resolution {
        let wanted = |machines: &BTreeSet<MachineId>| -> Vec<MachineId> {
            let wanted = machines.iter().filter(|machine| self.wants(machine));
            wanted.cloned().collect()
        };
        let (silent, awaited) = (wanted(&matched.silent), wanted(&matched.awaited));
        let (maintenance, up) = self.part(wanted(&matched.up));
        let Some(number) = self.number.map(|number| number.get() as usize) else {
            // While somebody is awaited, others that match may be heard as well.
            let open = if awaited.is_empty() { 0 } else { u32::MAX };
            return Resolution {
                machines: up,
                silent,
                maintenance,
                awaited,
                open,
            };
        };
        if number <= up.len() {
            // As many as are asked for, of those that can run it: the others do not matter then.
            let mut chosen =
                rand::seq::index::sample(&mut rand::rng(), up.len(), number).into_vec();
            chosen.sort_unstable();
            return Resolution {
                machines: chosen.into_iter().map(|at| up[at].clone()).collect(),
                ..Resolution::default()
            };
        }
        let missing = number - up.len();
        if matched.is_complete() {
            return Resolution {
                machines: up,
                silent: silent.into_iter().take(missing).collect(),
                maintenance,
                ..Resolution::default()
            };
        }
        // Whoever answers first gets a place; who is silent is told of at the end, if places are left then.
        Resolution {
            machines: up,
            maintenance,
            open: u32::try_from(missing).unwrap_or(u32::MAX),
            ..Resolution::default()
        }
    }

    /// What answers mean that came later. More may follow.
    pub(super) fn late(&self, answers: Vec<Answer>) -> Late {
        let mut up = Vec::new();
        let mut silent = Vec::new();
        for answer in answers {
            match answer {
                Answer::Up(machine) if self.wants(&machine) => up.push(machine),
                // A place is for a machine that answers, while one may.
                Answer::Silent(machine) if self.number.is_none() && self.wants(&machine) => {
                    silent.push(machine);
                }
                Answer::Up(_) | Answer::Silent(_) => {}
            }
        }
        let (maintenance, up) = self.part(up);
        Late {
            up,
            silent,
            maintenance,
            open: u32::MAX,
        }
    }

    /// The end of it, after which nobody is awaited.
    pub(super) fn last(&self, matched: &Matched) -> Late {
        let silent = matched.silent.iter().filter(|machine| self.wants(machine));
        Late {
            silent: silent.cloned().collect(),
            ..Late::default()
        }
    }

    fn wants(&self, machine: &MachineId) -> bool {
        self.only.is_none_or(|only| only.contains(machine))
    }

    /// Those under maintenance, and the others.
    fn part(&self, machines: Vec<MachineId>) -> (Vec<MachineId>, Vec<MachineId>) {
        let covered = |machine: &MachineId| self.maintenance.covers(machine, self.now);
        machines.into_iter().partition(covered)
    }
}
