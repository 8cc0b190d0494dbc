//! The deletion of ended runs, and what it is decided by.

use super::write::Order;
use super::{Store, StoreError, row};
use saltpeter_protocol::{JobName, RunId, UnixMillis};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row as _, SqliteConnection};

/// Machines of a run that one step deletes.
const MACHINES_AT_ONCE: i64 = 1000;
/// Pages that a step gives back to the file system: more than it frees.
const GIVEN_BACK: &str = "PRAGMA incremental_vacuum(1024)";

/// A job's ended runs, together. Output that is not known counts as none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedRuns {
    /// The job.
    pub job: JobName,
    /// How many there are.
    pub runs: u64,
    /// Bytes of their output.
    pub bytes: u64,
    /// When the first of them ended.
    pub oldest: UnixMillis,
}

/// A run that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndedRun {
    /// Its place in the order in which runs end.
    pub place: Place,
    /// Bytes of its output.
    pub bytes: u64,
}

/// A run's place in the order in which runs end. Those of the same moment are in the order of their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// When it ended.
    pub at: UnixMillis,
    /// Its number.
    pub seq: i64,
}

impl Place {
    /// Before all runs.
    pub const FIRST: Self = Self {
        at: UnixMillis(i64::MIN),
        seq: i64::MIN,
    };
}

/// Every question, named; the tests have the database explain each.
pub(super) mod query {
    pub(in super::super) const JOBS: &str = "SELECT job, runs, bytes, \
         (SELECT ended FROM runs WHERE runs.job = job_kept.job AND ended IS NOT NULL ORDER BY ended LIMIT 1) \
         FROM job_kept WHERE job > ? AND runs > 0 ORDER BY job LIMIT ?";
    pub(in super::super) const OLDEST: &str = "SELECT ended, seq, output_bytes FROM runs \
         WHERE job = ? AND ended IS NOT NULL AND (ended, seq) > (?, ?) ORDER BY ended, seq LIMIT ?";
    pub(in super::super) const OLDEST_OF_ALL: &str = "SELECT ended, seq, output_bytes, job FROM runs AS old \
         WHERE output_bytes > 0 AND ended <= ? AND (ended, seq) > (?, ?) AND seq <> \
         (SELECT seq FROM runs WHERE job = old.job AND ended IS NOT NULL ORDER BY ended DESC, seq DESC LIMIT 1) \
         ORDER BY ended, seq LIMIT ?";
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
    /// The ended runs of the jobs after `job`, in order, of `limit` jobs at most. `None`: from the first job on.
    pub async fn jobs_with_ended_runs(
        &self,
        job: Option<&JobName>,
        limit: u32,
    ) -> Result<Vec<EndedRuns>, StoreError> {
        sqlx::query(query::JOBS)
            .bind(job.map_or("", JobName::as_str))
            .bind(i64::from(limit))
            .fetch_all(&self.readers)
            .await?
            .iter()
            .map(|found| {
                Ok(EndedRuns {
                    job: job_name(found, 0)?,
                    runs: found.try_get::<i64, _>(1)?.unsigned_abs(),
                    bytes: found.try_get::<i64, _>(2)?.unsigned_abs(),
                    oldest: UnixMillis(found.try_get(3)?),
                })
            })
            .collect()
    }

    /// The job's ended runs after `after`, the oldest first; `limit` at most. Output that is not known counts as none.
    pub async fn oldest_ended(
        &self,
        job: &JobName,
        after: Place,
        limit: u32,
    ) -> Result<Vec<EndedRun>, StoreError> {
        sqlx::query(query::OLDEST)
            .bind(job.as_str())
            .bind(after.at.0)
            .bind(after.seq)
            .bind(i64::from(limit))
            .fetch_all(&self.readers)
            .await?
            .iter()
            .map(ended_run)
            .collect()
    }

    /// Ended runs of all jobs that have output, after `after` and up to the end `until`, the oldest first; `limit` at most.
    /// The newest of each job is not among them.
    pub async fn oldest_with_output(
        &self,
        after: Place,
        until: UnixMillis,
        limit: u32,
    ) -> Result<Vec<(JobName, EndedRun)>, StoreError> {
        sqlx::query(query::OLDEST_OF_ALL)
            .bind(until.0)
            .bind(after.at.0)
            .bind(after.seq)
            .bind(i64::from(limit))
            .fetch_all(&self.readers)
            .await?
            .iter()
            .map(|found| Ok((job_name(found, 3)?, ended_run(found)?)))
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
        Ok(Some((job_name(&found, 0)?, run_id(&found)?)))
    }

    /// Deletes an ended run, in steps that let others write in between. Its instant stays taken.
    pub async fn delete_run(&self, seq: i64) -> Result<(), StoreError> {
        while self.order(|done| Order::DeleteSome(seq, done)).await? {}
        Ok(())
    }
}

fn ended_run(found: &SqliteRow) -> Result<EndedRun, StoreError> {
    let bytes: Option<i64> = found.try_get(2)?;
    Ok(EndedRun {
        place: Place {
            at: UnixMillis(found.try_get(0)?),
            seq: found.try_get(1)?,
        },
        bytes: bytes.unwrap_or(0).unsigned_abs(),
    })
}

fn job_name(found: &SqliteRow, column: usize) -> Result<JobName, StoreError> {
    let name = found.try_get::<String, _>(column)?.parse();
    name.map_err(|e| row::corrupt("a job's name", &e))
}

fn run_id(found: &SqliteRow) -> Result<RunId, StoreError> {
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
