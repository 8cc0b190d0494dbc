//! A store in memory that fails when told to.

use crate::runs::{CreateError, NewRun, RunStore, RunWrite, StoreError};
use futures::future::BoxFuture;
use saltpeter_domain::run::Run;
use saltpeter_protocol::{JobName, RunId, RunState, UnixMillis};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// Keeps runs in memory, in the order of their creation.
#[derive(Default)]
pub(super) struct MemoryStore {
    runs: Mutex<Vec<Run>>,
    broken: AtomicBool,
}

impl MemoryStore {
    /// From now on writing fails, or works.
    pub(super) fn set_broken(&self, broken: bool) {
        self.broken.store(broken, Ordering::SeqCst);
    }

    fn working(&self) -> Result<(), StoreError> {
        if self.broken.load(Ordering::SeqCst) {
            Err(StoreError::Closed)
        } else {
            Ok(())
        }
    }

    pub(super) fn get(&self, id: &RunId) -> Run {
        let runs = self.runs.lock().unwrap();
        runs.iter().find(|run| run.id() == id).unwrap().clone()
    }

    pub(super) fn states(&self) -> Vec<RunState> {
        let runs = self.runs.lock().unwrap();
        runs.iter().map(|run| run.state().clone()).collect()
    }

    pub(super) fn create(&self, new: &NewRun) -> Result<Run, CreateError> {
        self.working()?;
        let mut runs = self.runs.lock().unwrap();
        let instant = new.cause.instant();
        if instant.is_some()
            && let Some(same) = runs
                .iter()
                .find(|run| *run.job() == new.job && run.head().cause.instant() == instant)
        {
            return Err(CreateError::AlreadyStarted(same.id().clone()));
        }
        let id = (1..1000)
            .map(|ordinal| RunId::compose(&new.job, new.created, ordinal))
            .find(|id| runs.iter().all(|run| run.id() != id))
            .unwrap();
        let run = new.named(id);
        runs.push(run.clone());
        Ok(run)
    }

    fn write(&self, write: RunWrite) -> Result<(), StoreError> {
        self.working()?;
        let mut runs = self.runs.lock().unwrap();
        let run = runs.iter_mut().find(|run| *run.id() == write.id).unwrap();
        let mut head = run.head().clone();
        head.state = write.state;
        head.kill = write.kill;
        head.stopped = write.stopped;
        let mut machines = run.machines().clone();
        for (id, mut machine) in write.machines {
            machine.heard = None;
            machine.kill_sent = None;
            machine.awaited = false;
            machines.insert(id, machine);
        }
        *run = Run::new(head, machines);
        assert_eq!(run.counts(), write.counts);
        Ok(())
    }
}

impl RunStore for MemoryStore {
    fn create_run(&self, new: NewRun) -> BoxFuture<'_, Result<Run, CreateError>> {
        Box::pin(async move { self.create(&new) })
    }

    fn pass_over(&self, _: JobName, _: UnixMillis) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async { self.working() })
    }

    fn save(&self, write: RunWrite) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async { self.write(write) })
    }

    fn run<'a>(&'a self, id: &'a RunId) -> BoxFuture<'a, Result<Option<Run>, StoreError>> {
        let runs = self.runs.lock().unwrap();
        let found = runs.iter().find(|run| run.id() == id).cloned();
        Box::pin(async { Ok(found) })
    }

    fn unfinished_runs(&self) -> BoxFuture<'_, Result<Vec<Run>, StoreError>> {
        let runs = self.runs.lock().unwrap();
        let found = runs.iter().filter(|run| !run.state().is_ended()).cloned();
        let found = found.collect();
        Box::pin(async { Ok(found) })
    }
}
