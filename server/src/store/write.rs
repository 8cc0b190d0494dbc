//! The one writer of the database.
//!
//! Orders that wait together are carried out in one transaction, so that a thousand runs that begin in the
//! same second cost a few commits. When one of them fails, each is carried out on its own, so that it fails alone.

mod runs;

use super::audit::Added;
use super::health::{Commits, is_of_storage};
use super::{StoreError, audit, people, retention, transaction};
use crate::people::PeopleWrite;
use crate::runs::{CreateError, NewRun, RunWrite};
use saltpeter_domain::run::Run;
use saltpeter_protocol::api::Pause;
use saltpeter_protocol::{JobName, UnixMillis};
use sqlx::{Connection, SqliteConnection};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Orders that share a transaction.
const TOGETHER: usize = 512;
/// How often a writer with nothing to write looks whether the storage can be written again.
const PROBE_EVERY: Duration = Duration::from_secs(1);
type Done<T, E = StoreError> = oneshot::Sender<Result<T, E>>;

/// Something to write, and who waits for it to be durable.
pub(super) enum Order {
    /// A run that is not yet in the database.
    Create(Box<NewRun>, Done<Run, CreateError>),
    /// An instant of a job that gets no run.
    PassOver(JobName, UnixMillis, Done<()>),
    /// Changes of one that is.
    Save(Box<RunWrite>, Done<()>),
    /// A job is paused.
    Pause(JobName, Pause, Done<()>),
    /// A job is resumed.
    Unpause(JobName, Done<()>),
    /// Bytes of output of ended runs, by the runs' numbers.
    SetOutput(Vec<(i64, u64)>, Done<()>),
    /// Some rows of an ended run go; whether there are more is told.
    DeleteSome(i64, Done<bool>),
    /// A value to remember.
    SetMeta(String, String, Done<()>),
    /// A change of people, sessions or tokens; the rows that it changed are told.
    People(Box<PeopleWrite>, Done<u64>),
    /// An entry of the audit trail.
    Audit(Box<Added>, Done<()>),
    /// Some entries of it from before this time go; how many is told.
    ForgetAudit(UnixMillis, Done<u64>),
}

/// What an order has come to, to be told once it is durable.
enum Outcome {
    Created(Box<Result<Run, CreateError>>),
    Written,
    /// Whether there is more to delete.
    Deleted(bool),
    /// How many rows are not as they were.
    Changed(u64),
}

pub(super) struct Writer {
    connection: SqliteConnection,
    orders: mpsc::Receiver<Order>,
    commits: Commits,
}

impl Writer {
    pub(super) fn new(
        connection: SqliteConnection,
        orders: mpsc::Receiver<Order>,
        commits: Commits,
    ) -> Self {
        Self {
            connection,
            orders,
            commits,
        }
    }

    /// Until every sender is gone and everything is written.
    pub(super) async fn work(mut self) {
        let mut batch = Vec::new();
        while self.next(&mut batch).await > 0 {
            let orders = std::mem::take(&mut batch);
            match self.commit(&orders).await {
                Ok(outcomes) => {
                    for (order, outcome) in orders.into_iter().zip(outcomes) {
                        order.answer(Ok(outcome));
                    }
                }
                Err(error) if orders.len() == 1 || is_of_storage(&error) => {
                    for order in orders {
                        order.answer(Err(error.clone()));
                    }
                }
                Err(_) => {
                    for order in orders {
                        let alone = std::slice::from_ref(&order);
                        let result = self.commit(alone).await;
                        let outcome = result.map(|mut outcomes| outcomes.pop());
                        match outcome {
                            Ok(Some(outcome)) => order.answer(Ok(outcome)),
                            Ok(None) => order.answer(Err(StoreError::Closed)),
                            Err(error) => order.answer(Err(error)),
                        }
                    }
                }
            }
        }
        // What has been overwritten is not to stay in the log either.
        let emptied = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut self.connection);
        if let Err(error) = emptied.await {
            tracing::debug!(%error, "the database's log was not emptied");
        }
        if let Err(error) = self.connection.close().await {
            tracing::warn!(%error, "the database did not close cleanly");
        }
    }

    /// Waits for orders; 0 when there will be none any more. While the storage fails it is tried now and then, since
    /// those who have something to write may be waiting until it can be.
    async fn next(&mut self, batch: &mut Vec<Order>) -> usize {
        loop {
            let orders = self.orders.recv_many(batch, TOGETHER);
            if !self.commits.failing() {
                return orders.await;
            }
            match tokio::time::timeout(PROBE_EVERY, orders).await {
                Ok(count) => return count,
                // Its outcome goes where every commit's does.
                Err(_) => drop(self.commits.watch(probe(&mut self.connection)).await),
            }
        }
    }

    async fn commit(&mut self, orders: &[Order]) -> Result<Vec<Outcome>, StoreError> {
        // Orders may find nothing to change, and then say nothing of the storage.
        let probing = self.commits.failing();
        let commit = async {
            transaction::begin(&mut self.connection).await?;
            let done = carry_out_all(&mut self.connection, orders, probing).await;
            transaction::end(&mut self.connection, done).await
        };
        self.commits.watch(commit).await
    }
}

