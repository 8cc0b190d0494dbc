//! `/status`: where each job stands, and what its last run came to on each machine.

use super::{all_running, iso, unless_deleted};
use crate::http::error::Answer;
use crate::ops::Ops;
use axum::Json;
use axum::extract::State;
use saltpeter_app::backend::Backend as _;
use saltpeter_protocol::api::{ApiError, ErrorCode, JobRow, MachineRow, RecentRun};
use saltpeter_protocol::{MachineOutcome, MachineState, RunId, RunOutcome, UnixMillis};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The most of a machine's output that is shown: its end, in bytes.
const OF_A_MACHINE: u64 = 64 * 1024;

/// The most of the output of all machines of all jobs, in bytes. When there is more, those that have written most show less,
/// each the same. `ret_skipped` says how many bytes are not shown.
const OF_ALL: u64 = 16 * 1024 * 1024;

/// Why what a run came to cannot be read.
const LAST: &str = "the last run's output cannot be read";

/// A job's last run, and the machines of it.
struct Last {
    run: RunId,
    machines: Vec<Arc<MachineRow>>,
}

pub(super) async fn status(State(ops): State<Ops>) -> Answer<Json<Value>> {
    let overview = ops.overview().await?;
    let running = all_running(&ops).await?;
    let mut jobs = Vec::with_capacity(overview.jobs.len());
    for row in overview.jobs {
        let last = match last_begun(&row) {
            Some((run, _)) => last_run(&ops, run).await?,
            None => None,
        };
        jobs.push((row, last));
    }
    let machines = jobs.iter().filter_map(|(_, last)| last.as_ref());
    let lengths = machines.flat_map(|last| last.machines.iter().map(|row| row.output.bytes));
    let share = share(
        lengths.map(|bytes| bytes.min(OF_A_MACHINE)).collect(),
        OF_ALL,
    );
    let share = share.min(OF_A_MACHINE);
    let mut state = Map::new();
    for (row, last) in jobs {
        let results = match last {
            Some(last) => results(&ops, &last, share).await?,
            None => Map::new(),
        };
        let job = json!({
            "next_run": row.next.map(iso),
            "last_run": last_begun(&row).map(|(_, at)| iso(at)),
            "last_success": last_success(&ops, &row).await?,
            "results": results,
        });
        state.insert(row.name.into(), job);
    }
    Ok(Json(json!({ "running": running, "state": state })))
}

/// The newest run that is over and has begun. A start that was skipped or missed ran nowhere, and stands here only where there is
/// nothing else.
fn last_begun(row: &JobRow) -> Option<(&RunId, UnixMillis)> {
    let has_begun = |run: &&RecentRun| {
        !matches!(
            run.state.outcome(),
            Some(RunOutcome::SkippedOverlap | RunOutcome::Missed { .. })
        )
    };
    let begun = row.recent.iter().rev().find(has_begun);
    let newest = row.last.as_ref().map(|run| (&run.id, run.created));
    begun.map(|run| (&run.run, run.started)).or(newest)
}

async fn last_success(ops: &Ops, row: &JobRow) -> Answer<Option<String>> {
    let is_success = |run: &&RecentRun| run.state.outcome().is_some_and(RunOutcome::is_success);
    let succeeded = match row.recent.iter().rev().find(is_success) {
        Some(run) => Some(run.started),
        // The row shows a few runs only; all of those may have failed.
        None => ops.last_succeeded(&row.name).await?,
    };
    Ok(succeeded.map(iso))
}

async fn last_run(ops: &Ops, run: &RunId) -> Answer<Option<Last>> {
    let detail = unless_deleted(ops.run(run).await)?;
    Ok(detail.map(|detail| Last {
        run: detail.summary.id,
        machines: detail.machines,
    }))
}

/// What the run came to, with `share` bytes of each machine's output at most.
async fn results(ops: &Ops, last: &Last, share: u64) -> Answer<Map<String, Value>> {
    let mut results = Map::new();
    for row in &last.machines {
        let Some((skipped, text)) = end_of(ops, &last.run, row, share).await? else {
            continue;
        };
        let ended = match &row.state {
            MachineState::Ended { at, .. } => Some(iso(*at)),
            _ => None,
        };
        let outcome = row.state.outcome();
        let mut result = json!({
            "starttime": row.state.started_at().map(iso),
            "endtime": ended,
            "ret": text,
            "retcode": outcome.and_then(MachineOutcome::exit_code),
        });
        if skipped > 0 {
            result["ret_skipped"] = skipped.into();
        }
        results.insert(row.machine.to_string(), result);
    }
    Ok(results)
}

