//! Finds the machines of a run and has their wrappers started: the runs' [`Dispatch`] port over an executor.

use crate::clock::Clock;
use crate::config_watch::Config;
use crate::executor::{Executor, ExecutorError, Matched};
use crate::machines::RunKey;
use crate::runs::{Dispatch, Dispatched, LaunchOrder, ResolveOrder, RunHandle};
use saltpeter_domain::Maintenance;
use saltpeter_domain::job::LaunchWay;
use saltpeter_domain::run::{LogEntry, Resolution};
use saltpeter_protocol::launch::{DEFAULT_RETAIN, Launch};
use saltpeter_protocol::{MachineId, UnixMillis};
use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Where the entries of the jobs' logs go.
pub type Journal = Arc<dyn Fn(LogEntry) + Send + Sync>;

/// What runs ask for machines and wrappers. Clones share it.
#[derive(Clone)]
pub struct Dispatcher {
    inner: Arc<Inner>,
}

struct Inner {
    config: Config,
    executor: Arc<dyn Executor>,
    key: RunKey,
    /// Port that wrappers report to.
    machines_port: u16,
    clock: Arc<dyn Clock>,
    journal: Journal,
    /// Cancelled when nothing new is to start.
    stop: CancellationToken,
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
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The jobs' logs.
    pub journal: Journal,
    /// Cancelled when nothing new is to start. What was asked for and not done by then is asked for again
    /// when the run is taken up at the next start.
    pub stop: CancellationToken,
}

impl Dispatcher {
    /// Puts the parts together.
    pub fn new(parts: DispatchParts) -> Self {
        let DispatchParts {
            config,
            executor,
            key,
            machines_port,
            clock,
            journal,
            stop,
        } = parts;
        Self {
            inner: Arc::new(Inner {
                config,
                executor,
                key,
                machines_port,
                clock,
                journal,
                stop,
                tasks: TaskTracker::new(),
            }),
        }
    }

    /// Ends when a stop was asked for and no resolution or launch is under way any more.
    pub async fn quiet(&self) {
        self.inner.stop.cancelled().await;
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if !self.inner.stop.is_cancelled() {
            self.inner.tasks.spawn(task);
        }
    }
}

impl Dispatch for Dispatcher {
    fn resolve(&self, order: ResolveOrder, reply: RunHandle) {
        let inner = Arc::clone(&self.inner);
        self.spawn(async move {
            let found = inner.executor.resolve(&order.spec.targets).await;
            let report = match found {
                Ok(matched) => {
                    let maintenance = Arc::clone(&inner.config.current().maintenance);
                    let choice = Choice {
                        only: order.only.as_ref(),
                        number: order.spec.number_of_targets,
                        maintenance: &maintenance,
                        now: inner.clock.now(),
                    };
                    Dispatched::Resolved(choice.of(matched))
                }
                Err(ExecutorError(message)) => Dispatched::ResolveFailed { message },
            };
            reply.report(report).await;
        });
    }

    fn launch(&self, order: LaunchOrder, reply: RunHandle) {
        let inner = Arc::clone(&self.inner);
        self.spawn(async move { inner.launch(order, &reply).await });
    }

    fn log(&self, entry: LogEntry) {
        (self.inner.journal)(entry);
    }
}

impl Inner {
    async fn launch(&self, order: LaunchOrder, reply: &RunHandle) {
        let spec = &order.spec;
        if spec.launch == LaunchWay::Executor {
            let message = "use_wrapper: false lets Salt run the command, and this server does not start commands by Salt yet; take the line out to run it by a wrapper";
            for machine in order.machines {
                let message = message.to_owned();
                reply
                    .report(Dispatched::LaunchFailed { machine, message })
                    .await;
            }
            return;
        }
        let host = self.executor.server_host(spec.server_host.as_deref());
        let url = format!("ws://{host}:{}", self.machines_port);
        let launches = order.machines.into_iter().map(|machine| Launch {
            url: url.clone(),
            job: order.job.clone(),
            run: order.run.clone(),
            machine,
            token: Some(self.key.token(&order.run)),
            tls_pin: None,
            log_level: spec.wrapper.loglevel,
            log_dir: Some(spec.wrapper.logdir.clone()),
            retain: DEFAULT_RETAIN,
            command: None,
        });
        let launched = self.executor.launch(launches.collect(), &spec.wrapper.path);
        for (machine, outcome) in launched.await {
            if let Err(ExecutorError(message)) = outcome {
                tracing::warn!(run = %order.run, %machine, "the wrapper was not started: {message}");
                reply
                    .report(Dispatched::LaunchFailed { machine, message })
                    .await;
            }
        }
    }
}

