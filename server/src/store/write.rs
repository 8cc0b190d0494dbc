//! The one writer of the database.
//!
//! Orders that wait together are carried out in one transaction, so that a thousand runs that begin in the
//! same second cost a few commits. When one of them fails, each is carried out on its own, so that it fails alone.

use super::audit::Added;
use super::health::Commits;
use super::read::query;
use super::row::{to_json, to_json_if};
use super::{StoreError, audit, past, people, retention, transaction};
use crate::people::PeopleWrite;
use crate::runs::{CreateError, NewRun, RunWrite};
use saltpeter_domain::run::{MachineRun, Run, RunHead};
use saltpeter_protocol::api::Pause;
use saltpeter_protocol::{JobName, MachineId, RunId, RunOutcome, RunState, UnixMillis};
use sqlx::{AssertSqlSafe, Connection, QueryBuilder, Row, Sqlite, SqliteConnection};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Orders that share a transaction.
const TOGETHER: usize = 512;
/// How often a writer with nothing to write looks whether the storage can be written again.
const PROBE_EVERY: Duration = Duration::from_secs(1);
/// Machines in one statement; the database takes 32766 arguments.
const MACHINES_PER_STATEMENT: usize = 1000;

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
                Err(error) if orders.len() == 1 || self.commits.failing() => {
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
        Order::Create(new, _) => return create(connection, new).await,
        Order::Save(write, _) => save(connection, write).await?,
        Order::PassOver(job, instant, _) => note_instant(connection, job, instant.0).await?,
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

/// Remembers the newest instant of a job that is done with.
async fn note_instant(
    connection: &mut SqliteConnection,
    job: &JobName,
    instant: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO job_instants (job, instant) VALUES (?, ?) ON CONFLICT (job) \
         DO UPDATE SET instant = excluded.instant WHERE excluded.instant > job_instants.instant",
    )
    .bind(job.as_str())
    .bind(instant)
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes a run down under the first free name of its second.
async fn create(connection: &mut SqliteConnection, new: &NewRun) -> Result<Outcome, StoreError> {
    let instant = new.cause.instant().map(|instant| instant.0);
    if let Some(instant) = instant {
        let earlier = sqlx::query(AssertSqlSafe(query::by_instant()))
            .bind(new.job.as_str())
            .bind(instant)
            .fetch_optional(&mut *connection)
            .await?;
        if let Some(earlier) = earlier {
            let id: RunId = earlier
                .try_get::<String, _>(0)?
                .parse()
                .map_err(|e| super::row::corrupt("a run's name", &e))?;
            let started = CreateError::AlreadyStarted(id);
            return Ok(Outcome::Created(Box::new(Err(started))));
        }
        let deleted: Option<i64> = sqlx::query_scalar(AssertSqlSafe(query::deleted()))
            .bind(new.job.as_str())
            .fetch_optional(&mut *connection)
            .await?
            .flatten();
        if deleted.is_some_and(|deleted| instant <= deleted) {
            return Ok(Outcome::Created(Box::new(Err(CreateError::Deleted))));
        }
        note_instant(connection, &new.job, instant).await?;
    }
    let mut ordinal = 1;
    loop {
        let run = Run::new(
            RunHead {
                id: RunId::compose(&new.job, new.created, ordinal),
                job: new.job.clone(),
                cause: new.cause.clone(),
                created: new.created,
                spec: new.spec.clone(),
                state: new.state.clone(),
                kill: None,
                stopped: None,
                only: new.only.clone(),
                reconnect_grace: new.reconnect_grace,
            },
            BTreeMap::new(),
        );
        if insert(connection, &run, instant).await? {
            return Ok(Outcome::Created(Box::new(Ok(run))));
        }
        ordinal += 1;
    }
}

/// False when the name is taken.
async fn insert(
    connection: &mut SqliteConnection,
    run: &Run,
    instant: Option<i64>,
) -> Result<bool, StoreError> {
    let head = run.head();
    let result = sqlx::query(
        "INSERT INTO runs (id, job, instant, created, ended, cause, state, counts, running_on, spec, \
         only_machines, reconnect_grace) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
    )
    .bind(head.id.as_str())
    .bind(head.job.as_str())
    .bind(instant)
    .bind(head.created.0)
    .bind(ended(&head.state))
    .bind(to_json(&head.cause)?)
    .bind(to_json(&head.state)?)
    .bind(to_json(&run.counts())?)
    .bind(to_json(&run.running_on())?)
    .bind(if run.is_settled() {
        to_json(&head.spec.without_values())?
    } else {
        to_json(&*head.spec)?
    })
    .bind(to_json_if(head.only.as_ref())?)
    .bind(i64::try_from(head.reconnect_grace.as_millis()).unwrap_or(i64::MAX))
    .execute(connection)
    .await?;
    Ok(result.rows_affected() == 1)
}

fn ended(state: &RunState) -> Option<i64> {
    match state {
        RunState::Ended { at, .. } => Some(at.0),
        RunState::Queued | RunState::Resolving | RunState::Running => None,
    }
}

async fn save(connection: &mut SqliteConnection, write: &RunWrite) -> Result<(), StoreError> {
    // How much output there is of a run that changes after its end is to be asked anew.
    let seq: Option<i64> = sqlx::query_scalar(
        "UPDATE runs SET output_bytes = NULL, state = ?, ended = ?, kill_asked = ?, stopped = ?, counts = ?, running_on = ? WHERE id = ? RETURNING seq",
    )
    .bind(to_json(&write.state)?)
    .bind(ended(&write.state))
    .bind(to_json_if(write.kill.as_ref())?)
    .bind(to_json_if(write.stopped.as_ref())?)
    .bind(to_json(&write.counts)?)
    .bind(to_json(&write.running_on)?)
    .bind(write.id.as_str())
    .fetch_optional(&mut *connection)
    .await?;
    let Some(seq) = seq else {
        tracing::warn!(run = %write.id, "a change of a run came to nothing: the run has been deleted");
        return Ok(());
    };
    if let RunState::Ended {
        at,
        outcome: RunOutcome::Succeeded,
    } = write.state
    {
        past::note_success(connection, &write.id, at).await?;
    }
    if let Some(spec) = &write.settled {
        sqlx::query("UPDATE runs SET spec = ? WHERE seq = ?")
            .bind(to_json(&**spec)?)
            .bind(seq)
            .execute(&mut *connection)
            .await?;
    }
    for some in write.machines.chunks(MACHINES_PER_STATEMENT) {
        save_machines(connection, seq, some).await?;
    }
    Ok(())
}

async fn save_machines(
    connection: &mut SqliteConnection,
    seq: i64,
    machines: &[(MachineId, MachineRun)],
) -> Result<(), StoreError> {
    let mut rows = Vec::with_capacity(machines.len());
    for (id, machine) in machines {
        rows.push((
            id,
            to_json(&machine.state)?,
            machine.pid.map(i64::from),
            to_json_if(machine.bound.as_ref())?,
            to_json_if(machine.kill.as_ref())?,
            to_json_if(Some(&machine.earlier).filter(|earlier| !earlier.is_empty()))?,
            to_json_if(machine.replaced.as_ref())?,
        ));
    }
    let mut upsert = QueryBuilder::<Sqlite>::new(
        "INSERT INTO run_machines (run_seq, machine, state, pid, bound, kill_asked, earlier, replaced) ",
    );
    upsert.push_values(
        rows,
        |mut row, (id, state, pid, bound, kill, earlier, replaced)| {
            row.push_bind(seq)
                .push_bind(id.as_str())
                .push_bind(state)
                .push_bind(pid)
                .push_bind(bound)
                .push_bind(kill)
                .push_bind(earlier)
                .push_bind(replaced);
        },
    );
    upsert.push(
        " ON CONFLICT (run_seq, machine) DO UPDATE SET state = excluded.state, pid = excluded.pid, \
         bound = excluded.bound, kill_asked = excluded.kill_asked, earlier = excluded.earlier, \
         replaced = excluded.replaced",
    );
    // Statements for few machines are prepared once and kept; long ones would crowd them out.
    upsert
        .build()
        .persistent(machines.len() <= 4)
        .execute(connection)
        .await?;
    Ok(())
}
