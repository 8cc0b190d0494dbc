//! A server under a steady load for a long time: whether its memory, its descriptors and its database stay as they are.

use crate::files;
use crate::plan::{Ends, JobPlan, MACHINES, Shape};
use crate::processes::size_of;
use crate::stage::Stage;
use crate::watcher::Watcher;
use anyhow::{Context as _, Result, ensure};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection as _, Row as _};
use std::path::Path;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// Jobs that fire every [`EVERY`] seconds each: 200 runs a minute.
const JOBS: u64 = 10;
const EVERY: u64 = 3;

/// How often it is measured.
const MEASURE_EVERY: Duration = Duration::from_secs(5);

/// Measurements to a line.
const LINE_EVERY: usize = 12;

/// By how much the last third after the warm-up may be more than the first.
const MOST_GROWTH: f64 = 0.05;

/// Of the runs that the schedules name at least this part must have begun: otherwise it was no load.
const LEAST_LOAD: f64 = 0.95;

/// How to soak.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// How long in all, the warm-up in it
    #[arg(long, value_name = "M", default_value_t = 25)]
    pub minutes: u64,
    /// How long before anything counts [default: a fifth of it all]
    #[arg(long, value_name = "M")]
    pub warm_up: Option<u64>,
    /// Lines for `saltpeter_config`, such as `keep_runs: 100`; may be given again
    #[arg(long = "set", value_name = "LINE")]
    pub settings: Vec<String>,
}

/// One of the figures.
type Figure = fn(&Sample) -> u64;

/// What was measured at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sample {
    /// Resident memory, KiB.
    memory: u64,
    /// Open file descriptors.
    descriptors: u64,
    /// Bytes of the databases and their logs.
    database: u64,
}

/// Whether it held.
pub async fn run(options: Options) -> Result<bool> {
    let length = Duration::from_secs(options.minutes * 60);
    let warm_up = options
        .warm_up
        .map_or(length / 5, |minutes| Duration::from_secs(minutes * 60));
    ensure!(warm_up < length, "the warm-up is as long as all of it");
    let mut stage = Stage::new("soak").await?;
    let machines: Vec<String> = MACHINES.map(str::to_owned).into();
    let lines = options.settings.iter();
    let more: Vec<String> = lines.map(|line| format!("  {line}\n")).collect();
    let more = more.concat();
    stage.configure(&machines, &more, |place| {
        (0..JOBS)
            .map(|number| files::job(place, &stage.job(&format!("j{number}")), &job()))
            .collect()
    })?;
    stage.start()?;
    stage.until_up().await?;
    let stop = CancellationToken::new();
    let watching = tokio::spawn(Watcher::default().look(stage.client(), stop.clone()));
    let begun = Instant::now();
    let mut samples = Vec::new();
    println!("| minute | memory | descriptors | database | runs |\n|---|---|---|---|---|");
    while begun.elapsed() < length {
        sleep_until(begun + MEASURE_EVERY * (samples.len() as u32 + 1)).await;
        let sample = measure(&stage)?;
        samples.push(sample);
        if samples.len() % LINE_EVERY == 0 {
            println!(
                "| {} | {:.1} MiB | {} | {:.2} MiB | {} |",
                samples.len() / LINE_EVERY,
                sample.memory as f64 / 1024.0,
                sample.descriptors,
                sample.database as f64 / 1_048_576.0,
                runs(&stage.database()).await?
            );
        }
    }
    let begun_runs = runs(&stage.database()).await?;
    stop.cancel();
    watching.await?;
    stage.stop().await?;
    let counted = samples.split_off((warm_up.as_secs() / MEASURE_EVERY.as_secs()) as usize);
    let expected = length.as_secs() * JOBS / EVERY;
    let mut held = begun_runs as f64 >= expected as f64 * LEAST_LOAD;
    println!(
        "\n{begun_runs} runs of {expected}; the last third after {warm_up:?} against the first:"
    );
    let kinds: [(&str, Figure); 3] = [
        ("memory", |sample| sample.memory),
        ("descriptors", |sample| sample.descriptors),
        ("database", |sample| sample.database),
    ];
    for (name, of) in kinds {
        let series: Vec<u64> = counted.iter().map(of).collect();
        let growth = growth(&series).context("too few measurements")?;
        let holds = growth < MOST_GROWTH;
        held &= holds;
        let verdict = if holds { "holds" } else { "grows" };
        println!("{name}: {:+.1} %, {verdict}", growth * 100.0);
    }
    stage.remove()?;
    Ok(held)
}

fn job() -> JobPlan {
    JobPlan {
        name: String::new(),
        schedule: Some(format!("*/{EVERY} * * * * *")),
        overlap: "allow",
        missed: "skip",
        timeout: 0,
        retries: 0,
        machines: 1,
        shape: Shape {
            bytes: 2_000,
            millis: 200,
            ends: Ends::Any,
            ignores_term: false,
            forks: false,
        },
    }
}

fn measure(stage: &Stage) -> Result<Sample> {
    let server = stage.server().context("there is no server")?;
    let (memory, descriptors) = size_of(server).context("the server has ended by itself")?;
    let mut database = 0;
    for entry in std::fs::read_dir(stage.database().parent().context("no directory")?)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().contains(".db") {
            // A log may go between the listing and the look.
            database += entry.metadata().map_or(0, |file| file.len());
        }
    }
    Ok(Sample {
        memory,
        descriptors: descriptors as u64,
        database,
    })
}

/// Runs that were ever written down.
async fn runs(database: &Path) -> Result<u64> {
    let options = SqliteConnectOptions::new()
        .filename(database)
        .read_only(true);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    let row = sqlx::query("SELECT coalesce(max(seq), 0) FROM runs")
        .fetch_one(&mut connection)
        .await?;
    let count: i64 = row.try_get(0)?;
    connection.close().await?;
    Ok(count as u64)
}

/// By which part the median of the last third is above that of the first; `None` when there are too few.
fn growth(series: &[u64]) -> Option<f64> {
    let third = series.len() / 3;
    let first = median(series.get(..third)?)?;
    let last = median(series.get(series.len() - third..)?)?;
    Some(last as f64 / first as f64 - 1.0)
}

fn median(series: &[u64]) -> Option<u64> {
    let mut sorted = series.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grows_is_told_from_what_goes_up_and_down() {
        let flat: Vec<u64> = (0..90).map(|n| 1000 + n % 7 * 20).collect();
        assert!(growth(&flat).unwrap().abs() < MOST_GROWTH / 2.0);
        let leaking: Vec<u64> = (0..90).map(|n| 1000 + n * 2 + n % 7 * 20).collect();
        assert!(growth(&leaking).unwrap() > MOST_GROWTH);
        // One spike is no leak.
        let mut spiked = flat.clone();
        spiked[80] = 90_000;
        assert!(growth(&spiked).unwrap() < MOST_GROWTH / 2.0);
        assert_eq!(growth(&[1, 2]), None);
    }
}
