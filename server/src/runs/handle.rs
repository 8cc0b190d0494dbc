//! How others talk to a run.

use super::{Occupant, Runs};
use saltpeter_domain::run::{Input, Late, MachineExit, Refused, Resolution, Speaker};
use saltpeter_domain::secret::SecretSource;
use saltpeter_protocol::launch::CommandSpec;
use saltpeter_protocol::machine::v2::{LeaveReason, Progress};
use saltpeter_protocol::{Attempt, MachineId, RunId, UnixMillis};
use std::collections::BTreeMap;
use tokio::sync::{mpsc, oneshot};

/// What a machine's connection reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MachineInput {
    /// The command has started.
    Started {
        /// The machine.
        machine: MachineId,
        /// Process id of the command's shell, where the wrapper says it.
        pid: Option<u32>,
        /// The wrapper's clock.
        at: UnixMillis,
    },
    /// The wrapper is alive. Cheap: nothing is persisted.
    Heard {
        /// The machine.
        machine: MachineId,
    },
    /// The command has ended. To be sent only once all of its output is durable.
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
    /// The wrapper could not do its work (version 1's `error`).
    WrapperError {
        /// The machine.
        machine: MachineId,
        /// A sentence for the operator.
        message: String,
    },
}

/// What the dispatcher reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dispatched {
    /// The machines that match.
    Resolved(Resolution),
    /// Machines that were awaited.
    Late(Late),
    /// They could not be found out.
    ResolveFailed {
        /// A sentence for the operator.
        message: String,
    },
    /// The starting of these machines' wrappers goes on.
    LaunchGoesOn {
        /// The machines.
        machines: Vec<MachineId>,
    },
    /// A machine's wrapper could not be started.
    LaunchFailed {
        /// The machine.
        machine: MachineId,
        /// A sentence for the operator.
        message: String,
    },
}

/// What a run tells a machine's present connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToMachine {
    /// End the command. Repeated while the wrapper is heard and has not ended.
    Kill,
    /// The machine's outcome is durable: the wrapper may forget everything and leave.
    Done,
    /// The same wrapper has connected anew, or its attempt is over and another follows: this connection is to be closed.
    Displaced,
}

/// The answer to a hello.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HelloAnswer {
    /// The wrapper is the machine's one.
    Welcome {
        /// What to run; `None` for a wrapper that has started already.
        command: Option<CommandSpec>,
        /// Where the secrets are read that the command has; none for a wrapper that has started already.
        secrets: BTreeMap<String, SecretSource>,
        /// Which attempt of the machine it runs: its output goes there.
        attempt: Attempt,
        /// Whether a kill is pending.
        kill: bool,
    },
    /// An older connection speaks for the machine, and by nothing but its end can it be told that the new one is of the
    /// same wrapper: those of version 1 have no name of their own. To be asked again once the older one has left.
    Occupied(Occupant),
    /// The wrapper has nothing to do here.
    Leave {
        /// Why.
        reason: LeaveReason,
        /// A sentence for the wrapper's log.
        message: String,
    },
}

/// The run cannot be talked to: the server is shutting down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the server is shutting down")]
pub struct Gone;

/// Inputs that may wait for a run.
pub(super) const MAILBOX: usize = 1024;

/// What lies in a run's mailbox.
pub(super) struct Message {
    pub(super) input: Input,
    pub(super) answer: Answer,
}

/// Who waits for the input to be applied and persisted.
pub(super) enum Answer {
    /// Nobody.
    Nobody,
    /// A machine's new connection, which can be reached through the sender from then on.
    Hello(mpsc::Sender<ToMachine>, oneshot::Sender<HelloAnswer>),
    /// Someone who wants to know whether it was applied.
    Result(oneshot::Sender<Result<(), Refused>>),
}

/// A way to talk to a run. Clones talk to the same run. It stays usable when the run's actor has ended
/// meanwhile: a message that matters brings the run back from the store.
#[derive(Clone)]
pub struct RunHandle {
    pub(super) run: RunId,
    pub(super) runs: Runs,
    pub(super) mailbox: mpsc::Sender<Message>,
}

impl std::fmt::Debug for RunHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("RunHandle").field(&self.run).finish()
    }
}

impl RunHandle {
    /// The run.
    pub fn run(&self) -> &RunId {
        &self.run
    }

    /// A wrapper has said hello on a new connection, which `outbox` reaches. After a
    /// [`HelloAnswer::Welcome`] an older connection of the same wrapper is displaced.
    ///
    /// A machine that is not part of the run is told to leave.
    pub async fn hello(
        &self,
        machine: MachineId,
        speaker: Speaker,
        progress: Progress,
        outbox: mpsc::Sender<ToMachine>,
    ) -> Result<HelloAnswer, Gone> {
        let (answer, answered) = oneshot::channel();
        let message = Message {
            input: Input::Hello {
                machine,
                speaker,
                progress,
            },
            answer: Answer::Hello(outbox, answer),
        };
        self.deliver(message).await?;
        answered.await.map_err(|_| Gone)
    }

    /// Passes on what a machine's connection reports. What the run refuses is written to the server's log.
    pub async fn send(&self, input: MachineInput) {
        let input = match input {
            MachineInput::Started { machine, pid, at } => Input::Started { machine, pid, at },
            MachineInput::Heard { machine } => Input::Heard { machine },
            MachineInput::Ended { machine, exit } => Input::Ended { machine, exit },
            MachineInput::CannotStart { machine, message } => {
                Input::CannotStart { machine, message }
            }
            MachineInput::WrapperError { machine, message } => {
                Input::WrapperError { machine, message }
            }
        };
        self.post(input).await;
    }

    /// Passes on what the dispatcher reports.
    pub async fn report(&self, report: Dispatched) {
        let input = match report {
            Dispatched::Resolved(resolution) => Input::Resolved(resolution),
            Dispatched::Late(late) => Input::Late(late),
            Dispatched::ResolveFailed { message } => Input::ResolveFailed { message },
            Dispatched::LaunchGoesOn { machines } => Input::LaunchGoesOn { machines },
            Dispatched::LaunchFailed { machine, message } => {
                Input::LaunchFailed { machine, message }
            }
        };
        self.post(input).await;
    }

    pub(super) async fn post(&self, input: Input) {
        let message = Message {
            input,
            answer: Answer::Nobody,
        };
        if self.deliver(message).await.is_err() {
            tracing::debug!(run = %self.run, "a message came after the end and was dropped");
        }
    }

    pub(super) async fn ask(&self, input: Input) -> Result<Result<(), Refused>, Gone> {
        let (answer, answered) = oneshot::channel();
        let message = Message {
            input,
            answer: Answer::Result(answer),
        };
        self.deliver(message).await?;
        answered.await.map_err(|_| Gone)
    }

    async fn deliver(&self, message: Message) -> Result<(), Gone> {
        let Err(mpsc::error::SendError(mut message)) = self.mailbox.send(message).await else {
            return Ok(());
        };
        loop {
            let again = match self.runs.handle(&self.run).await {
                Ok(Some(again)) => again,
                Ok(None) => return Err(Gone),
                Err(error) => {
                    tracing::error!(run = %self.run, %error, "a run could not be read");
                    return Err(Gone);
                }
            };
            match again.mailbox.send(message).await {
                Ok(()) => return Ok(()),
                Err(mpsc::error::SendError(back)) => message = back,
            }
        }
    }
}
