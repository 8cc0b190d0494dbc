//! Lists of runs and of machines, by what they are asked for (`migrations/runs/0008_lists.sql`, `0009_machine_days.sql`).

use super::row::{self, SUMMARY, from_json};
use super::{Store, StoreError};
use crate::runs::{MachineResults, MachineWork};
use saltpeter_domain::run::SILENCE;
use saltpeter_protocol::api::{CauseKind, RunList, RunQuery};
use saltpeter_protocol::{MachineId, RunId, UnixMillis};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row as _};
use std::time::Duration;

/// How far the order in which runs were written down and their times may differ, because clocks are set.
const CLOCK_STEP: Duration = Duration::from_hours(1);

/// In how many of a machine's newest runs it is looked when it was last heard of.
const LOOKED_AT: i64 = 20;

const DAY: i64 = 86_400_000;

/// What is put together of constants, by which filters there are.
pub(super) mod chosen {
    use super::{CauseKind, RunQuery, SUMMARY};

    /// A page of the runs that `asked` asks for, newest first.
    ///
    /// What is the rarest drives; the `+` keeps the database from going by an index of the rest.
    pub(in super::super) fn runs(asked: &RunQuery) -> String {
        let by_machine = asked.machine.is_some();
        let rare = !by_machine
            && asked
                .cause
                .is_some_and(|cause| cause != CauseKind::Schedule);
        let mut sql = if by_machine {
            format!(
                "SELECT {SUMMARY}, seq FROM (SELECT run_seq FROM run_machines WHERE machine = ? AND run_seq >= ? AND run_seq < ?) \
                 CROSS JOIN runs ON seq = run_seq WHERE TRUE"
            )
        } else {
            // Of two indexes that fit, the database does not see which one finds less.
            let by = if asked.job.is_some() && asked.outcome.is_some() && !rare {
                "INDEXED BY runs_job_outcome "
            } else {
                ""
            };
            format!("SELECT {SUMMARY}, seq FROM runs {by}WHERE seq >= ? AND seq < ?")
        };
        let mut and = |drives: bool, what: &str| {
            sql.push_str(" AND ");
            if !drives {
                sql.push('+');
            }
            sql.push_str(what);
        };
        if asked.job.is_some() {
            and(!by_machine && !rare, "job = ?");
        }
        if asked.outcome.is_some() {
            and(!by_machine && !rare, "outcome = ?");
        }
        if asked.cause.is_some() {
            and(rare, "cause_kind = ?");
        }
        if asked.from.is_some() {
            and(false, "created >= ?");
        }
        if asked.to.is_some() {
            and(false, "created < ?");
        }
        sql.push_str(if by_machine {
            " ORDER BY run_seq DESC LIMIT ?"
        } else {
            " ORDER BY seq DESC LIMIT ?"
        });
        sql
    }
}

/// Every question, named; the tests have the database explain each.
pub(super) mod query {
    pub(in super::super) const FIRST_SINCE: &str =
        "SELECT seq FROM runs WHERE created >= ? ORDER BY created, seq LIMIT 1";
    pub(in super::super) const LAST_UNTIL: &str =
        "SELECT seq FROM runs WHERE created <= ? ORDER BY created DESC, seq DESC LIMIT 1";
    /// All machines that there are results of, one seek for each; and of each one how many results there have been since a
    /// day, how many of them are no success, and when its newest runs last heard of it. One that was lost was last heard of
    /// when the silence began after which it was given up: a time that goes for every run, and the run's grace.
    pub(in super::super) const RESULTS: &str = "WITH RECURSIVE names (machine) AS ( \
         SELECT (SELECT machine FROM run_machines ORDER BY machine LIMIT 1) UNION ALL \
         SELECT (SELECT machine FROM run_machines WHERE machine > names.machine ORDER BY machine LIMIT 1) \
         FROM names WHERE names.machine IS NOT NULL) \
         SELECT machine, (SELECT json_array(COALESCE(SUM(results), 0), COALESCE(SUM(failed), 0)) \
         FROM machine_days WHERE machine_days.machine = names.machine AND day > ?), \
         (SELECT MAX(CASE WHEN outcome IS NULL OR outcome IN ('succeeded', 'failed', 'timed_out', 'killed') THEN heard \
         WHEN outcome = 'lost' THEN heard - ? - (SELECT reconnect_grace FROM runs WHERE seq = run_seq) END) \
         FROM (SELECT outcome, heard, run_seq FROM run_machines WHERE run_machines.machine = names.machine \
         ORDER BY run_seq DESC LIMIT ?)) FROM names WHERE machine IS NOT NULL LIMIT ?";
    pub(in super::super) const WORK: &str = "SELECT machine, id, json_extract(run_machines.state, '$.state') = 'running' FROM runs CROSS JOIN run_machines ON run_seq = seq \
         WHERE ended IS NULL AND +run_machines.outcome IS NULL \
         AND json_extract(run_machines.state, '$.state') IN ('starting', 'running', 'lost_contact') ORDER BY seq LIMIT ?";
}

