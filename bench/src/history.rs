//! What a job's page asks of the past, with five million results of machines in the database. They get there as they do in
//! service: by the real store, run by run, so that what is counted on the way is in the figures for writing.

use crate::table::{Table, mib, ms, percentile};
use anyhow::{Context as _, Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _};
use saltpeter_domain::RunSpec;
use saltpeter_domain::config::{FileChange, Loader};
use saltpeter_domain::run::MachineRun;
use saltpeter_protocol::api::Counts;
use saltpeter_protocol::{
    JobName, MachineId, MachineOutcome, MachineState, RunCause, RunId, RunOutcome, RunState,
    UnixMillis,
};
use saltpeter_server::clock::{Clock as _, SystemClock};
use saltpeter_server::runs::{NewRun, RunStore as _, RunWrite};
use saltpeter_server::store::Store;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A debug build fills this part of it, to see that it works.
const PART: usize = if cfg!(debug_assertions) { 100 } else { 1 };

/// Jobs of one shape. Together they have five million results.
struct Shape {
    name: &'static str,
    jobs: usize,
    runs: usize,
    machines: usize,
}

const SHAPES: [Shape; 3] = [
    Shape {
        name: "wide",
        jobs: 1,
        runs: 1_000,
        machines: 2_000,
    },
    Shape {
        name: "usual",
        jobs: 100,
        runs: 280,
        machines: 100,
    },
    Shape {
        name: "deep",
        jobs: 1,
        runs: 200_000,
        machines: 1,
    },
];

/// Runs that are written at a time.
const AT_ONCE: usize = 256;
/// How often each question is asked.
const ASKED: usize = 200;
/// Runs that a job's page lists.
const LISTED: u32 = 100;
const BUDGET: &str = "< 50 ms";

pub(crate) fn run() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(measure())
}

async fn measure() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let path = scratch.path().join("saltpeter.db");
    let now = SystemClock.now();
    let store = Store::open(&path).await?;
    let spec = spec()?;
    let begun = Instant::now();
    let mut results = 0;
    for shape in &SHAPES {
        results += fill(&store, shape, &spec, now).await?;
    }
    let filling = begun.elapsed();

    let mut table = Table::new(format!("History: {results} results of machines"));
    let rate = results as f64 / filling.as_secs_f64();
    table.row("written, results a second", format!("{rate:.0}"), "");
    table.row("database", mib(size(&path)?), "");
    for shape in &SHAPES {
        questions(&store, shape, now, &mut table).await?;
    }
    let begun = Instant::now();
    store.delete_run(1).await?;
    let machines = SHAPES[0].machines;
    table.row(
        format!("a run on {machines} machines is deleted in"),
        ms(begun.elapsed()),
        "",
    );
    store.close().await;
    let begun = Instant::now();
    Store::open(&path).await?.close().await;
    table.row("the database is opened again in", ms(begun.elapsed()), "");
    table.print();
    Ok(())
}

/// What jobs are named that [`past`] writes for, with a number behind it.
pub(crate) const JOB: &str = "job";

/// Gives each of `jobs` jobs `runs` ended runs on a machine each, in the database at `path`.
pub(crate) fn past(path: &Path, jobs: usize, runs: usize) -> Result<()> {
    let shape = Shape {
        name: JOB,
        jobs,
        // A debug build's part of the runs is taken there.
        runs: runs * PART,
        machines: 1,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let store = Store::open(path).await?;
        let now = SystemClock.now();
        fill(&store, &shape, &spec()?, now).await?;
        no_output(&store, now).await?;
        store.close().await;
        Ok(())
    })
}

/// Notes that no run has output, as a server does in the minute after a run's end: this one would be busy with all of them.
async fn no_output(store: &Store, now: UnixMillis) -> Result<()> {
    loop {
        let runs = store.unmeasured(now, AT_ONCE as u32).await?;
        if runs.is_empty() {
            return Ok(());
        }
        let none = runs.into_iter().map(|(number, _)| (number, 0)).collect();
        store.set_output(none).await?;
    }
}

