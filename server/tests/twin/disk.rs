//! What outlives the server, and the store of runs on it. A server may die before and after each commit.

use crate::life::Life;
use crate::world::{Mutation, World};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use saltpeter_domain::job::Overlap;
use saltpeter_domain::run::Run;
use saltpeter_protocol::{
    Attempt, JobName, LaunchErrorKind, MachineId, MachineOutcome, RunCause, RunId, RunState,
    UnixMillis,
};
use saltpeter_server::runs::{CreateError, NewRun, RunStore, RunWrite, StoreError};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Odds of dying at a point before or after a commit.
pub(crate) const DEATH: u64 = 200;

#[derive(Default)]
pub(crate) struct Disk {
    /// In the order of their creation.
    pub(crate) runs: Vec<Run>,
    /// Up to where a job's instants are done with, as noted.
    passed: BTreeMap<JobName, UnixMillis>,
    /// From when on a job was planned.
    pub(crate) first: BTreeMap<JobName, UnixMillis>,
    /// Runs that went on after their end.
    reopened: BTreeSet<RunId>,
    pub(crate) output: BTreeMap<(RunId, MachineId, Attempt), Vec<u8>>,
}

impl Disk {
    pub(crate) fn run(&self, id: &RunId) -> Option<&Run> {
        self.runs.iter().find(|run| run.id() == id)
    }

    pub(crate) fn last_instants(&self) -> BTreeMap<JobName, UnixMillis> {
        let mut last = self.passed.clone();
        for run in &self.runs {
            if let Some(instant) = run.head().cause.instant() {
                let known = last.entry(run.job().clone()).or_insert(instant);
                *known = (*known).max(instant);
            }
        }
        last
    }

    fn create(&mut self, new: &NewRun, world: &World) -> Result<Run, CreateError> {
        let instant = new.cause.instant();
        if instant.is_some()
            && let Some(same) = self
                .runs
                .iter()
                .find(|run| *run.job() == new.job && run.head().cause.instant() == instant)
            && !world.is(Mutation::NoDedupe)
        {
            return Err(CreateError::AlreadyStarted(same.id().clone()));
        }
        let id = (1..1000)
            .map(|ordinal| RunId::compose(&new.job, new.created, ordinal))
            .find(|id| self.run(id).is_none())
            .unwrap();
        let run = new.named(id);
        world.note(format_args!(
            "create {} {:?} {:?}",
            run.id(),
            run.head().cause,
            run.state()
        ));
        self.runs.push(run.clone());
        self.check_overlap(run.job(), world);
        Ok(run)
    }

    fn save(&mut self, write: RunWrite, world: &World) {
        let Some(place) = self.runs.iter().position(|run| *run.id() == write.id) else {
            return world.violation(format_args!("{} is saved and was never created", write.id));
        };
        let run = &self.runs[place];
        let mut head = run.head().clone();
        world.note(format_args!("save {} {:?}", write.id, write.state));
        if head.state.is_ended() && !write.state.is_ended() {
            self.reopened.insert(write.id.clone());
        }
        head.state = write.state;
        head.kill = write.kill;
        head.stopped = write.stopped;
        let mut machines = run.machines().clone();
        for (id, mut machine) in write.machines {
            machine.heard = None;
            machine.kill_sent = None;
            machine.awaited = false;
            if world.is(Mutation::ForgetSpeaker) {
                machine.bound = None;
            }
            if world.is(Mutation::ForgetKill) {
                machine.kill = None;
            }
            world.note(format_args!("  {id} {:?}", machine.state));
            let before = machines.get(&id).and_then(|before| before.state.outcome());
            if let Some(before) = before
                && Some(before) != machine.state.outcome()
                && !is_guess(before)
            {
                world.violation(format_args!(
                    "{} {id}: the outcome {before:?} becomes {:?}",
                    write.id, machine.state
                ));
            }
            machines.insert(id, machine);
        }
        if world.is(Mutation::ForgetKill) {
            head.kill = None;
        }
        let job = head.job.clone();
        self.runs[place] = Run::new(head, machines);
        if self.runs[place].counts() != write.counts {
            world.violation(format_args!("{}: wrong counts", write.id));
        }
        self.check_overlap(&job, world);
    }

