//! Questions to the database.

use super::row::{self, HEAD, MACHINE, SUMMARY};
use super::{Store, StoreError};
use saltpeter_domain::run::{MachineRun, Run, RunHead};
use saltpeter_protocol::api::{Pause, RunSummary};
use saltpeter_protocol::{Attempt, JobName, MachineId, RunId, UnixMillis};
use sqlx::{AssertSqlSafe, Row};
use std::collections::{BTreeMap, HashMap};

/// Every question, named, with `?` for its arguments: the tests have the database explain each.
pub(super) mod query {
    use super::{HEAD, MACHINE, SUMMARY};

    pub(in super::super) fn run() -> String {
        format!("SELECT {HEAD} FROM runs WHERE id = ?")
    }
    pub(in super::super) fn machines() -> String {
        format!("SELECT {MACHINE} FROM run_machines WHERE run_seq = ?")
    }
    pub(in super::super) fn unfinished() -> String {
        format!("SELECT {HEAD} FROM runs WHERE ended IS NULL ORDER BY seq")
    }
    pub(in super::super) fn unfinished_machines() -> String {
        format!(
            "SELECT {MACHINE} FROM run_machines WHERE run_seq IN (SELECT seq FROM runs WHERE ended IS NULL)"
        )
    }
    /// The `+` keeps the database from going by the index of the times at which runs ended.
    pub(in super::super) fn newest_over() -> String {
        format!(
            "SELECT {SUMMARY} FROM runs WHERE job = ? AND +ended IS NOT NULL ORDER BY seq DESC LIMIT ?"
        )
    }
    pub(in super::super) fn history() -> String {
        format!("SELECT {SUMMARY} FROM runs WHERE job = ? ORDER BY seq DESC LIMIT ?")
    }
    pub(in super::super) fn active() -> String {
        format!("SELECT {SUMMARY} FROM runs WHERE ended IS NULL ORDER BY seq")
    }
    pub(in super::super) fn newest_attempt() -> String {
        format!(
            "SELECT m.* FROM runs LEFT JOIN (SELECT {MACHINE} FROM run_machines) m ON m.run_seq = seq AND m.machine = ? WHERE id = ?"
        )
    }
    pub(in super::super) fn meta() -> String {
        "SELECT value FROM meta WHERE name = ?".to_owned()
    }
    pub(in super::super) fn deleted() -> String {
        "SELECT deleted FROM job_instants WHERE job = ?".to_owned()
    }
    pub(in super::super) fn by_instant() -> String {
        "SELECT id FROM runs WHERE job = ? AND instant = ?".to_owned()
    }
}

impl Store {
    pub(super) async fn read_run(&self, id: &RunId) -> Result<Option<Run>, StoreError> {
        // One transaction: state and machines are of the same moment.
        let mut snapshot = self.readers.begin().await?;
        let found = sqlx::query(AssertSqlSafe(query::run()))
            .bind(id.as_str())
            .fetch_optional(&mut *snapshot)
            .await?;
        let Some(found) = found else {
            return Ok(None);
        };
        let (head, seq) = row::head(&found)?;
        let rows = sqlx::query(AssertSqlSafe(query::machines()))
            .bind(seq)
            .fetch_all(&mut *snapshot)
            .await?;
        let mut machines = BTreeMap::new();
        for one in &rows {
            let (_, id, machine) = row::machine(one)?;
            machines.insert(id, machine);
        }
        Ok(Some(Run::new(head, machines)))
    }

    pub(super) async fn read_unfinished(&self) -> Result<Vec<Run>, StoreError> {
        let mut snapshot = self.readers.begin().await?;
        let rows = sqlx::query(AssertSqlSafe(query::unfinished()))
            .fetch_all(&mut *snapshot)
            .await?;
        let heads: Vec<(RunHead, i64)> = rows.iter().map(row::head).collect::<Result<_, _>>()?;
        let rows = sqlx::query(AssertSqlSafe(query::unfinished_machines()))
            .fetch_all(&mut *snapshot)
            .await?;
        let mut machines: HashMap<i64, BTreeMap<MachineId, MachineRun>> = HashMap::new();
        for one in &rows {
            let (seq, id, machine) = row::machine(one)?;
            machines.entry(seq).or_default().insert(id, machine);
        }
        Ok(heads
            .into_iter()
            .map(|(head, seq)| Run::new(head, machines.remove(&seq).unwrap_or_default()))
            .collect())
    }

    /// The `limit` newest of the job's runs that are over, newest first.
    pub async fn newest_over(
        &self,
        job: &JobName,
        limit: u32,
    ) -> Result<Vec<RunSummary>, StoreError> {
        sqlx::query(AssertSqlSafe(query::newest_over()))
            .bind(job.as_str())
            .bind(i64::from(limit))
            .fetch_all(&self.readers)
            .await?
            .iter()
            .map(row::summary)
            .collect()
    }

    /// The job's `limit` newest runs, newest first.
    pub async fn history(&self, job: &JobName, limit: u32) -> Result<Vec<RunSummary>, StoreError> {
        sqlx::query(AssertSqlSafe(query::history()))
            .bind(job.as_str())
            .bind(i64::from(limit))
            .fetch_all(&self.readers)
            .await?
            .iter()
            .map(row::summary)
            .collect()
    }

    /// The newest attempt of `machine` in `run`; `None` when there is no such run, `Some(None)` when the machine is not part of it.
    pub async fn newest_attempt(
        &self,
        run: &RunId,
        machine: &MachineId,
    ) -> Result<Option<Option<Attempt>>, StoreError> {
        let found = sqlx::query(AssertSqlSafe(query::newest_attempt()))
            .bind(machine.as_str())
            .bind(run.as_str())
            .fetch_optional(&self.readers)
            .await?;
        found.as_ref().map(row::newest_attempt).transpose()
    }

    /// All runs that are not over, oldest first.
    pub async fn runs_active(&self) -> Result<Vec<RunSummary>, StoreError> {
        sqlx::query(AssertSqlSafe(query::active()))
            .fetch_all(&self.readers)
            .await?
            .iter()
            .map(row::summary)
            .collect()
    }

    /// The newest scheduled instant of each job for which there was a run, whatever became of it.
    pub async fn last_instants(&self) -> Result<HashMap<JobName, UnixMillis>, StoreError> {
        sqlx::query("SELECT job, instant FROM job_instants")
            .fetch_all(&self.readers)
            .await?
            .iter()
            .map(|found| {
                let job = job(found)?;
                Ok((job, UnixMillis(found.try_get(1)?)))
            })
            .collect()
    }

    /// The jobs that people have paused.
    pub async fn pauses(&self) -> Result<HashMap<JobName, Pause>, StoreError> {
        sqlx::query("SELECT job, paused_by, paused_at FROM pauses")
            .fetch_all(&self.readers)
            .await?
            .iter()
            .map(|found| {
                let pause = Pause {
                    by: found.try_get(1)?,
                    at: UnixMillis(found.try_get(2)?),
                };
                Ok((job(found)?, pause))
            })
            .collect()
    }

    /// What was remembered under `name`.
    pub async fn meta(&self, name: &str) -> Result<Option<String>, StoreError> {
        let found = sqlx::query(AssertSqlSafe(query::meta()))
            .bind(name)
            .fetch_optional(&self.readers)
            .await?;
        Ok(found.map(|row| row.try_get(0)).transpose()?)
    }
}

fn job(found: &sqlx::sqlite::SqliteRow) -> Result<JobName, StoreError> {
    found
        .try_get::<String, _>(0)?
        .parse()
        .map_err(|e| row::corrupt("a job's name", &e))
}
