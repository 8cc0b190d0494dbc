//! What can happen to a run.

use super::Speaker;
use saltpeter_protocol::machine::v2;
use saltpeter_protocol::{MachineId, UnixMillis};

/// What happens to a run. Only the run's actor applies inputs, one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Nothing holds the run back any longer.
    Begin,
    /// The executor has said which machines match.
    Resolved(Resolution),
    /// The executor has heard from machines that were awaited when the others were resolved.
    Late(Late),
    /// The executor could not say which machines match.
    ResolveFailed {
        /// A sentence for the operator.
        message: String,
    },
    /// The starting of these machines' wrappers goes on (a wrapper is being brought there, say), and so their time
    /// to connect begins anew.
    LaunchGoesOn {
        /// The machines.
        machines: Vec<MachineId>,
    },
    /// The executor could not start a machine's wrapper.
    LaunchFailed {
        /// The machine.
        machine: MachineId,
        /// A sentence for the operator.
        message: String,
    },
    /// A wrapper has connected, for the first time or again.
    Hello {
        /// The machine it speaks for.
        machine: MachineId,
        /// Who it is.
        speaker: Speaker,
        /// How far its command has come.
        progress: v2::Progress,
    },
    /// The command has started.
    Started {
        /// The machine.
        machine: MachineId,
        /// Process id of the command's shell; `None` where the wrapper does not say.
        pid: Option<u32>,
        /// The wrapper's clock.
        at: UnixMillis,
    },
    /// The wrapper is alive.
    Heard {
        /// The machine.
        machine: MachineId,
    },
    /// The command has ended, and all of its output is durable.
    Ended {
        /// The machine.
        machine: MachineId,
        /// How.
        exit: MachineExit,
    },
    /// The wrapper could not start the command.
    CannotStart {
        /// The machine.
        machine: MachineId,
        /// A sentence for the operator.
        message: String,
    },
    /// The wrapper could not do its work.
    WrapperError {
        /// The machine.
        machine: MachineId,
        /// A sentence for the operator.
        message: String,
    },
    /// A person (or a run that replaces this one) wants it to end.
    Kill {
        /// Only this machine; every machine when `None`.
        machine: Option<MachineId>,
        /// Who.
        by: String,
    },
    /// The server has restarted and has taken the run up again.
    Recovered,
    /// Somebody has set the server's clock, or its host was asleep: times from before say nothing about now.
    ClockSet,
    /// A deadline may have passed.
    Tick,
}

/// The machines of a run. No machine stands in two of the lists.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resolution {
    /// Those that are to run the command.
    pub machines: Vec<MachineId>,
    /// Those that match and do not respond.
    pub silent: Vec<MachineId>,
    /// Those that match and are under maintenance.
    pub maintenance: Vec<MachineId>,
    /// Those that match and have not answered yet. They wait, and nobody waits for them.
    pub awaited: Vec<MachineId>,
    /// How many machines may be added that are not named yet.
    pub open: u32,
}

/// What was heard of machines after the run has begun on others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Late {
    /// Those that have answered.
    pub up: Vec<MachineId>,
    /// Those that have not, and are not waited for any longer.
    pub silent: Vec<MachineId>,
    /// Those that have answered and are under maintenance.
    pub maintenance: Vec<MachineId>,
    /// How many machines may still be added that are not named yet.
    pub open: u32,
}

/// How a command ended, as its wrapper reported it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MachineExit {
    /// By a version 2 wrapper, which knows why.
    V2(v2::Exit),
    /// By a version 1 wrapper: the shell's exit code, negative for death by a signal.
    V1 {
        /// The code.
        retcode: i32,
    },
}
