//! Starting the wrappers of a batch: one call for all of its machines. Those that lack the wrapper say so, are brought
//! it together, and are started again; the others have long begun by then.

use super::SaltExecutor;
use super::binaries::{Binaries, Binary};
use super::outcome::NOT_KNOWN;
use super::script::{self, Bring, Expected};
use super::verdict::Verdict;
use crate::executor::{ExecutorError, LaunchNews};
use crate::salt::{Call, Called, Heard, Return, Salt, SaltError, Target};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use saltpeter_protocol::MachineId;
use saltpeter_protocol::launch::Launch;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// How long machines may take to return from a start. One that takes longer is judged by its wrapper alone.
const RETURN_WITHIN: Duration = Duration::from_secs(30);
/// Machines that lack the wrapper are gathered for this long.
const GATHER: Duration = Duration::from_millis(150);
/// For how long a start is tried again while Salt is away.
const AWAY_LIMIT: Duration = Duration::from_secs(20);
/// Pause between two tries.
const AWAY_PAUSE: Duration = Duration::from_secs(2);

/// The wrappers of one run that are started together.
pub(super) struct Batch<'a> {
    pub(super) salt: &'a dyn Salt,
    /// Any machine's launch; the others differ in the machine alone.
    pub(super) launch: Launch,
    /// The wrapper on the machines.
    pub(super) path: &'a str,
    /// What machines can be given; empty where nothing is to be brought.
    pub(super) binaries: Vec<Binary>,
    /// Where they come from.
    pub(super) source: Arc<Binaries>,
    pub(super) news: mpsc::Sender<LaunchNews>,
}

/// A machine that lacks the wrapper, and its kind.
pub(super) type Bare = (MachineId, String);

impl SaltExecutor {
    /// Starts the wrapper at `path` for each of `launches`.
    pub(super) async fn start(
        &self,
        launches: Vec<Launch>,
        path: &str,
        news: mpsc::Sender<LaunchNews>,
    ) {
        let Some(launch) = launches.first().cloned() else {
            return;
        };
        let machines: BTreeSet<MachineId> =
            launches.into_iter().map(|launch| launch.machine).collect();
        let batch = Batch {
            salt: &*self.salt,
            path,
            binaries: if launch.command.is_none() {
                self.binaries_for(path).await
            } else {
                // A wrapper that is told the command is not one of this server's.
                Vec::new()
            },
            source: Arc::clone(&self.binaries),
            news,
            launch,
        };
        batch.start(machines).await;
    }

    /// What may be put at `path`. A path that a job chose itself is the operator's.
    async fn binaries_for(&self, path: &str) -> Vec<Binary> {
        let current = self.config.current();
        let settings = &current.settings;
        if !settings.distribute_wrapper || path != settings.default_wrapper_path {
            return Vec::new();
        }
        let binaries = Arc::clone(&self.binaries);
        let found = tokio::task::spawn_blocking(move || binaries.find()).await;
        found.unwrap_or_default()
    }
}

impl Batch<'_> {
    /// Starts on all of `machines`, and brings the wrapper to those that lack it.
    async fn start(&self, mut machines: BTreeSet<MachineId>) {
        let kwargs = script::start(&self.launch, self.path, &self.expected(), Bring::Not);
        let Some(mut called) = self.call(&mut machines, kwargs).await else {
            return;
        };
        let mut bare: Vec<Bare> = Vec::new();
        let mut gathered = Instant::now();
        let mut bringing = FuturesUnordered::new();
        let mut listening = true;
        while listening || !bare.is_empty() || !bringing.is_empty() {
            tokio::select! {
                heard = called.returns.recv(), if listening => match heard {
                    None => {
                        listening = false;
                        gathered = Instant::now();
                    }
                    Some(heard) => if let Some(returned) = own(&mut machines, heard) {
                        match Verdict::of(&returned, self.path) {
                            Verdict::Bring { kind } => {
                                if bare.is_empty() {
                                    gathered = Instant::now() + GATHER;
                                }
                                bare.push((returned.machine, kind));
                            }
                            // Nothing was to be fetched by this call.
                            Verdict::Started | Verdict::NotServed => {}
                            Verdict::Failed(message) => {
                                self.failed(returned.machine, message).await;
                            }
                        }
                        listening = !machines.is_empty();
                        if !listening {
                            gathered = Instant::now();
                        }
                    }
                },
                () = tokio::time::sleep_until(gathered), if !bare.is_empty() => {
                    bringing.push(self.bring(std::mem::take(&mut bare)));
                }
                Some(()) = bringing.next(), if !bringing.is_empty() => {}
            }
        }
    }

    pub(super) fn expected(&self) -> Vec<Expected> {
        self.binaries
            .iter()
            .map(|binary| binary.expected.clone())
            .collect()
    }

    /// Calls `cmd.run_all`, again and again for a while when Salt is away. Machines that Salt does not know are taken
    /// out of `machines`; `None` when nothing was called. What failed has been said then.
    pub(super) async fn call(
        &self,
        machines: &mut BTreeSet<MachineId>,
        kwargs: Map<String, Value>,
    ) -> Option<Called> {
        let until = Instant::now() + AWAY_LIMIT;
        let called = loop {
            let call = Call {
                target: Target::list(&*machines),
                function: "cmd.run_all",
                args: Vec::new(),
                kwargs: kwargs.clone(),
                jid: None,
                wait: RETURN_WITHIN,
            };
            match self.salt.call(call).await {
                // Of two wrappers, the first to say hello is the one.
                Err(SaltError::Away(_) | SaltError::Unsure(_))
                    if Instant::now() + AWAY_PAUSE < until =>
                {
                    tokio::time::sleep(AWAY_PAUSE).await;
                }
                other => break other,
            }
        };
        match called {
            Err(error) => {
                let error = ExecutorError::from(error);
                for machine in std::mem::take(machines) {
                    self.tell(LaunchNews::Failed(machine, error.clone())).await;
                }
                None
            }
            Ok(called) => {
                let expected: BTreeSet<&MachineId> = called.expected.iter().collect();
                let (known, gone): (BTreeSet<MachineId>, BTreeSet<MachineId>) =
                    std::mem::take(machines)
                        .into_iter()
                        .partition(|machine| expected.contains(machine));
                *machines = known;
                for machine in gone {
                    self.failed(machine, NOT_KNOWN.to_owned()).await;
                }
                Some(called)
            }
        }
    }

    pub(super) async fn failed(&self, machine: MachineId, message: String) {
        let error = ExecutorError::Failed(message);
        self.tell(LaunchNews::ended(machine, error)).await;
    }

    pub(super) async fn tell(&self, news: LaunchNews) {
        // Nobody listens any more when the server stops.
        let _ = self.news.send(news).await;
    }
}

/// The return, if it is of one of `machines` that has not returned before. Of a machine that is silent, its wrapper will
/// tell, or the start window.
pub(super) fn own(machines: &mut BTreeSet<MachineId>, heard: Heard) -> Option<Return> {
    match heard {
        Heard::Silent(machine) => {
            machines.remove(&machine);
            None
        }
        Heard::Returned(returned) => machines.remove(&returned.machine).then_some(returned),
    }
}
