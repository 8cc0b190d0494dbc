//! Finds the machines of a run and has their wrappers started: the runs' [`Dispatch`] port over an executor.

mod choice;
mod comeback;
mod direct;
mod resolve;
#[cfg(test)]
mod tests;
mod wrappers;

use crate::clock::Clock;
use crate::config_watch::Config;
use crate::executor::Executor;
use crate::machines::RunKey;
use crate::runs::{Dispatch, LaunchOrder, ResolveOrder, RunHandle};
use crate::store::output::OutputLog;
use crate::tls::MachinesTls;
use saltpeter_domain::job::LaunchWay;
use saltpeter_domain::run::LogEntry;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long launches that are under way when the server stops may take to end.
const STOP_GRACE: Duration = Duration::from_secs(1);

/// Where the entries of the jobs' logs go.
pub type Journal = Arc<dyn Fn(LogEntry) + Send + Sync>;

/// What runs ask for machines and wrappers. Clones share it.
#[derive(Clone)]
pub struct Dispatcher {
    inner: Arc<Inner>,
}

struct Inner {
    parts: DispatchParts,
    tasks: TaskTracker,
}

/// What a dispatcher is made of.
pub struct DispatchParts {
    /// What is in force.
    pub config: Config,
    /// Who starts wrappers.
    pub executor: Arc<dyn Executor>,
    /// What tokens are made from.
    pub key: RunKey,
    /// Port that wrappers report to.
    pub machines_port: u16,
    /// How they know that it is this server's.
    pub tls: MachinesTls,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The jobs' logs.
    pub journal: Journal,
    /// Where the output of commands goes that have no wrapper.
    pub output: OutputLog,
    /// Cancelled when nothing new is to start. What was asked for and not done by then is asked for again
    /// when the run is taken up at the next start.
    pub stop: CancellationToken,
}

impl Dispatcher {
    /// Puts the parts together.
    pub fn new(parts: DispatchParts) -> Self {
        Self {
            inner: Arc::new(Inner {
                parts,
                tasks: TaskTracker::new(),
            }),
        }
    }

    /// Ends when a stop was asked for and no resolution or launch is under way any more.
    pub async fn quiet(&self) {
        self.inner.parts.stop.cancelled().await;
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if !self.inner.parts.stop.is_cancelled() {
            self.inner.tasks.spawn(task);
        }
    }
}

impl Dispatch for Dispatcher {
    fn resolve(&self, order: ResolveOrder, reply: RunHandle) {
        let inner = Arc::clone(&self.inner);
        self.spawn(async move {
            tokio::select! {
                () = inner.resolve(&order, &reply) => {}
                // It is asked for again at the next start.
                () = inner.parts.stop.cancelled() => {}
            }
        });
    }

    fn launch(&self, order: LaunchOrder, reply: RunHandle) {
        let inner = Arc::clone(&self.inner);
        self.spawn(async move {
            let stopped = async {
                inner.parts.stop.cancelled().await;
                tokio::time::sleep(STOP_GRACE).await;
            };
            tokio::select! {
                () = inner.launch(order, &reply) => {}
                () = stopped => {}
            }
        });
    }

    fn log(&self, entry: LogEntry) {
        (self.inner.parts.journal)(entry);
    }
}

impl Inner {
    async fn launch(&self, order: LaunchOrder, reply: &RunHandle) {
        let spec = &order.spec;
        // Before anything is brought to a machine. They are read again for each wrapper that asks for the command.
        if let Err(error) = crate::secrets::read(&spec.secrets).await {
            let message = error.to_string();
            for machine in order.machines {
                self.failed(&order.run, machine, message.clone(), reply)
                    .await;
            }
            return;
        }
        if spec.launch == LaunchWay::Executor {
            return self.run_direct(order, reply).await;
        }
        self.start_wrappers(order, reply).await;
    }
}