async fn questions(store: &Store, shape: &Shape, now: UnixMillis, table: &mut Table) -> Result<()> {
    let job = JobName::new(format!("{}_0", shape.name))?;
    let mut newest = Vec::with_capacity(ASKED);
    let mut past = Vec::with_capacity(ASKED);
    for _ in 0..ASKED {
        let begun = Instant::now();
        let runs = store.history(&job, LISTED).await?;
        newest.push(begun.elapsed());
        let run = runs.first().context("the job has no run")?;
        let begun = Instant::now();
        let told = store.past(&job, Some(&run.id), now).await?;
        past.push(begun.elapsed());
        ensure!(
            told.slowest.len() == shape.machines.min(10)
                && told.rates.iter().all(|rate| rate.succeeded > 0)
                && told.since_success.is_some_and(|since| since.last.is_some()),
            "the past of {job} is not what was written"
        );
    }
    let Shape {
        name,
        runs,
        machines,
        ..
    } = shape;
    let about = format!("{name} ({} runs × {machines})", runs.div_ceil(PART));
    for (what, mut times) in [
        ("newest 100 runs", newest),
        ("rates, slowest, changes", past),
    ] {
        times.sort_unstable();
        table.row(
            format!("{about}: {what}, p50"),
            ms(percentile(&times, 0.5)),
            "",
        );
        table.row(
            format!("{about}: {what}, slowest"),
            ms(percentile(&times, 1.0)),
            BUDGET,
        );
    }
    Ok(())
}

/// Writes the runs of a shape, and says how many results they have.
async fn fill(store: &Store, shape: &Shape, spec: &Arc<RunSpec>, now: UnixMillis) -> Result<usize> {
    let runs = shape.runs.div_ceil(PART);
    for job in 0..shape.jobs {
        let name = JobName::new(format!("{}_{job}", shape.name))?;
        futures::stream::iter((0..runs).map(|at| {
            let created = now - Duration::from_mins(1) * u32::try_from(runs - at).unwrap_or(1);
            one(store, shape, &name, spec, created, at)
        }))
        .buffer_unordered(AT_ONCE)
        .try_collect::<Vec<()>>()
        .await?;
    }
    Ok(shape.jobs * runs * shape.machines)
}

/// One run: every twentieth fails on one machine, and so does the last.
async fn one(
    store: &Store,
    shape: &Shape,
    job: &JobName,
    spec: &Arc<RunSpec>,
    created: UnixMillis,
    at: usize,
) -> Result<()> {
    let new = NewRun {
        job: job.clone(),
        cause: RunCause::Schedule { instant: created },
        created,
        spec: Arc::clone(spec),
        state: RunState::Resolving,
        only: None,
        reconnect_grace: Duration::from_mins(10),
    };
    let run = store.create_run(new).await?;
    let fails = at.is_multiple_of(20);
    let ended = created + Duration::from_secs(20);
    let machines = (0..shape.machines).map(|machine| {
        let outcome = if fails && machine == 0 {
            MachineOutcome::Failed { code: 1 }
        } else {
            MachineOutcome::Succeeded
        };
        let took = Duration::from_millis(1_000 + (machine * 7 + at * 13) as u64 % 19_000);
        let state = MachineState::Ended {
            since: Some(ended - took),
            at: ended,
            outcome,
        };
        Ok((
            MachineId::new(format!("machine{machine:05}.example.org"))?,
            MachineRun::new(state),
        ))
    });
    let machines = machines.collect::<Result<Vec<_>>>()?;
    store.save(write(run.id(), fails, ended, machines)).await?;
    Ok(())
}

fn write(
    run: &RunId,
    fails: bool,
    at: UnixMillis,
    machines: Vec<(MachineId, MachineRun)>,
) -> RunWrite {
    let total = u32::try_from(machines.len()).unwrap_or(u32::MAX);
    let failed = u32::from(fails);
    RunWrite {
        id: run.clone(),
        state: RunState::Ended {
            at,
            outcome: if fails {
                RunOutcome::Failed
            } else {
                RunOutcome::Succeeded
            },
        },
        kill: None,
        stopped: None,
        settled: None,
        counts: Counts {
            total,
            failed,
            succeeded: total - failed,
            ..Counts::default()
        },
        running_on: Vec::new(),
        machines,
    }
}

/// A job as the configuration has it.
fn spec() -> Result<Arc<RunSpec>> {
    let text = "job:\n  schedule: '* * * * *'\n  command: /usr/local/bin/backup --all\n  targets: 'machine*'\n  env: {A: one, B: two}\n";
    let change = FileChange::Content(text.as_bytes().to_vec());
    let set =
        Loader::new(chrono_tz::UTC).apply([("jobs.yaml".to_owned(), change)], SystemClock.now());
    let job = set.jobs.values().next().context("the job does not load")?;
    Ok(Arc::new(job.freeze(&set.settings)))
}

fn size(path: &Path) -> Result<u64> {
    let wal = path.with_extension("db-wal");
    Ok(path.metadata()?.len() + wal.metadata().map_or(0, |file| file.len()))
}
