//! What ran when, for the timeline.

use super::row;
use super::{Store, StoreError};
use crate::runs::Lasted;
use saltpeter_domain::timeline::Ran;
use saltpeter_protocol::UnixMillis;
use saltpeter_protocol::api::{LaneBy, OutcomeKind};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use std::time::Duration;

/// How long after a span's end a run is looked for that began within it.
const LONGEST: Duration = Duration::from_hours(24);

/// Every question, named; the tests have the database explain each.
pub(super) mod query {
    /// What ended within a span or after it.
    pub(in super::super) const RUNS: &str = "SELECT job, id, created, ended, outcome FROM runs \
         WHERE ended > ? AND ended < ? AND +created < ? ORDER BY ended LIMIT ?";
    /// What has not ended.
    pub(in super::super) const GOING: &str = "SELECT job, id, created, NULL, outcome FROM runs \
         WHERE ended IS NULL AND +created < ? ORDER BY seq LIMIT ?";
    /// The same of the machines of runs.
    pub(in super::super) const MACHINES: &str = "SELECT machine, id, json_extract(run_machines.state, '$.since'), \
         json_extract(run_machines.state, '$.at'), run_machines.outcome FROM runs CROSS JOIN run_machines ON run_seq = seq \
         WHERE ended > ? AND ended < ? AND +created < ? ORDER BY ended LIMIT ?";
    /// The same.
    pub(in super::super) const MACHINES_GOING: &str = "SELECT machine, id, json_extract(run_machines.state, '$.since'), \
         CASE WHEN run_machines.outcome IS NOT NULL THEN json_extract(run_machines.state, '$.at') END, run_machines.outcome \
         FROM runs CROSS JOIN run_machines ON run_seq = seq WHERE ended IS NULL AND +created < ? ORDER BY seq LIMIT ?";
}

impl Store {
    /// What ran between `from` and `to`, in whichever order, `limit` of it at most: of each run or of each machine of each
    /// run. What has not ended lasts until `now`.
    pub async fn lasted_within(
        &self,
        by: LaneBy,
        (from, to): (UnixMillis, UnixMillis),
        now: UnixMillis,
        limit: u32,
    ) -> Result<Vec<Lasted>, StoreError> {
        let (ended, going) = match by {
            LaneBy::Job => (query::RUNS, query::GOING),
            LaneBy::Machine => (query::MACHINES, query::MACHINES_GOING),
        };
        let mut found = sqlx::query(going)
            .bind(to.0)
            .bind(i64::from(limit))
            .fetch_all(&self.readers)
            .await?;
        let over = sqlx::query(ended)
            .bind(from.0)
            .bind((to + LONGEST).0)
            .bind(to.0)
            .bind(i64::from(limit))
            .fetch_all(&self.readers)
            .await?;
        found.extend(over);
        let lasted = found.iter().map(|row| lasted(row, now));
        lasted.filter_map(Result::transpose).collect()
    }
}

/// `None` for a machine on which nothing began.
fn lasted(found: &SqliteRow, now: UnixMillis) -> Result<Option<Lasted>, StoreError> {
    let Some(from) = found.try_get::<Option<i64>, _>(2)? else {
        return Ok(None);
    };
    let outcome = match found.try_get::<Option<&str>, _>(4)? {
        Some(word) => outcome(word),
        None => OutcomeKind::Running,
    };
    let to = found.try_get::<Option<i64>, _>(3)?;
    let run = found.try_get::<String, _>(1)?.parse();
    Ok(Some(Lasted {
        lane: found.try_get(0)?,
        ran: Ran {
            run: run.map_err(|e| row::corrupt("a run's name", &e))?,
            from: UnixMillis(from),
            to: to.map_or(now, UnixMillis).max(UnixMillis(from)),
            outcome,
        },
    }))
}

/// Runs and machines have the same words, and machines a few of their own.
fn outcome(word: &str) -> OutcomeKind {
    match word {
        "not_attempted" => OutcomeKind::SkippedOverlap,
        "start_failed" | "unreachable" => OutcomeKind::Failed,
        word => OutcomeKind::ALL
            .into_iter()
            .find(|kind| kind.as_str() == word)
            .unwrap_or(OutcomeKind::Failed),
    }
}
