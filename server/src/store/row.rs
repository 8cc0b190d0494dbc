//! Rows, to and from what they stand for.

use super::StoreError;
use saltpeter_domain::run::{Earlier, MachineRun, RunHead};
use saltpeter_protocol::api::RunSummary;
use saltpeter_protocol::{Attempt, MachineId, UnixMillis};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use std::sync::Arc;
use std::time::Duration;

/// The columns that [`head`] reads, in its order.
pub(super) const HEAD: &str = "id, job, cause, created, spec, state, kill_asked, only_machines, reconnect_grace, seq, stopped";
/// The columns that [`summary`] reads, in its order.
pub(super) const SUMMARY: &str =
    "id, job, cause, state, created, counts, running_on, kill_asked, stopped";
/// The columns that [`machine`] reads, in its order, after the run's number.
pub(super) const MACHINE: &str =
    "run_seq, machine, state, pid, bound, kill_asked, earlier, replaced";

pub(super) fn to_json<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Corrupt {
        what: "a value",
        reason: error.to_string(),
    })
}

pub(super) fn to_json_if<T: Serialize>(value: Option<&T>) -> Result<Option<String>, StoreError> {
    value.map(to_json).transpose()
}

pub(super) fn from_json<T: DeserializeOwned>(
    what: &'static str,
    text: &str,
) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| corrupt(what, &error))
}

fn from_json_if<T: DeserializeOwned>(
    what: &'static str,
    text: Option<&str>,
) -> Result<Option<T>, StoreError> {
    text.map(|text| from_json(what, text)).transpose()
}

pub(super) fn corrupt(what: &'static str, error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Corrupt {
        what,
        reason: error.to_string(),
    }
}

/// A run without its machines, and its number.
pub(super) fn head(row: &SqliteRow) -> Result<(RunHead, i64), StoreError> {
    let head = RunHead {
        id: row
            .try_get::<String, _>(0)?
            .parse()
            .map_err(|e| corrupt("a run's name", &e))?,
        job: row
            .try_get::<String, _>(1)?
            .parse()
            .map_err(|e| corrupt("a job's name", &e))?,
        cause: from_json("a run's cause", row.try_get(2)?)?,
        created: UnixMillis(row.try_get(3)?),
        spec: Arc::new(from_json("a run's settings", row.try_get(4)?)?),
        state: from_json("a run's state", row.try_get(5)?)?,
        kill: from_json_if("a run's kill", row.try_get(6)?)?,
        stopped: from_json_if("a run's stop", row.try_get(10)?)?,
        only: from_json_if("a run's machines", row.try_get(7)?)?,
        reconnect_grace: Duration::from_millis(row.try_get::<i64, _>(8)?.unsigned_abs()),
    };
    Ok((head, row.try_get(9)?))
}

/// A run as lists show it.
pub(super) fn summary(row: &SqliteRow) -> Result<RunSummary, StoreError> {
    Ok(RunSummary {
        id: row
            .try_get::<String, _>(0)?
            .parse()
            .map_err(|e| corrupt("a run's name", &e))?,
        job: row
            .try_get::<String, _>(1)?
            .parse()
            .map_err(|e| corrupt("a job's name", &e))?,
        cause: from_json("a run's cause", row.try_get(2)?)?,
        state: from_json("a run's state", row.try_get(3)?)?,
        created: UnixMillis(row.try_get(4)?),
        counts: from_json("a run's counts", row.try_get(5)?)?,
        running_on: from_json("a run's machines", row.try_get(6)?)?,
        kill: from_json_if("a run's kill", row.try_get(7)?)?,
        stopped: from_json_if("a run's stop", row.try_get(8)?)?,
    })
}

/// The attempt that a machine's state is about; `None` where there is no machine.
pub(super) fn newest_attempt(row: &SqliteRow) -> Result<Option<Attempt>, StoreError> {
    if row.try_get::<Option<i64>, _>(0)?.is_none() {
        return Ok(None);
    }
    let (_, _, known) = machine(row)?;
    Ok(Some(known.attempt()))
}

/// One machine of a run, and the run's number.
pub(super) fn machine(row: &SqliteRow) -> Result<(i64, MachineId, MachineRun), StoreError> {
    let id = row
        .try_get::<String, _>(1)?
        .parse()
        .map_err(|e| corrupt("a machine's name", &e))?;
    let mut known = MachineRun::new(from_json("a machine's state", row.try_get(2)?)?);
    known.pid = row
        .try_get::<Option<i64>, _>(3)?
        .and_then(|pid| u32::try_from(pid).ok());
    known.bound = from_json_if("a machine's wrapper", row.try_get(4)?)?;
    known.kill = from_json_if("a machine's kill", row.try_get(5)?)?;
    known.earlier =
        from_json_if::<Vec<Earlier>>("a machine's attempts", row.try_get(6)?)?.unwrap_or_default();
    known.replaced = from_json_if("a machine's replaced outcome", row.try_get(7)?)?;
    Ok((row.try_get(0)?, id, known))
}