impl Store {
    /// The runs that `asked` asks for, newest first, `limit` of them.
    pub async fn runs_by(&self, asked: &RunQuery, limit: u32) -> Result<RunList, StoreError> {
        let mut first = 0;
        let mut beyond = asked
            .before
            .map_or(i64::MAX, |before| i64::try_from(before).unwrap_or(i64::MAX));
        // The span of time as a span of numbers, so that whatever else is asked for is searched within it.
        if let Some(from) = asked.from {
            let Some(seq) = self.bound(query::FIRST_SINCE, from - CLOCK_STEP).await? else {
                return Ok(nothing());
            };
            first = seq;
        }
        if let Some(to) = asked.to {
            let Some(seq) = self.bound(query::LAST_UNTIL, to + CLOCK_STEP).await? else {
                return Ok(nothing());
            };
            beyond = beyond.min(seq.saturating_add(1));
        }

        let mut ask = sqlx::query(AssertSqlSafe(chosen::runs(asked)));
        if let Some(machine) = &asked.machine {
            ask = ask.bind(machine.as_str());
        }
        ask = ask.bind(first).bind(beyond);
        if let Some(job) = &asked.job {
            ask = ask.bind(job.as_str());
        }
        if let Some(outcome) = asked.outcome {
            ask = ask.bind(outcome.as_str());
        }
        if let Some(cause) = asked.cause {
            ask = ask.bind(cause.as_str());
        }
        for bound in [asked.from, asked.to].into_iter().flatten() {
            ask = ask.bind(bound.0);
        }
        // One more, to know whether there are older ones.
        let found = ask
            .bind(i64::from(limit) + 1)
            .fetch_all(&self.readers)
            .await?;
        let shown = &found[..found.len().min(limit as usize)];
        let older = match shown.last() {
            Some(last) if found.len() > shown.len() => {
                Some(last.try_get::<i64, _>("seq")?.unsigned_abs())
            }
            _ => None,
        };
        Ok(RunList {
            runs: shown.iter().map(row::summary).collect::<Result<_, _>>()?,
            older,
        })
    }

    async fn bound(
        &self,
        question: &'static str,
        at: UnixMillis,
    ) -> Result<Option<i64>, StoreError> {
        Ok(sqlx::query_scalar(question)
            .bind(at.0)
            .fetch_optional(&self.readers)
            .await?)
    }

    /// The machines that have taken part in a run, in order, `limit` of them, and what the results of each say of the
    /// `days` up to `now`.
    pub async fn machine_results(
        &self,
        days: u32,
        now: UnixMillis,
        limit: u32,
    ) -> Result<Vec<MachineResults>, StoreError> {
        let found = sqlx::query(query::RESULTS)
            .bind(now.0 / DAY - i64::from(days))
            .bind(SILENCE.as_millis() as i64)
            .bind(LOOKED_AT)
            .bind(i64::from(limit))
            .fetch_all(&self.readers)
            .await?;
        let results = |row: &SqliteRow| {
            let (results, failed): (u32, u32) = from_json("a machine's results", row.try_get(1)?)?;
            let seen: Option<i64> = row.try_get(2)?;
            Ok(MachineResults {
                machine: machine(row)?,
                results,
                failed,
                seen: seen.map(UnixMillis),
            })
        };
        found.iter().map(results).collect()
    }

    /// What goes on on machines, oldest run first, `limit` of it.
    pub async fn work_now(&self, limit: u32) -> Result<Vec<MachineWork>, StoreError> {
        let found = sqlx::query(query::WORK)
            .bind(i64::from(limit))
            .fetch_all(&self.readers)
            .await?;
        let work = |row: &SqliteRow| {
            let run = row.try_get::<String, _>(1)?.parse::<RunId>();
            Ok(MachineWork {
                machine: machine(row)?,
                run: run.map_err(|e| row::corrupt("a run's name", &e))?,
                is_heard: row.try_get(2)?,
            })
        };
        found.iter().map(work).collect()
    }
}

fn nothing() -> RunList {
    RunList {
        runs: Vec::new(),
        older: None,
    }
}

fn machine(row: &SqliteRow) -> Result<MachineId, StoreError> {
    row.try_get::<String, _>(0)?
        .parse()
        .map_err(|e| row::corrupt("a machine's name", &e))
}
