//! From the second in which jobs are due to the hand-over to the launcher, through the real scheduler, the
//! real store and real run actors; only the launcher does nothing.

use crate::table::{Table, ms, percentile};
use anyhow::{Context as _, Result, ensure};
use saltpeter_domain::run::LogEntry;
use saltpeter_protocol::UnixMillis;
use saltpeter_server::clock::{Clock, SystemClock};
use saltpeter_server::config_watch::ConfigWatch;
use saltpeter_server::pauses::Pauses;
use saltpeter_server::runs::{Dispatch, LaunchOrder, ResolveOrder, RunHandle, Runs};
use saltpeter_server::scheduler::Scheduler;
use saltpeter_server::store::Store;
use saltpeter_server::store::health::Health;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Jobs that fire in the measured second, and all jobs.
const FIRING: usize = 1_000;
const ALL: usize = 10_000;

/// Time that loading and planning may take before the measured second comes.
const LEAD: Duration = Duration::from_secs(5);

/// Notes when each run arrives.
struct Launcher(mpsc::UnboundedSender<UnixMillis>);

impl Dispatch for Launcher {
    fn resolve(&self, _: ResolveOrder, _: RunHandle) {
        // The receiver is gone only when the measurement is over.
        let _ = self.0.send(SystemClock.now());
    }

    fn launch(&self, _: LaunchOrder, _: RunHandle) {}

    fn log(&self, _: LogEntry) {}
}

pub(crate) fn run() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(measure())
}

async fn measure() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let due = UnixMillis::from_seconds((SystemClock.now() + LEAD).seconds());
    write_jobs(scratch.path(), due)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = Store::open(&scratch.path().join("runs.db")).await?;
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let runs = Runs::new(
        Arc::new(store.clone()),
        Arc::new(Launcher(arrived)),
        Arc::clone(&clock),
    );
    let watch = ConfigWatch::load(
        scratch.path().to_owned(),
        chrono_tz::UTC,
        Arc::clone(&clock),
    )?;
    ensure!(
        watch.config().current().jobs.len() == ALL,
        "the jobs do not load"
    );
    let stop = CancellationToken::new();
    let scheduler = Scheduler {
        config: watch.config(),
        runs: runs.clone(),
        paused: Pauses::load(store).await?.subscribe(),
        health: Health::default(),
        clock,
        journal: Arc::new(|_| {}),
    };
    ensure!(SystemClock.now() < due, "loading took longer than {LEAD:?}");
    let watching = tokio::spawn(watch.run(stop.clone()));
    let scheduling = tokio::spawn(scheduler.run(BTreeMap::new(), stop.clone()));
    let mut delays = Vec::with_capacity(FIRING);
    while delays.len() < FIRING {
        let at = tokio::time::timeout(LEAD * 4, arrivals.recv())
            .await
            .with_context(|| format!("only {} of {FIRING} runs arrived", delays.len()))?
            .context("the launcher is gone")?;
        delays.push(at.since(due));
    }
    stop.cancel();
    scheduling.await??;
    watching.await??;
    runs.close().await;

    delays.sort_unstable();
    let mut table = Table::new(format!(
        "Scheduler: {FIRING} of {ALL} jobs due in one second"
    ));
    table.row(
        "first handed to its launcher after",
        ms(percentile(&delays, 0.0)),
        "",
    );
    table.row("median", ms(percentile(&delays, 0.5)), "");
    table.row("last", ms(percentile(&delays, 1.0)), "< 250 ms");
    table.print();
    Ok(())
}

/// Jobs that fire once, at `due`, and others that fire at New Year.
fn write_jobs(dir: &Path, due: UnixMillis) -> Result<()> {
    let of_day = due.seconds().rem_euclid(86_400);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    for group in 0..10 {
        let mut text = String::new();
        for number in 0..ALL / 10 {
            let schedule = if number < FIRING / 10 {
                format!("{second} {minute} {hour} * * *")
            } else {
                "0 0 1 1 *".to_owned()
            };
            writeln!(
                text,
                "job_{group}_{number}:\n  schedule: '{schedule}'\n  utc: true\n  command: 'true'\n  targets: '*'"
            )?;
        }
        std::fs::write(dir.join(format!("group{group}.yaml")), text)?;
    }
    Ok(())
}