impl Order {
    fn answer(self, result: Result<Outcome, StoreError>) {
        // Whoever asked may have gone; what is written stays written.
        match (self, result) {
            (Self::Create(_, done), Ok(Outcome::Created(created))) => {
                let _ = done.send(*created);
            }
            (Self::Create(_, done), Err(error)) => {
                let _ = done.send(Err(error.into()));
            }
            (Self::DeleteSome(_, done), Ok(Outcome::Deleted(more))) => {
                let _ = done.send(Ok(more));
            }
            (Self::DeleteSome(_, done), Err(error)) => {
                let _ = done.send(Err(error));
            }
            (Self::People(_, done) | Self::ForgetAudit(_, done), Ok(Outcome::Changed(rows))) => {
                let _ = done.send(Ok(rows));
            }
            (Self::People(_, done) | Self::ForgetAudit(_, done), Err(error)) => {
                let _ = done.send(Err(error));
            }
            (
                Self::Create(..) | Self::DeleteSome(..) | Self::People(..) | Self::ForgetAudit(..),
                Ok(_),
            ) => {}
            (
                Self::Save(_, done)
                | Self::PassOver(_, _, done)
                | Self::Pause(_, _, done)
                | Self::Unpause(_, done)
                | Self::SetOutput(_, done)
                | Self::Audit(_, done)
                | Self::SetMeta(_, _, done),
                result,
            ) => {
                let _ = done.send(result.map(|_| ()));
            }
        }
    }
}

/// Writes something that nobody reads.
async fn probe(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO meta (name, value) VALUES ('probe', '1') ON CONFLICT (name) DO UPDATE SET value = value + 1",
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn carry_out_all(
    connection: &mut SqliteConnection,
    orders: &[Order],
    probing: bool,
) -> Result<Vec<Outcome>, StoreError> {
    let mut outcomes = Vec::with_capacity(orders.len());
    for order in orders {
        outcomes.push(carry_out(connection, order).await?);
    }
    if probing {
        probe(connection).await?;
    }
    Ok(outcomes)
}

async fn carry_out(
    connection: &mut SqliteConnection,
    order: &Order,
) -> Result<Outcome, StoreError> {
    match order {
        Order::Create(new, _) => {
            let created = runs::create(connection, new).await?;
            return Ok(Outcome::Created(Box::new(created)));
        }
        Order::Save(write, _) => runs::save(connection, write).await?,
        Order::PassOver(job, instant, _) => runs::note_instant(connection, job, instant.0).await?,
        Order::Pause(job, pause, _) => {
            sqlx::query(
                "INSERT INTO pauses (job, paused_by, paused_at) VALUES (?, ?, ?) ON CONFLICT (job) DO NOTHING",
            )
            .bind(job.as_str())
            .bind(pause.by.as_str())
            .bind(pause.at.0)
            .execute(connection)
            .await?;
        }
        Order::Unpause(job, _) => {
            sqlx::query("DELETE FROM pauses WHERE job = ?")
                .bind(job.as_str())
                .execute(connection)
                .await?;
        }
        Order::SetOutput(runs, _) => retention::set_output(connection, runs).await?,
        Order::DeleteSome(seq, _) => {
            let more = retention::delete_some(connection, *seq).await?;
            return Ok(Outcome::Deleted(more));
        }
        Order::Audit(entry, _) => audit::add(connection, entry).await?,
        Order::ForgetAudit(before, _) => {
            let gone = audit::forget(connection, *before).await?;
            return Ok(Outcome::Changed(gone));
        }
        Order::People(write, _) => {
            let rows = people::carry_out(connection, write).await?;
            return Ok(Outcome::Changed(rows));
        }
        Order::SetMeta(name, value, _) => {
            sqlx::query(
                "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            )
            .bind(name.as_str())
            .bind(value.as_str())
            .execute(connection)
            .await?;
        }
    }
    Ok(Outcome::Written)
}
