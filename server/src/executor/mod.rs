//! Who starts wrappers on machines: the port, and its adapters.

pub mod choose;
mod local;

pub use local::LocalExecutor;

use futures::future::BoxFuture;
use saltpeter_domain::{Maintenance, TargetExpr};
use saltpeter_protocol::api::TargetRow;
use saltpeter_protocol::launch::Launch;
use saltpeter_protocol::{MachineId, UnixMillis};

/// The machines that an expression matches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Matched {
    /// Those that respond.
    pub up: Vec<MachineId>,
    /// Those that do not.
    pub silent: Vec<MachineId>,
}

/// Why the machines could not be found out, or the wrapper not be started: a sentence for the operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ExecutorError(pub String);

/// What became of one launch.
pub type Launched = (MachineId, Result<(), ExecutorError>);

/// Finds machines and starts wrappers on them.
pub trait Executor: Send + Sync + 'static {
    /// Its name in the configuration, and a word on where it starts wrappers.
    fn describe(&self) -> String;

    /// The host under which wrappers find this server; `configured` is what the job or the settings say.
    fn server_host(&self, configured: Option<&str>) -> String;

    /// The machines that `targets` matches, whatever is under maintenance.
    fn resolve<'a>(
        &'a self,
        targets: &'a TargetExpr,
    ) -> BoxFuture<'a, Result<Matched, ExecutorError>>;

    /// Starts a wrapper for each launch; `path` is the wrapper's on the machines. Success means that it
    /// was started; whether it works shows when it reports.
    fn launch<'a>(&'a self, launches: Vec<Launch>, path: &'a str) -> BoxFuture<'a, Vec<Launched>>;

    /// All machines it knows, in order.
    fn known_machines(&self) -> BoxFuture<'_, Vec<MachineId>>;

    /// What a run at `now` would do with each known machine.
    fn explain<'a>(
        &'a self,
        targets: &'a TargetExpr,
        maintenance: &'a Maintenance,
        now: UnixMillis,
    ) -> BoxFuture<'a, Result<Vec<TargetRow>, ExecutorError>>;
}
