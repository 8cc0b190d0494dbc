//! `/status`: where each job stands, and what its last run came to on each machine.

use super::{all_running, iso, unless_deleted};
use crate::http::error::Answer;
use crate::ops::Ops;
use axum::Json;
use axum::extract::State;
use saltpeter_app::backend::Backend as _;
use saltpeter_domain::past::last_begun;
use saltpeter_domain::share::share;
use saltpeter_protocol::api::{ApiError, ErrorCode, JobRow, MachineRow, RecentRun};
use saltpeter_protocol::{MachineOutcome, MachineState, RunId, RunOutcome};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The most of a machine's output that is shown: its end, in bytes.
const OF_A_MACHINE: u64 = 64 * 1024;

/// The most of the output of all machines of all jobs, in bytes. When there is more, those that have written most show less,
/// each the same. `ret_skipped` says how many bytes are not shown.
const OF_ALL: u64 = 16 * 1024 * 1024;

/// The most results of machines, of all jobs together. When there are more, the jobs whose last runs had the most machines
/// show less, each the same, but one at least: those that come first by name. `results_skipped` says how many are not shown.
const RESULTS: usize = 50_000;

/// Why what a run came to cannot be read.
const LAST: &str = "the last run's output cannot be read";

/// A job's last run, and the machines of it that are shown.
struct Last {
    run: RunId,
    machines: Vec<Arc<MachineRow>>,
    /// How many machines there are.
    total: usize,
}

/// What the jobs' last runs came to, as much as is shown of it.
struct Lasts {
    /// Results of all jobs together.
    most: usize,
    /// Those that are held.
    held: usize,
    jobs: Vec<(JobRow, Option<Last>)>,
}

impl Lasts {
    fn new(most: usize) -> Self {
        Self {
            most,
            held: 0,
            jobs: Vec::new(),
        }
    }

    /// What is surely not shown goes again as more comes: a house has thousands of jobs on thousands of machines.
    fn add(&mut self, row: JobRow, last: Option<Last>) {
        self.held += last.as_ref().map_or(0, |last| last.machines.len());
        self.jobs.push((row, last));
        if self.held > 2 * self.most.max(self.jobs.len()) {
            self.cut();
        }
    }

    fn cut(&mut self) {
        let of_jobs = || self.jobs.iter().filter_map(|(_, last)| last.as_ref());
        let wanted = of_jobs().map(|last| last.total as u64).collect();
        let each = usize::try_from(share(wanted, self.most as u64).max(1)).unwrap_or(usize::MAX);
        for last in self.jobs.iter_mut().filter_map(|(_, last)| last.as_mut()) {
            last.machines.truncate(each);
            last.machines.shrink_to_fit();
        }
        let of_jobs = self.jobs.iter().filter_map(|(_, last)| last.as_ref());
        self.held = of_jobs.map(|last| last.machines.len()).sum();
    }

    fn into_jobs(mut self) -> Vec<(JobRow, Option<Last>)> {
        self.cut();
        self.jobs
    }
}

pub(super) async fn status(State(ops): State<Ops>) -> Answer<Json<Value>> {
    let overview = ops.overview().await?;
    let running = all_running(&ops).await?;
    let mut lasts = Lasts::new(RESULTS);
    for row in overview.jobs {
        let last = match last_begun(&row) {
            Some((run, _)) => last_run(&ops, run).await?,
            None => None,
        };
        lasts.add(row, last);
    }
    let jobs = lasts.into_jobs();
    let machines = jobs.iter().filter_map(|(_, last)| last.as_ref());
    let lengths = machines.flat_map(|last| last.machines.iter().map(|row| row.output.bytes));
    let share = share(
        lengths.map(|bytes| bytes.min(OF_A_MACHINE)).collect(),
        OF_ALL,
    );
    let share = share.min(OF_A_MACHINE);
    let mut state = Map::new();
    for (row, last) in jobs {
        let (results, skipped) = match last {
            Some(last) => {
                let skipped = last.total - last.machines.len();
                (results(&ops, &last, share).await?, skipped)
            }
            None => (Map::new(), 0),
        };
        let mut job = json!({
            "next_run": row.next.map(iso),
            "last_run": last_begun(&row).map(|(_, at)| iso(at)),
            "last_success": last_success(&ops, &row).await?,
            "results": results,
        });
        if skipped > 0 {
            job["results_skipped"] = skipped.into();
        }
        state.insert(row.name.into(), job);
    }
    Ok(Json(json!({ "running": running, "state": state })))
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
        total: detail.machines.len(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_have_a_bound_that_jobs_share() {
        let row: JobRow = serde_json::from_value(json!({
            "name": "a", "group": "", "schedule": "", "command": "", "targets": "", "target_type": "glob", "next": null,
            "paused": null, "last": null, "active": [], "recent": [], "config": [],
        }))
        .unwrap();
        let last = |machines: usize| {
            let machine = |n| {
                let row = json!({"machine": format!("m{n:03}"), "state": {"state": "waiting"}, "pid": null, "output": {"bytes": 0, "lines": 0}, "kill": null});
                Arc::new(serde_json::from_value(row).unwrap())
            };
            Last {
                run: "a_1".parse().unwrap(),
                machines: (0..machines).map(machine).collect(),
                total: machines,
            }
        };
        let shown = |wanted: &[usize]| -> Vec<usize> {
            let mut lasts = Lasts::new(100);
            for machines in wanted {
                lasts.add(row.clone(), Some(last(*machines)));
                assert!(lasts.held <= 300, "what is held has a bound too");
            }
            lasts.add(row.clone(), None);
            let jobs = lasts.into_jobs();
            let lasts = jobs.iter().filter_map(|(_, last)| last.as_ref());
            lasts
                .map(|last| {
                    // The first by name.
                    let rest = &last.machines.last();
                    let expected = last
                        .machines
                        .len()
                        .checked_sub(1)
                        .map(|n| format!("m{n:03}"));
                    assert_eq!(rest.map(|row| row.machine.to_string()), expected);
                    last.machines.len()
                })
                .collect()
        };
        assert!(shown(&[]).is_empty());
        assert_eq!(shown(&[60, 40]), [60, 40]);
        assert_eq!(shown(&[60, 80, 10]), [45, 45, 10]);
        assert_eq!(shown(&[70, 70, 70, 70, 1]), [24, 24, 24, 24, 1]);
        assert_eq!(shown(&[300, 2, 99, 99]), [32, 2, 32, 32]);
        assert_eq!(shown(&[1; 150]), [1; 150]);
        assert_eq!(shown(&[2; 150]), [1; 150]);
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
}
