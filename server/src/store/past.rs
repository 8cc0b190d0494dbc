//! What a job's past says, from what is counted as runs end (`migrations/runs/0007_history.sql`).

use super::row::{self, from_json, to_json};
use super::{Store, StoreError};
use saltpeter_domain::RunSpec;
use saltpeter_domain::past::BegunWith;
use saltpeter_protocol::api::{JobPast, LastSuccess, SinceSuccess, SlowMachine, SuccessRate};
use saltpeter_protocol::{JobName, RunId, UnixMillis};
use sqlx::{Row as _, SqliteConnection};

/// Over how many days it is said how often a job went well.
const RATES: [u32; 2] = [7, 30];
/// How many of its slowest machines are named.
const SLOWEST: i64 = 10;

const DAY: i64 = 86_400_000;

/// Every question, named; the tests have the database explain each.
pub(super) mod query {
    pub(in super::super) const RATE: &str = "SELECT COALESCE(SUM(succeeded), 0), COALESCE(SUM(failed), 0), COALESCE(SUM(other), 0) \
         FROM job_days WHERE job = ? AND day > ?";
    pub(in super::super) const SLOWEST: &str = "SELECT machine, mean, results, failed FROM job_machines \
         WHERE job = ? AND mean > 0 ORDER BY mean DESC LIMIT ?";
    pub(in super::super) const SUCCESS: &str =
        "SELECT run, ended, config FROM job_successes WHERE job = ?";
    /// When the run of the last success began; its end, where the run itself is gone.
    pub(in super::super) const SUCCEEDED: &str = "SELECT COALESCE((SELECT created FROM runs WHERE id = job_successes.run), ended) \
         FROM job_successes WHERE job = ?";
    pub(in super::super) const SPEC: &str = "SELECT spec FROM runs WHERE id = ?";
    pub(in super::super) const SPEC_AND_JOB: &str = "SELECT spec, job FROM runs WHERE id = ?";
    pub(in super::super) const NOTE_SUCCESS: &str = "INSERT INTO job_successes (job, run, ended, config) VALUES (?, ?, ?, ?) \
         ON CONFLICT (job) DO UPDATE SET run = excluded.run, ended = excluded.ended, config = excluded.config \
         WHERE excluded.ended >= job_successes.ended";
}

impl Store {
    /// What the job's past says at `now`. `failed` is its newest run that counts, if that is no success.
    pub async fn past(
        &self,
        job: &JobName,
        failed: Option<&RunId>,
        now: UnixMillis,
    ) -> Result<JobPast, StoreError> {
        let mut past = JobPast::default();
        for days in RATES {
            let counted = sqlx::query(query::RATE)
                .bind(job.as_str())
                .bind(now.0 / DAY - i64::from(days))
                .fetch_one(&self.readers)
                .await?;
            let count = |at| Ok::<_, StoreError>(counted.try_get::<i64, _>(at)?.unsigned_abs());
            past.rates.push(SuccessRate {
                days,
                succeeded: count(0)?,
                failed: count(1)?,
                other: count(2)?,
            });
        }
        let slowest = sqlx::query(query::SLOWEST)
            .bind(job.as_str())
            .bind(SLOWEST)
            .fetch_all(&self.readers)
            .await?;
        for found in &slowest {
            let machine = found.try_get::<String, _>(0)?.parse();
            past.slowest.push(SlowMachine {
                machine: machine.map_err(|e| row::corrupt("a machine's name", &e))?,
                mean_ms: found.try_get::<i64, _>(1)?.unsigned_abs(),
                results: found.try_get::<i64, _>(2)?.unsigned_abs(),
                failed: found.try_get::<i64, _>(3)?.unsigned_abs(),
            });
        }
        if let Some(run) = failed {
            past.since_success = Some(SinceSuccess {
                run: run.clone(),
                last: self.last_success(job, run).await?,
            });
        }
        Ok(past)
    }

    /// The job's last success, and what is different in `run`.
    async fn last_success(
        &self,
        job: &JobName,
        run: &RunId,
    ) -> Result<Option<LastSuccess>, StoreError> {
        let found = sqlx::query(query::SUCCESS)
            .bind(job.as_str())
            .fetch_optional(&self.readers)
            .await?;
        let Some(found) = found else { return Ok(None) };
        let id = found.try_get::<String, _>(0)?.parse::<RunId>();
        let id = id.map_err(|e| row::corrupt("a run's name", &e))?;
        let before = match found.try_get::<Option<&str>, _>(2)? {
            Some(kept) => Some(from_json("what a run was begun with", kept)?),
            None => self.begun_with(&id).await?,
        };
        let after = self.begun_with(run).await?;
        Ok(Some(LastSuccess {
            run: id,
            at: UnixMillis(found.try_get(1)?),
            changes: before
                .zip(after)
                .map(|(before, after)| BegunWith::changes_to(&before, &after)),
        }))
    }

    /// When the job's last success began, as far as that is known; `None` when there has been none.
    pub async fn last_succeeded(&self, job: &JobName) -> Result<Option<UnixMillis>, StoreError> {
        let found: Option<i64> = sqlx::query_scalar(query::SUCCEEDED)
            .bind(job.as_str())
            .fetch_optional(&self.readers)
            .await?;
        Ok(found.map(UnixMillis))
    }

    async fn begun_with(&self, run: &RunId) -> Result<Option<BegunWith>, StoreError> {
        let found = sqlx::query(query::SPEC)
            .bind(run.as_str())
            .fetch_optional(&self.readers)
            .await?;
        let Some(found) = found else { return Ok(None) };
        let spec: RunSpec = from_json("a run's job", found.try_get(0)?)?;
        Ok(Some(BegunWith::of(&spec)))
    }
}

/// Notes that a run went well, and what it was begun with.
pub(super) async fn note_success(
    connection: &mut SqliteConnection,
    run: &RunId,
    ended: UnixMillis,
) -> Result<(), StoreError> {
    let found = sqlx::query(query::SPEC_AND_JOB)
        .bind(run.as_str())
        .fetch_one(&mut *connection)
        .await?;
    let spec: RunSpec = from_json("a run's job", found.try_get(0)?)?;
    sqlx::query(query::NOTE_SUCCESS)
        .bind(found.try_get::<String, _>(1)?)
        .bind(run.as_str())
        .bind(ended.0)
        .bind(to_json(&BegunWith::of(&spec))?)
        .execute(connection)
        .await?;
    Ok(())
}
