//! The deletion of ended runs, and what it is decided by.

use super::write::Order;
use super::{Store, StoreError, row};
use saltpeter_domain::retention::Ended;
use saltpeter_protocol::{JobName, RunId, UnixMillis};
use sqlx::{AssertSqlSafe, Row as _, SqliteConnection};

/// Machines of a run that one step deletes.
const MACHINES_AT_ONCE: i64 = 1000;
/// Pages that a step gives back to the file system: more than it frees.
const GIVEN_BACK: &str = "PRAGMA incremental_vacuum(1024)";

/// Every question, named; the tests have the database explain each.
pub(super) mod query {
    pub(in super::super) const NEXT_JOB: &str =
        "SELECT job FROM runs WHERE ended IS NOT NULL AND job > ? ORDER BY job LIMIT 1";
    pub(in super::super) const ENDED: &str = "SELECT seq, ended, output_bytes FROM runs \
         WHERE job = ? AND ended IS NOT NULL ORDER BY ended DESC, seq DESC";
    pub(in super::super) const UNMEASURED: &str = "SELECT seq, id FROM runs \
         WHERE ended IS NOT NULL AND output_bytes IS NULL AND ended <= ? ORDER BY ended LIMIT ?";
    pub(in super::super) const BY_SEQ: &str = "SELECT job, id FROM runs WHERE seq = ?";
    pub(in super::super) const SET_OUTPUT: &str =
        "UPDATE runs SET output_bytes = ? WHERE seq = ? AND ended IS NOT NULL";
    pub(in super::super) const DELETE_MACHINES: &str = "DELETE FROM run_machines WHERE run_seq = ? AND machine IN \
         (SELECT machine FROM run_machines WHERE run_seq = ? LIMIT ?)";
    pub(in super::super) const NOTE_DELETED: &str = "UPDATE job_instants SET deleted = MAX(COALESCE(deleted, gone.instant), gone.instant) \
         FROM (SELECT job, instant FROM runs WHERE seq = ? AND instant IS NOT NULL) AS gone \
         WHERE job_instants.job = gone.job";
    pub(in super::super) const DELETE_RUN: &str = "DELETE FROM runs WHERE seq = ?";
}

impl Store {
    /// The jobs that have ended runs, in order.
    pub async fn jobs_with_ended_runs(&self) -> Result<Vec<JobName>, StoreError> {
        let mut jobs = Vec::new();
        let mut last = String::new();
        // From one job to the next in the index, past all runs in between.
        while let Some(found) = sqlx::query(query::NEXT_JOB)
            .bind(&last)
            .fetch_optional(&self.readers)
            .await?
        {
            last = found.try_get(0)?;
            jobs.push(last.parse().map_err(|e| row::corrupt("a job's name", &e))?);
        }
        Ok(jobs)
    }

    /// The job's ended runs by their numbers, those that ended last first. Output that is not known counts as none.
    pub async fn ended(&self, job: &JobName) -> Result<Vec<Ended<i64>>, StoreError> {
        sqlx::query(query::ENDED)
            .bind(job.as_str())
            .fetch_all(&self.readers)
            .await?
            .iter()
            .map(|found| {
                Ok(Ended {
                    run: found.try_get(0)?,
                    at: UnixMillis(found.try_get(1)?),
                    bytes: found
                        .try_get::<Option<i64>, _>(2)?
                        .unwrap_or(0)
                        .unsigned_abs(),
                })
            })
            .collect()
    }

    /// Runs that ended by `before` and whose amount of output is not known, by their numbers; `limit` at most.
    pub async fn unmeasured(
        &self,
        before: UnixMillis,
        limit: u32,
    ) -> Result<Vec<(i64, RunId)>, StoreError> {
        sqlx::query(query::UNMEASURED)
            .bind(before.0)
            .bind(i64::from(limit))
            .fetch_all(&self.readers)
            .await?
            .iter()
            .map(|found| Ok((found.try_get(0)?, run_id(found)?)))
            .collect()
    }

    /// Notes how much output runs have, by their numbers.
    pub async fn set_output(&self, runs: Vec<(i64, u64)>) -> Result<(), StoreError> {
        self.order(|done| Order::SetOutput(runs, done)).await
    }

    /// The job and the name of the run with this number.
    pub async fn run_at(&self, seq: i64) -> Result<Option<(JobName, RunId)>, StoreError> {
        let found = sqlx::query(query::BY_SEQ)
            .bind(seq)
            .fetch_optional(&self.readers)
            .await?;
        let Some(found) = found else { return Ok(None) };
        let job = found.try_get::<String, _>(0)?.parse();
        let job = job.map_err(|e| row::corrupt("a job's name", &e))?;
        Ok(Some((job, run_id(&found)?)))
    }

    /// Deletes an ended run, in steps that let others write in between. Its instant stays taken.
    pub async fn delete_run(&self, seq: i64) -> Result<(), StoreError> {
        while self.order(|done| Order::DeleteSome(seq, done)).await? {}
        Ok(())
    }
}

fn run_id(found: &sqlx::sqlite::SqliteRow) -> Result<RunId, StoreError> {
    let id = found.try_get::<String, _>(1)?.parse();
    id.map_err(|e| row::corrupt("a run's name", &e))
}

pub(super) async fn set_output(
    connection: &mut SqliteConnection,
    runs: &[(i64, u64)],
) -> Result<(), StoreError> {
    for (seq, bytes) in runs {
        sqlx::query(query::SET_OUTPUT)
            .bind(i64::try_from(*bytes).unwrap_or(i64::MAX))
            .bind(seq)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Deletes some of a run's machines, or the run when it has no more. True when there is more to do.
pub(super) async fn delete_some(
    connection: &mut SqliteConnection,
    seq: i64,
) -> Result<bool, StoreError> {
    let gone = sqlx::query(query::DELETE_MACHINES)
        .bind(seq)
        .bind(seq)
        .bind(MACHINES_AT_ONCE)
        .execute(&mut *connection)
        .await?;
    let more = gone.rows_affected() == MACHINES_AT_ONCE as u64;
    if !more {
        for statement in [query::NOTE_DELETED, query::DELETE_RUN] {
            sqlx::query(statement)
                .bind(seq)
                .execute(&mut *connection)
                .await?;
        }
    }
    sqlx::query(AssertSqlSafe(GIVEN_BACK))
        .execute(&mut *connection)
        .await?;
    Ok(more)
}
