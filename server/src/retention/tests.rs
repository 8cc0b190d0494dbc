//! The runs that go are those that the rule takes when it looks at all of them.

use super::Due;
use crate::runs::{NewRun, RunStore as _};
use crate::store::Store;
use futures::future::join_all;
use proptest::prelude::*;
use saltpeter_domain::JobSet;
use saltpeter_domain::config::{FileChange, Loader};
use saltpeter_domain::retention::{self, SETTLED_AFTER};
use saltpeter_protocol::{JobName, RunCause, RunId, RunOutcome, RunState, UnixMillis};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);
const MIB: u64 = 1024 * 1024;
/// Enough for all runs of a case.
const MANY: u32 = 1000;

/// Names of jobs. The last is in no file.
const JOBS: [&str; 5] = ["a", "b", "c", "d", "none"];

/// A run: its job, how many minutes ago it ended, and its output in MiB, if that has been measured.
type Ended = (usize, u64, Option<u64>);

/// What a job says: days, runs, MiB.
type Limits = [Option<u32>; 3];

#[derive(Debug, Clone)]
struct Case {
    runs: Vec<Ended>,
    jobs: [Limits; JOBS.len() - 1],
    all: Limits,
    /// Whether a file is wrong.
    errors: bool,
}

fn cases() -> impl Strategy<Value = Case> {
    // Many end at the same time, some at that of a limit.
    let minutes = prop_oneof![0_u64..15, (0_u64..5).prop_map(|days| days * 1440)];
    let run = (0..JOBS.len(), minutes, prop::option::of(0_u64..4));
    let limits = || {
        let limit = |most: u32| prop::option::of(0..most);
        (limit(4), limit(8), limit(16)).prop_map(|(days, runs, mib)| [days, runs, mib])
    };
    (
        prop::collection::vec(run, 0..60),
        [limits(), limits(), limits(), limits()],
        limits(),
        prop::bool::weighted(0.2),
    )
        .prop_map(|(runs, jobs, all, errors)| Case {
            runs,
            jobs,
            all,
            errors,
        })
}

fn keys([days, runs, mib]: Limits) -> String {
    [("days", days), ("runs", runs), ("output", mib)]
        .into_iter()
        .filter_map(|(key, value)| Some(format!(", retention_{key}: {}", value?)))
        .collect()
}

fn configuration(case: &Case) -> JobSet {
    let mut text = format!("saltpeter_config: {{debug: false{}}}\n", keys(case.all));
    for (name, limits) in JOBS.iter().zip(case.jobs) {
        let keys = keys(limits);
        writeln!(
            text,
            "{name}: {{schedule: '@yearly', targets: a, command: b{keys}}}"
        )
        .unwrap();
    }
    let mut files = vec![("jobs.yaml".to_owned(), FileChange::Content(text.into()))];
    if case.errors {
        let wrong = FileChange::Content(b"x: {".to_vec());
        files.push(("wrong.yaml".to_owned(), wrong));
    }
    let set = Loader::new(chrono_tz::UTC).apply(files, NOW);
    assert_eq!(set.has_errors(), case.errors, "{:?}", set.problems);
    set
}

/// A run that is over.
#[derive(Debug, Clone, Copy)]
struct Row {
    at: UnixMillis,
    seq: i64,
    bytes: u64,
}