    /// Of a job's runs one goes at a time, and one waits.
    fn check_overlap(&self, job: &JobName, world: &World) {
        let of_job = || {
            self.runs
                .iter()
                .filter(|run| run.job() == job && !self.reopened.contains(run.id()))
        };
        let Some(policy) = of_job().next_back().map(|run| run.spec().overlap) else {
            return;
        };
        let going = |run: &&Run| !run.state().is_ended() && *run.state() != RunState::Queued;
        if policy != Overlap::Allow && of_job().filter(going).count() > 1 {
            world.violation(format_args!("two runs of {job} at a time"));
        }
        let waits = |run: &&Run| {
            let catches_up = matches!(run.head().cause, RunCause::CatchUp { .. });
            *run.state() == RunState::Queued && !catches_up
        };
        if policy == Overlap::Queue && of_job().filter(waits).count() > 1 {
            world.violation(format_args!("two runs of {job} wait"));
        }
    }
}

/// Whether an outcome was a guess made in silence, which the wrapper's own report may replace.
pub(crate) fn is_guess(outcome: &MachineOutcome) -> bool {
    matches!(
        outcome,
        MachineOutcome::Lost
            | MachineOutcome::StartFailed {
                kind_of: LaunchErrorKind::NoContact,
                ..
            }
    )
}

/// The store of one life.
pub(crate) struct SimStore {
    world: Arc<World>,
    life: Arc<Life>,
    /// One writes at a time.
    turn: tokio::sync::Mutex<()>,
}

impl SimStore {
    pub(crate) fn new(world: Arc<World>, life: Arc<Life>) -> Self {
        Self {
            world,
            life,
            turn: tokio::sync::Mutex::new(()),
        }
    }

    async fn takes_time(&self) {
        let pause = {
            let mut dice = self.world.dice();
            if dice.one_in(200) {
                dice.millis(200, 4000)
            } else if dice.one_in(3) {
                dice.millis(1, 15)
            } else {
                std::time::Duration::ZERO
            }
        };
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        self.life.gate().await;
    }

    async fn may_die(&self) {
        if self.life.is_alive() && self.world.breaks(DEATH) {
            let heard = !self.world.dice().one_in(3);
            self.life.die(&self.world, heard);
        }
        self.life.gate().await;
    }

    async fn commit<T>(&self, write: impl FnOnce(&mut Disk, &World) -> T) -> T {
        let _turn = self.turn.lock().await;
        self.life.gate().await;
        self.takes_time().await;
        self.may_die().await;
        let result = write(&mut self.world.disk(), &self.world);
        self.may_die().await;
        self.takes_time().await;
        result
    }
}

impl RunStore for SimStore {
    fn create_run(&self, new: NewRun) -> BoxFuture<'_, Result<Run, CreateError>> {
        self.commit(move |disk, world| disk.create(&new, world))
            .boxed()
    }

    fn pass_over(
        &self,
        job: JobName,
        instant: UnixMillis,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        self.commit(move |disk, _| {
            let known = disk.passed.entry(job.clone()).or_insert(instant);
            *known = (*known).max(instant);
            disk.first.entry(job).or_insert(instant);
            Ok(())
        })
        .boxed()
    }

    fn save(&self, write: RunWrite) -> BoxFuture<'_, Result<(), StoreError>> {
        async move {
            if self.world.is(Mutation::ActBeforeWrite) {
                let (world, life) = (Arc::clone(&self.world), Arc::clone(&self.life));
                tokio::spawn(async move {
                    tokio::time::sleep(std::time::Duration::from_millis(30)).await;
                    life.gate().await;
                    world.disk().save(write, &world);
                });
                return Ok(());
            }
            if self.world.breaks(150) {
                self.world.note(format_args!("a save fails"));
                return Err(StoreError::Closed);
            }
            self.commit(|disk, world| disk.save(write, world)).await;
            Ok(())
        }
        .boxed()
    }

    fn run<'a>(&'a self, id: &'a RunId) -> BoxFuture<'a, Result<Option<Run>, StoreError>> {
        async move {
            self.life.gate().await;
            self.takes_time().await;
            Ok(self.world.disk().run(id).cloned())
        }
        .boxed()
    }

    fn unfinished_runs(&self) -> BoxFuture<'_, Result<Vec<Run>, StoreError>> {
        async move {
            self.life.gate().await;
            let disk = self.world.disk();
            let unfinished = disk.runs.iter().filter(|run| !run.state().is_ended());
            Ok(unfinished.cloned().collect())
        }
        .boxed()
    }
}