/// Which of the matching machines a run takes.
struct Choice<'a> {
    only: Option<&'a BTreeSet<MachineId>>,
    number: Option<NonZeroU32>,
    maintenance: &'a Maintenance,
    now: UnixMillis,
}

impl Choice<'_> {
    fn of(&self, matched: Matched) -> Resolution {
        let wanted = |machine: &MachineId| self.only.is_none_or(|only| only.contains(machine));
        let silent: Vec<MachineId> = matched.silent.into_iter().filter(wanted).collect();
        let (maintenance, up): (Vec<_>, Vec<_>) = matched
            .up
            .into_iter()
            .filter(wanted)
            .partition(|machine| self.maintenance.covers(machine, self.now));
        match self.number.map(|number| number.get() as usize) {
            // As many as are asked for, of those that can run it: the others do not matter then.
            Some(number) if number <= up.len() => {
                let mut chosen =
                    rand::seq::index::sample(&mut rand::rng(), up.len(), number).into_vec();
                chosen.sort_unstable();
                Resolution {
                    machines: chosen.into_iter().map(|at| up[at].clone()).collect(),
                    silent: Vec::new(),
                    maintenance: Vec::new(),
                }
            }
            Some(number) => {
                let missing = number - up.len();
                Resolution {
                    machines: up,
                    silent: silent.into_iter().take(missing).collect(),
                    maintenance,
                }
            }
            None => Resolution {
                machines: up,
                silent,
                maintenance,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(names: &str) -> Vec<MachineId> {
        names
            .split_whitespace()
            .map(|name| MachineId::new(name).unwrap())
            .collect()
    }

    fn maintenance(names: &str) -> Maintenance {
        Maintenance {
            machines: ids(names).into_iter().collect(),
            ..Maintenance::default()
        }
    }

    fn choose(up: &str, silent: &str, choice: &Choice) -> Resolution {
        choice.of(Matched {
            up: ids(up),
            silent: ids(silent),
        })
    }

    #[test]
    fn maintenance_and_only_take_machines_out() {
        let only = ids("a b d").into_iter().collect();
        let choice = Choice {
            only: Some(&only),
            number: None,
            maintenance: &maintenance("b c"),
            now: UnixMillis(0),
        };
        let resolution = choose("a b c", "d e", &choice);
        assert_eq!(resolution.machines, ids("a"));
        assert_eq!(resolution.maintenance, ids("b"));
        assert_eq!(resolution.silent, ids("d"));
    }

    #[test]
    fn a_subset_is_of_machines_that_can_run_and_every_one_has_its_chance() {
        let choice = Choice {
            only: None,
            number: NonZeroU32::new(2),
            maintenance: &maintenance("x"),
            now: UnixMillis(0),
        };
        let mut seen = BTreeSet::new();
        for _ in 0..200 {
            let resolution = choose("a b c d x", "y", &choice);
            assert_eq!(resolution.machines.len(), 2);
            assert!(resolution.maintenance.is_empty() && resolution.silent.is_empty());
            seen.extend(resolution.machines);
        }
        assert_eq!(seen, ids("a b c d").into_iter().collect());
    }

    #[test]
    fn a_subset_that_cannot_be_filled_says_why() {
        let choice = Choice {
            only: None,
            number: NonZeroU32::new(3),
            maintenance: &maintenance("x"),
            now: UnixMillis(0),
        };
        let resolution = choose("a x", "y z w", &choice);
        assert_eq!(resolution.machines, ids("a"));
        assert_eq!(resolution.maintenance, ids("x"));
        assert_eq!(resolution.silent, ids("y z"));
    }
}
