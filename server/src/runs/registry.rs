//! Who runs, and how to reach them.

use super::actor::{Actor, Origin};
use super::handle::{MAILBOX, Message};
use super::{
    Dispatch, KillError, NewRun, RunChange, RunHandle, RunStore, StartError, StartRun, StoreError,
};
use crate::clock::Clock;
use crate::lifecycle::panic_text;
use futures::FutureExt as _;
use saltpeter_domain::RunSpec;
use saltpeter_domain::run::{Input, LogEntry, LogEvent, Refused, Run};
use saltpeter_protocol::api::RunSummary;
use saltpeter_protocol::{
    JobName, MachineId, MissedReason, RunCause, RunId, RunOutcome, RunState, UnixMillis,
};
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{RwLock, broadcast, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Changes that a subscriber may be behind; one that is further behind reads the whole state anew.
const CHANGES: usize = 1024;

/// All runs. Clones share them.
#[derive(Clone)]
pub struct Runs {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) store: Arc<dyn RunStore>,
    pub(super) dispatch: Arc<dyn Dispatch>,
    pub(super) clock: Arc<dyn Clock>,
    actors: Mutex<HashMap<RunId, Entry>>,
    jobs: Mutex<HashMap<JobName, Slot>>,
    /// Held for reading while a run is created, for writing while one is brought back from the store: so
    /// that no run ever has two actors.
    births: RwLock<()>,
    changes: broadcast::Sender<Arc<RunChange>>,
    /// Cancelled when the actors are to end.
    pub(super) stop: CancellationToken,
    tasks: TaskTracker,
    /// What broke off first, once something has.
    broken: watch::Sender<Option<String>>,
}

/// A run is no longer looked after.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Broken(String);

/// An actor.
struct Entry {
    mailbox: mpsc::Sender<Message>,
    /// Cancelled when the actor has ended and the run may have another.
    over: CancellationToken,
}

