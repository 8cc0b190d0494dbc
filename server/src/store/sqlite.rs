//! The `SQLite` database of runs, machines, pauses and the like: one connection that writes, a few that read.

use super::faults::Faults;
use super::health::{Commits, Health, Kept};
use super::write::{Order, Writer};
use super::{StoreError, open};
use crate::runs::{
    CreateError, Lasted, MachineResults, MachineWork, NewRun, RunHistory, RunStore, RunWrite,
};
use futures::future::BoxFuture;
use saltpeter_domain::run::Run;
use saltpeter_protocol::api::{JobPast, LaneBy, Pause, RunList, RunQuery, RunSummary};
use saltpeter_protocol::{Attempt, JobName, MachineId, RunId, UnixMillis};
use sqlx::sqlite::SqlitePool;
use sqlx::{ConnectOptions, SqliteConnection};
use std::path::Path;
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;

/// Writes that may wait for the writer.
const MAX_QUEUED: usize = 1024;

/// The store. Clones share it.
#[derive(Clone)]
pub struct Store {
    pub(super) readers: SqlitePool,
    orders: mpsc::Sender<Order>,
    writer: TaskTracker,
}

impl Store {
    /// Opens the database `path`, makes it if there is none, and brings it up to date.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_with(path, Health::default(), Faults::default()).await
    }

    /// The same, reporting to `health` whether it can be written, and suffering `faults`.
    pub async fn open_with(
        path: &Path,
        health: Health,
        faults: Faults,
    ) -> Result<Self, StoreError> {
        let failed = |reason: String| StoreError::Open {
            path: path.display().to_string(),
            reason,
        };
        let refused = |error: &sqlx::Error| {
            failed(open::advice(error, path).unwrap_or_else(|| error.to_string()))
        };
        let options = open::to_write(path)
            .foreign_keys(true)
            // What is overwritten or deleted is gone from its page, and not merely out of use.
            .pragma("secure_delete", "fast");
        let damage = open::check(path).await.map_err(|error| refused(&error))?;
        if let Some(damage) = damage {
            return Err(failed(open::damaged(path, &damage)));
        }
        let mut connection = options.connect().await.map_err(|error| refused(&error))?;
        sqlx::migrate!("./migrations/runs")
            .run(&mut connection)
            .await
            .map_err(|error| match open::of_migration(&error) {
                Some(error) => refused(error),
                None => failed(error.to_string()),
            })?;
        make_shrinkable(&mut connection, path).await;
        let readers = open::readers(path).await;
        let readers = readers.map_err(|error| refused(&error))?;
        let (orders, queue) = mpsc::channel(MAX_QUEUED);
        let writer = TaskTracker::new();
        let commits = Commits::new(Kept::State, path, health, faults);
        writer.spawn(Writer::new(connection, queue, commits).work());
        Ok(Self {
            readers,
            orders,
            writer,
        })
    }

    /// Ends once everything that was handed over is durable and every other clone is gone.
    pub async fn close(self) {
        let Self {
            readers,
            orders,
            writer,
        } = self;
        drop(orders);
        writer.close();
        writer.wait().await;
        readers.close().await;
    }

    /// Waits until the writer has ended. While somebody has the store it does so only by a fault.
    pub async fn writer_ended(&self) {
        self.orders.closed().await;
    }

    /// Pauses a job. One that is paused already stays as it is.
    pub async fn pause(&self, job: &JobName, pause: &Pause) -> Result<(), StoreError> {
        let (job, pause) = (job.clone(), pause.clone());
        self.order(|done| Order::Pause(job, pause, done)).await
    }

    /// Resumes a job. One that is not paused stays as it is.
    pub async fn unpause(&self, job: &JobName) -> Result<(), StoreError> {
        let job = job.clone();
        self.order(|done| Order::Unpause(job, done)).await
    }

    /// Remembers `value` under `name`.
    pub async fn set_meta(&self, name: &str, value: &str) -> Result<(), StoreError> {
        let (name, value) = (name.to_owned(), value.to_owned());
        self.order(|done| Order::SetMeta(name, value, done)).await
    }

    pub(super) async fn order<T, E: From<StoreError>>(
        &self,
        order: impl FnOnce(oneshot::Sender<Result<T, E>>) -> Order,
    ) -> Result<T, E> {
        let (done, answer) = oneshot::channel();
        self.orders
            .send(order(done))
            .await
            .map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

/// Files of earlier versions cannot give room back before they have been written anew, once.
async fn make_shrinkable(connection: &mut SqliteConnection, path: &Path) {
    let made = async {
        let mode: i64 = sqlx::query_scalar("PRAGMA auto_vacuum")
            .fetch_one(&mut *connection)
            .await?;
        if mode == 0 {
            sqlx::query("VACUUM").execute(connection).await?;
        }
        Ok::<_, sqlx::Error>(())
    };
    if let Err(error) = made.await {
        tracing::warn!(file = %path.display(), %error, "the database does not get smaller when runs are deleted; the next start tries again to change that");
    }
}

impl RunStore for Store {
    fn create_run(&self, new: NewRun) -> BoxFuture<'_, Result<Run, CreateError>> {
        Box::pin(self.order(|done| Order::Create(Box::new(new), done)))
    }

    fn pass_over(
        &self,
        job: JobName,
        instant: UnixMillis,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.order(move |done| Order::PassOver(job, instant, done)))
    }

    fn save(&self, write: RunWrite) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.order(|done| Order::Save(Box::new(write), done)))
    }

    fn run<'a>(&'a self, id: &'a RunId) -> BoxFuture<'a, Result<Option<Run>, StoreError>> {
        Box::pin(self.read_run(id))
    }

    fn unfinished_runs(&self) -> BoxFuture<'_, Result<Vec<Run>, StoreError>> {
        Box::pin(self.read_unfinished())
    }
}

impl RunHistory for Store {
    fn newest<'a>(
        &'a self,
        job: &'a JobName,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<RunSummary>, StoreError>> {
        Box::pin(self.history(job, limit))
    }

    fn past<'a>(
        &'a self,
        job: &'a JobName,
        failed: Option<&'a RunId>,
        now: UnixMillis,
    ) -> BoxFuture<'a, Result<JobPast, StoreError>> {
        Box::pin(Store::past(self, job, failed, now))
    }

    fn last_succeeded<'a>(
        &'a self,
        job: &'a JobName,
    ) -> BoxFuture<'a, Result<Option<UnixMillis>, StoreError>> {
        Box::pin(Store::last_succeeded(self, job))
    }

    fn newest_attempt<'a>(
        &'a self,
        run: &'a RunId,
        machine: &'a MachineId,
    ) -> BoxFuture<'a, Result<Option<Option<Attempt>>, StoreError>> {
        Box::pin(Store::newest_attempt(self, run, machine))
    }

    fn by<'a>(
        &'a self,
        asked: &'a RunQuery,
        limit: u32,
    ) -> BoxFuture<'a, Result<RunList, StoreError>> {
        Box::pin(self.runs_by(asked, limit))
    }

    fn machines(
        &self,
        days: u32,
        now: UnixMillis,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<MachineResults>, StoreError>> {
        Box::pin(self.machine_results(days, now, limit))
    }

    fn work(&self, limit: u32) -> BoxFuture<'_, Result<Vec<MachineWork>, StoreError>> {
        Box::pin(self.work_now(limit))
    }

    fn lasted(
        &self,
        by: LaneBy,
        span: (UnixMillis, UnixMillis),
        now: UnixMillis,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<Lasted>, StoreError>> {
        Box::pin(self.lasted_within(by, span, now, limit))
    }
}
