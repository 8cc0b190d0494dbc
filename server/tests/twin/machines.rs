//! The machines: which can be reached, what runs there, and what each wrapper did.

use crate::net::Conn;
use saltpeter_protocol::machine::v2::{Exit, FromWrapper};
use saltpeter_protocol::{JobName, MachineId, MachineOutcome, RunId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// How the wrapper process of one launch fares.
pub(crate) struct Wrapper {
    pub(crate) run: RunId,
    pub(crate) machine: MachineId,
    /// Its command was started.
    pub(crate) started: bool,
    /// What its command has written, as far as it was read.
    pub(crate) read: Vec<u8>,
    /// Its last word on the command, once it was said.
    pub(crate) report: Option<FromWrapper>,
    /// It has left by itself.
    pub(crate) left: Option<String>,
    /// It was killed with SIGKILL.
    pub(crate) killed: bool,
    pub(crate) task: Option<AbortHandle>,
}

#[derive(Default)]
pub(crate) struct Machines {
    /// By number.
    pub(crate) wrappers: BTreeMap<u64, Wrapper>,
    /// The locks of jobs whose command runs.
    pub(crate) locks: BTreeSet<(JobName, MachineId)>,
    away: BTreeMap<MachineId, Instant>,
    lines: Vec<(MachineId, Arc<Conn>)>,
}

impl Machines {
    pub(crate) fn is_away(&self, machine: &MachineId) -> bool {
        self.away
            .get(machine)
            .is_some_and(|until| Instant::now() < *until)
    }

    /// Cuts a machine off.
    pub(crate) fn cut_off(&mut self, machine: &MachineId, until: Instant) {
        self.away.insert(machine.clone(), until);
        self.lines.retain(|(of, line)| {
            if of == machine {
                line.break_off(false);
            }
            of != machine
        });
    }

    pub(crate) fn heal(&mut self) {
        self.away.clear();
    }

    pub(crate) fn connected(&mut self, machine: &MachineId, line: &Arc<Conn>) {
        self.lines.push((machine.clone(), Arc::clone(line)));
    }
}

/// What a wrapper's last word means.
pub(crate) fn outcome_of(report: &FromWrapper) -> Option<MachineOutcome> {
    let FromWrapper::Ended { exit, .. } = report else {
        return None;
    };
    let by_code = |code| match code {
        0 => MachineOutcome::Succeeded,
        code => MachineOutcome::Failed { code },
    };
    Some(match *exit {
        Exit::Exited { code } => by_code(code),
        Exit::Signalled { signal } => by_code(128 + signal),
        Exit::TimedOut => MachineOutcome::TimedOut,
        Exit::Killed => MachineOutcome::Killed,
    })
}
