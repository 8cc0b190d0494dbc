//! Who starts wrappers on machines: the port, and its adapters.

mod beside;
pub mod choose;
mod local;
pub mod salt;

pub use local::LocalExecutor;
pub use salt::SaltExecutor;

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use saltpeter_domain::{Maintenance, TargetExpr};
use saltpeter_protocol::api::TargetRow;
use saltpeter_protocol::launch::{CommandSpec, Launch, var};
use saltpeter_protocol::machine::v2::Exit;
use saltpeter_protocol::{MachineId, UnixMillis};
use tokio::sync::mpsc;

/// The machines that an expression matches, as they become known.
pub struct Matching {
    /// All that match, as far as the executor knows before they have answered.
    pub expected: Vec<MachineId>,
    /// Their answers as they come. It ends when nothing more is to be waited for; expected machines that have not been
    /// heard then are silent.
    pub answers: BoxStream<'static, Answer>,
}

/// What was heard of a machine that matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It responds.
    Up(MachineId),
    /// It does not.
    Silent(MachineId),
}

/// Why the machines could not be found out, or the wrapper not be started: a sentence for the operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExecutorError {
    /// The executor's way to the machines is away for the moment: worth another try.
    #[error("{0}")]
    Away(String),
    /// Another try changes nothing.
    #[error("{0}")]
    Failed(String),
}

/// What is heard of the launches that are under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LaunchNews {
    /// Something is being done for these machines that takes its time, such as bringing the wrapper there.
    GoesOn(Vec<MachineId>),
    /// The machine's wrapper was not started.
    Failed(MachineId, ExecutorError),
    /// The same, because it was not given the command: it is of the earlier implementation, which takes the command
    /// from its environment.
    WantsCommand(MachineId, ExecutorError),
}

impl LaunchNews {
    /// A wrapper has ended instead of starting; `error` has what it said.
    fn ended(machine: MachineId, error: ExecutorError) -> Self {
        // Every wrapper of version 1 needs the variable; none of version 2 knows a reason to speak of it.
        if error.to_string().contains(var::COMMAND) {
            Self::WantsCommand(machine, error)
        } else {
            Self::Failed(machine, error)
        }
    }
}

/// A command for an executor to run itself.
#[derive(Debug)]
pub struct Direct {
    /// When the run was written down, and the number of this call within it: by them an executor finds the call again.
    pub made: UnixMillis,
    /// Of eight digits.
    pub number: u32,
    /// The machines.
    pub machines: Vec<MachineId>,
    /// What is run there.
    pub command: CommandSpec,
    /// What is known of the call from an earlier life of this server.
    pub before: Before,
    /// Machines whose command is to end.
    pub kills: mpsc::Receiver<MachineId>,
}

/// What is known of a call from an earlier life of this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// It is a new one.
    New,
    /// It may have been made, or not.
    Perhaps,
    /// It was made.
    Called,
}

/// What is heard of commands that an executor runs itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DirectNews {
    /// The commands run from now on, as far as anybody knows.
    Taken,
    /// A command has ended.
    Ended {
        /// The machine.
        machine: MachineId,
        /// How.
        exit: Exit,
        /// What it wrote.
        stdout: String,
        /// What it wrote to standard error.
        stderr: String,
    },
    /// A command was not run.
    Failed(MachineId, String),
    /// The machine is away, and its command with it.
    Unreachable(MachineId, String),
}

/// Finds machines and starts wrappers on them.
pub trait Executor: Send + Sync + 'static {
    /// Its name in the configuration, and a word on where it starts wrappers.
    fn describe(&self) -> String;

    /// The host under which wrappers find this server; `configured` is what the job or the settings say.
    fn server_host(&self, configured: Option<&str>) -> String;

    /// Whether wrappers run on this very host, and so find the server under a name that no authority vouches for.
    fn is_this_host(&self) -> bool {
        false
    }

    /// The machines that `targets` matches, whatever is under maintenance.
    fn resolve<'a>(
        &'a self,
        targets: &'a TargetExpr,
    ) -> BoxFuture<'a, Result<Matching, ExecutorError>>;

    /// Starts a wrapper for each launch; `path` is the wrapper's on the machines. What is heard meanwhile goes to
    /// `news` as it comes. A machine of which nothing is said was started, or will show by its silence that it was not.
    fn launch<'a>(
        &'a self,
        launches: Vec<Launch>,
        path: &'a str,
        news: mpsc::Sender<LaunchNews>,
    ) -> BoxFuture<'a, ()>;

    /// Has the executor itself run a command, without a wrapper. What is heard of it goes to `news` as it comes.
    fn run(&self, order: Direct, news: mpsc::Sender<DirectNews>) -> BoxFuture<'_, ()>;

    /// All machines it knows, in order.
    fn known_machines(&self) -> BoxFuture<'_, Vec<MachineId>>;

    /// What a run at `now` would do with each machine that it knows or, where that is all it can say, with each that
    /// matches.
    fn explain<'a>(
        &'a self,
        targets: &'a TargetExpr,
        maintenance: &'a Maintenance,
        now: UnixMillis,
    ) -> BoxFuture<'a, Result<Vec<TargetRow>, ExecutorError>>;
}
