//! Whose output a stream is.

use saltpeter_protocol::{Attempt, MachineId};

/// One attempt of a machine in a run: what has a stream of its own. A machine alone stands for its first attempt.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    pub(super) machine: &'a MachineId,
    pub(super) attempt: Attempt,
}

impl<'a> From<&'a MachineId> for Part<'a> {
    fn from(machine: &'a MachineId) -> Self {
        (machine, Attempt::FIRST).into()
    }
}

impl<'a> From<(&'a MachineId, Attempt)> for Part<'a> {
    fn from((machine, attempt): (&'a MachineId, Attempt)) -> Self {
        Self { machine, attempt }
    }
}