/// A job's runs that are not over.
#[derive(Default)]
struct Slot {
    /// Held while it is decided which of the job's runs go on.
    deciding: Arc<tokio::sync::Mutex<()>>,
    /// In the order in which they were written down.
    active: Vec<Arc<RunSummary>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Runs {
    /// No runs yet. [`Runs::recover`] takes up those of the store; it comes before the first wrapper is heard.
    pub fn new(
        store: Arc<dyn RunStore>,
        dispatch: Arc<dyn Dispatch>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                store,
                dispatch,
                clock,
                actors: Mutex::default(),
                jobs: Mutex::default(),
                births: RwLock::default(),
                changes: broadcast::Sender::new(CHANGES),
                stop: CancellationToken::new(),
                tasks: TaskTracker::new(),
                broken: watch::Sender::default(),
            }),
        }
    }

    /// Begins a run, as the job's overlap policy has it. When this returns, the run is durable.
    pub async fn start(&self, start: StartRun) -> Result<RunId, StartError> {
        self.start_under_policy(start).await
    }

    /// Writes into the history that a run at `instant` was missed, and why.
    pub async fn record_missed(
        &self,
        job: JobName,
        spec: Arc<RunSpec>,
        instant: UnixMillis,
        reason: MissedReason,
    ) -> Result<RunId, StartError> {
        let cause = RunCause::Schedule { instant };
        let outcome = RunOutcome::Missed { reason };
        self.record(job, spec, cause, outcome).await
    }

    /// Notes that a job's instant is done with although it got no run and no row: the job was paused, or maintenance on.
    pub async fn pass_over(&self, job: JobName, instant: UnixMillis) -> Result<(), StoreError> {
        self.inner.store.pass_over(job, instant).await
    }

    /// Writes a run down that ended before it began.
    pub(super) async fn record(
        &self,
        job: JobName,
        spec: Arc<RunSpec>,
        cause: RunCause,
        outcome: RunOutcome,
    ) -> Result<RunId, StartError> {
        let created = self.inner.clock.now();
        let run = self
            .inner
            .store
            .create_run(NewRun {
                job,
                cause,
                created,
                spec,
                state: RunState::Ended {
                    at: created,
                    outcome,
                },
                only: None,
                reconnect_grace: Duration::ZERO,
            })
            .await?;
        self.publish(RunChange {
            summary: run.summary(),
            machines: Vec::new(),
        });
        Ok(run.id().clone())
    }

    /// Writes a run down and gives it its actor.
    pub(super) async fn create(&self, new: NewRun) -> Result<RunHandle, StartError> {
        let _birth = self.inner.births.read().await;
        if self.inner.stop.is_cancelled() {
            return Err(StartError::ShuttingDown);
        }
        let run = self.inner.store.create_run(new).await?;
        Ok(self.give_actor(run, Origin::New))
    }

    /// Ends a run, or one machine of it. When this returns, the wish is durable; the wrappers carry it out.
    pub async fn kill(
        &self,
        run: &RunId,
        machine: Option<MachineId>,
        by: String,
    ) -> Result<(), KillError> {
        let handle = self
            .handle(run)
            .await?
            .ok_or_else(|| KillError::UnknownRun(run.clone()))?;
        match handle.ask(Input::Kill { machine, by }).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(Refused::UnknownMachine(machine))) => Err(KillError::UnknownMachine(machine)),
            Ok(Err(_)) => Err(KillError::NotRunning),
            Err(_) => Err(KillError::ShuttingDown),
        }
    }

    /// The job's runs that are not over, oldest first.
    pub fn active(&self, job: &JobName) -> Vec<RunSummary> {
        lock(&self.inner.jobs)
            .get(job)
            .map(|slot| slot.active.iter().map(|run| (**run).clone()).collect())
            .unwrap_or_default()
    }

    /// All runs that are not over, each job's oldest first.
    pub fn all_active(&self) -> Vec<RunSummary> {
        lock(&self.inner.jobs)
            .values()
            .flat_map(|slot| &slot.active)
            .map(|run| (**run).clone())
            .collect()
    }

    /// A run with its machines, as it stands in the store.
    pub async fn stored(&self, run: &RunId) -> Result<Option<Run>, StoreError> {
        self.inner.store.run(run).await
    }

    /// Every change of a run from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<RunChange>> {
        self.inner.changes.subscribe()
    }

    /// Ends all actors once they have persisted what they took in. The runs go on at the next start.
    pub async fn close(&self) {
        self.inner.stop.cancel();
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }

    /// A way to talk to a run; `None` when there is no such run. A run that is over is brought back from
    /// the store, since a wrapper may return late.
    pub async fn handle(&self, run: &RunId) -> Result<Option<RunHandle>, StoreError> {
        loop {
            match self.reach(run) {
                Reach::Here(handle) => return Ok(Some(handle)),
                Reach::Ending(over) => over.cancelled().await,
                Reach::Absent => {
                    let _birth = self.inner.births.write().await;
                    if self.inner.stop.is_cancelled() {
                        return Ok(None);
                    }
                    if matches!(self.reach(run), Reach::Absent) {
                        let Some(found) = self.inner.store.run(run).await? else {
                            return Ok(None);
                        };
                        return Ok(Some(self.give_actor(found, Origin::Store)));
                    }
                }
            }
        }
    }

    /// A way to talk to a run that has an actor.
    pub(super) fn present(&self, run: &RunId) -> Option<RunHandle> {
        match self.reach(run) {
            Reach::Here(handle) => Some(handle),
            Reach::Ending(_) | Reach::Absent => None,
        }
    }

    fn reach(&self, run: &RunId) -> Reach {
        match lock(&self.inner.actors).get(run) {
            None => Reach::Absent,
            Some(entry) if entry.mailbox.is_closed() => Reach::Ending(entry.over.clone()),
            Some(entry) => Reach::Here(RunHandle {
                run: run.clone(),
                runs: self.clone(),
                mailbox: entry.mailbox.clone(),
            }),
        }
    }

    /// Starts the actor of a run that has none.
    pub(super) fn give_actor(&self, run: Run, origin: Origin) -> RunHandle {
        let id = run.id().clone();
        let mailbox = self.register(&id);
        self.note(&run);
        let actor = Actor::new(self.clone(), run, mailbox.1);
        self.spawn(id.to_string(), actor.live(origin));
        RunHandle {
            run: id,
            runs: self.clone(),
            mailbox: mailbox.0,
        }
    }

    /// Opens a mailbox for a run; one that it had before is replaced.
    pub(super) fn register(&self, run: &RunId) -> (mpsc::Sender<Message>, mpsc::Receiver<Message>) {
        let (mailbox, messages) = mpsc::channel(MAILBOX);
        let entry = Entry {
            mailbox: mailbox.clone(),
            over: CancellationToken::new(),
        };
        if let Some(old) = lock(&self.inner.actors).insert(run.clone(), entry) {
            old.over.cancel();
        }
        (mailbox, messages)
    }

    /// The run's actor has ended.
    pub(super) fn unregister(&self, run: &RunId) {
        if let Some(entry) = lock(&self.inner.actors).remove(run) {
            entry.over.cancel();
        }
    }

    /// Whether somebody has to do with the run: it is going on, or has ended a moment ago, or a wrapper has returned.
    pub fn is_present(&self, run: &RunId) -> bool {
        !matches!(self.reach(run), Reach::Absent)
    }

    /// How many actors live.
    pub fn actors(&self) -> usize {
        lock(&self.inner.actors).len()
    }

    /// Keeps the list of the job's active runs right. True when the run is not in it any longer.
    pub(super) fn note(&self, run: &Run) -> bool {
        let mut jobs = lock(&self.inner.jobs);
        let slot = jobs.entry(run.job().clone()).or_default();
        let place = slot.active.iter().position(|known| known.id == *run.id());
        match (place, run.state().is_ended()) {
            (Some(place), false) => slot.active[place] = Arc::new(run.summary()),
            (None, false) => {
                let created = run.head().created;
                let place = slot
                    .active
                    .partition_point(|known| known.created <= created);
                slot.active.insert(place, Arc::new(run.summary()));
            }
            (Some(place), true) => {
                slot.active.remove(place);
                return true;
            }
            (None, true) => {}
        }
        false
    }

    /// The lock under which it is decided which of the job's runs go on.
    pub(super) fn deciding(&self, job: &JobName) -> Arc<tokio::sync::Mutex<()>> {
        Arc::clone(
            &lock(&self.inner.jobs)
                .entry(job.clone())
                .or_default()
                .deciding,
        )
    }

    pub(super) fn publish(&self, change: RunChange) {
        // Nobody listening is no error.
        let _ = self.inner.changes.send(Arc::new(change));
    }

    /// Has `task` done. If it breaks off, `whose` stands still, and [`Runs::watch`] says so.
    pub(super) fn spawn(&self, whose: String, task: impl Future<Output = ()> + Send + 'static) {
        let runs = self.clone();
        self.inner.tasks.spawn(async move {
            if let Err(panic) = AssertUnwindSafe(task).catch_unwind().await {
                let why = format!("that of {whose} panicked: {}", panic_text(&*panic));
                runs.inner.broken.send_if_modified(|known| {
                    let is_first = known.is_none();
                    known.get_or_insert(why);
                    is_first
                });
            }
        });
    }

    /// Until `stop`, or until something breaks off that looks after a run: nobody else would notice.
    ///
    /// # Errors
    /// What broke off.
    pub async fn watch(self, stop: CancellationToken) -> Result<(), Broken> {
        let mut broken = self.inner.broken.subscribe();
        tokio::select! {
            () = stop.cancelled() => Ok(()),
            Ok(why) = broken.wait_for(Option::is_some) => {
                Err(Broken(why.clone().unwrap_or_default()))
            }
        }
    }

    pub(super) fn log(&self, job: JobName, group: String, event: LogEvent) {
        let at = self.inner.clock.now();
        self.inner.dispatch.log(LogEntry {
            job,
            group,
            at,
            event,
        });
    }
}

enum Reach {
    Here(RunHandle),
    Ending(CancellationToken),
    Absent,
}