/// The last `most` bytes of a machine's output, and how many there are before them; `None` when it has been deleted.
async fn end_of(
    ops: &Ops,
    run: &RunId,
    row: &MachineRow,
    most: u64,
) -> Answer<Option<(u64, String)>> {
    let length = row.output.bytes;
    let shown = length.min(most);
    if shown == 0 {
        return Ok(Some((length, String::new())));
    }
    let skipped = length - shown;
    let reader = ops.output_reader(run, &row.machine, Some(row.attempt), skipped);
    let Some(mut reader) = unless_deleted(reader.await)? else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    // Of what is written meanwhile no more than of what was there.
    while (bytes.len() as u64) < shown
        && let Some(piece) = reader
            .next()
            .await
            .map_err(|error| ApiError::new(ErrorCode::Internal, format!("{LAST}: {error}")))?
    {
        bytes.extend_from_slice(&piece);
    }
    bytes.truncate(shown as usize);
    let cut = if skipped > 0 {
        cut_character(&bytes)
    } else {
        0
    };
    let text = String::from_utf8_lossy(&bytes[cut..]).into_owned();
    Ok(Some((skipped + cut as u64, text)))
}

/// How many bytes at the beginning belong to a character that began before them.
fn cut_character(bytes: &[u8]) -> usize {
    let inner = |byte: &&u8| (0x80..0xc0).contains(*byte);
    bytes.iter().take(3).take_while(inner).count()
}

/// The most that each may have so that all have `total` together at most, where those who want less leave the rest to the
/// others.
fn share(mut wanted: Vec<u64>, total: u64) -> u64 {
    wanted.sort_unstable();
    let mut left = total;
    for (place, one) in wanted.iter().enumerate() {
        let each = left / (wanted.len() - place) as u64;
        if *one > each {
            return each;
        }
        left -= one;
    }
    u64::MAX
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn who_wants_less_leaves_the_rest_to_the_others() {
        assert_eq!(share(vec![], 10), u64::MAX);
        assert_eq!(share(vec![4, 6], 10), u64::MAX);
        assert_eq!(share(vec![100, 100], 10), 5);
        assert_eq!(share(vec![100, 1, 100, 3], 10), 3);
        assert_eq!(share(vec![1; 20], 10), 0);
    }

    #[test]
    fn a_start_that_was_skipped_or_missed_is_no_last_run() {
        let last_begun = |outcomes: &[Value]| {
            let recent = outcomes.iter().zip(1..).map(|(outcome, n)| {
                let state = json!({"state": "ended", "at": n, "outcome": outcome});
                json!({"run": format!("a_{n}"), "state": state, "started": n})
            });
            let row: JobRow = serde_json::from_value(json!({
                "name": "a", "group": "", "schedule": "", "command": "", "targets": "", "target_type": "glob",
                "next": null, "paused": null, "last": null, "active": [], "config": [],
                "recent": recent.collect::<Vec<_>>(),
            }))
            .unwrap();
            super::last_begun(&row).map(|(run, at)| (run.to_string(), at.0))
        };
        let [failed, skipped] = ["failed", "skipped_overlap"].map(|kind| json!({"kind": kind}));
        let missed = json!({"kind": "missed", "reason": "not_running"});
        assert_eq!(last_begun(&[]), None);
        let both = [failed.clone(), failed.clone()];
        assert_eq!(last_begun(&both), Some(("a_2".to_owned(), 2)));
        let after = [failed, skipped, missed];
        assert_eq!(last_begun(&after), Some(("a_1".to_owned(), 1)));
    }

    #[test]
    fn a_cut_character_is_left_out() {
        assert_eq!(cut_character("ab".as_bytes()), 0);
        assert_eq!(cut_character(&"€b".as_bytes()[1..]), 2);
        assert_eq!(cut_character("€b".as_bytes()), 0);
        // No text at all.
        assert_eq!(cut_character(&[0x80; 9]), 3);
        assert_eq!(cut_character(&[]), 0);
    }

    proptest! {
        #[test]
        fn all_together_have_the_total_and_nobody_could_have_more(
            wanted in prop::collection::vec(0_u64..100, 0..40),
            total in 0_u64..2000,
        ) {
            let each = share(wanted.clone(), total);
            let given = |each: u64| -> u64 { wanted.iter().map(|one| *one.min(&each)).sum() };
            prop_assert!(given(each) <= total);
            if each < u64::MAX {
                prop_assert!(given(each + 1) > total);
            }
        }
    }
}