/// Writes the runs down, and returns them by job.
async fn write(store: &Store, case: &Case, set: &JobSet) -> BTreeMap<JobName, Vec<Row>> {
    let spec = Arc::new(set.jobs.values().next().unwrap().freeze(&set.settings));
    let creating = case.runs.iter().map(|(job, minutes, _)| {
        store.create_run(NewRun {
            job: JOBS[*job].parse().unwrap(),
            cause: RunCause::Manual { by: "a".to_owned() },
            created: NOW,
            spec: Arc::clone(&spec),
            state: RunState::Ended {
                at: NOW - Duration::from_mins(*minutes),
                outcome: RunOutcome::Succeeded,
            },
            only: None,
            reconnect_grace: Duration::ZERO,
        })
    });
    let created: Vec<RunId> = join_all(creating)
        .await
        .into_iter()
        .map(|run| run.unwrap().id().clone())
        .collect();
    let numbers = store.unmeasured(NOW, MANY).await.unwrap();
    let numbers: BTreeMap<RunId, i64> = numbers.into_iter().map(|(seq, id)| (id, seq)).collect();
    let mut rows: BTreeMap<JobName, Vec<Row>> = BTreeMap::new();
    let mut measured = Vec::new();
    for ((job, minutes, mib), id) in case.runs.iter().zip(created) {
        let seq = numbers[&id];
        measured.extend(mib.map(|mib| (seq, mib * MIB)));
        rows.entry(JOBS[*job].parse().unwrap())
            .or_default()
            .push(Row {
                at: NOW - Duration::from_mins(*minutes),
                seq,
                bytes: mib.unwrap_or(0) * MIB,
            });
    }
    store.set_output(measured).await.unwrap();
    rows
}

/// The rule, by all runs of each job.
fn expected(jobs: BTreeMap<JobName, Vec<Row>>, set: &JobSet) -> BTreeSet<i64> {
    let is_settled = |row: &Row| NOW.since(row.at) >= SETTLED_AFTER;
    let mut gone = BTreeSet::new();
    let mut stay: Vec<Row> = Vec::new();
    let mut newest = BTreeSet::new();
    for (name, mut rows) in jobs {
        rows.sort_by_key(|row| std::cmp::Reverse((row.at, row.seq)));
        let is_known = set.jobs.contains_key(&name) || !set.has_errors();
        let limits = retention::limits(set.jobs.get(&name).map(|job| &**job), &set.settings);
        let mut bytes = 0;
        let beyond = rows.iter().enumerate().position(|(place, row)| {
            bytes += row.bytes;
            let is_old = limits.age.is_some_and(|age| row.at < NOW - age);
            let is_one_too_many = limits.runs.is_some_and(|runs| place >= runs as usize);
            let is_too_much = place > 0 && limits.bytes.is_some_and(|limit| bytes > limit);
            is_known && (is_old || is_one_too_many || is_too_much) && is_settled(row)
        });
        let beyond = rows.split_off(beyond.unwrap_or(rows.len()));
        gone.extend(beyond.iter().map(|row| row.seq));
        newest.extend(rows.first().map(|row| row.seq));
        stay.extend(rows);
    }
    let total: u64 = stay.iter().map(|row| row.bytes).sum();
    let limit = set.settings.retention_output.unwrap_or(u64::MAX);
    let mut excess = total.saturating_sub(limit);
    stay.sort_by_key(|row| (row.at, row.seq));
    for row in stay.iter().filter(|row| !newest.contains(&row.seq)) {
        if excess == 0 || !is_settled(row) {
            break;
        }
        if row.bytes > 0 {
            gone.insert(row.seq);
            excess = excess.saturating_sub(row.bytes);
        }
    }
    gone
}

async fn check(case: &Case) -> Result<(), TestCaseError> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("saltpeter.db");
    let store = Store::open(&path).await.unwrap();
    let set = configuration(case);
    let rows = write(&store, case, &set).await;
    let expected = expected(rows, &set);
    // Once with all of them waiting, and once as they are deleted on the way.
    for deletes in [false, true] {
        let mut due = Due::new(store.clone(), &set, NOW).await.unwrap();
        let mut found = Vec::new();
        while let Some(some) = due.next().await.unwrap() {
            prop_assert!(!some.is_empty());
            for seq in some {
                if deletes {
                    store.delete_run(seq).await.unwrap();
                }
                found.push(seq);
            }
        }
        let times = found.len();
        let found: BTreeSet<i64> = found.into_iter().collect();
        prop_assert_eq!(found.len(), times, "one was found twice");
        prop_assert_eq!(&found, &expected, "deletes: {}", deletes);
    }
    // What is left is within the limits.
    let mut due = Due::new(store.clone(), &set, NOW).await.unwrap();
    prop_assert_eq!(due.next().await.unwrap(), None);
    // The store closes when nobody else has it.
    drop(due);
    store.close().await;
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn they_are_those_that_a_look_at_all_runs_finds(case in cases()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(check(&case))?;
    }
}
