//! Starts what is due: the planner says what and when, this sleeps until then and hands it over.

use crate::clock::Clock;
use crate::config_watch::Config;
use crate::dispatch::Journal;
use crate::pauses::Paused;
use crate::runs::{Runs, StartError, StartRun};
use futures::StreamExt as _;
use saltpeter_domain::planner::{Due, Fire, Missed, Planner};
use saltpeter_domain::run::{LogEntry, LogEvent, MaintenanceScope};
use saltpeter_domain::{Job, JobSet};
use saltpeter_protocol::{JobName, RunCause, UnixMillis};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The longest sleep, so that a clock that was set is noticed.
const LONGEST_SLEEP: Duration = Duration::from_secs(10);

/// How often the log says that global maintenance is on.
const REMIND_EVERY: Duration = Duration::from_secs(20);

/// Starts that are under way at a time.
const STARTS_AT_ONCE: usize = 256;

/// What the scheduler works with.
pub struct Scheduler {
    /// The jobs.
    pub config: Config,
    /// Where starts go.
    pub runs: Runs,
    /// Jobs that do not start by themselves.
    pub paused: watch::Receiver<Paused>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The jobs' logs.
    pub journal: Journal,
}

impl Scheduler {
    /// Starts what is due until `stop`; then waits for starts that are under way. `last` holds the last
    /// instant of each job that the store knows.
    pub async fn run(
        self,
        last: BTreeMap<JobName, UnixMillis>,
        stop: CancellationToken,
    ) -> Result<(), Infallible> {
        let mut jobs = self.config.subscribe();
        let mut planner = Planner::new(last);
        let mut set = Arc::clone(&jobs.borrow_and_update());
        planner.update(&set, self.clock.now());
        let starts = TaskTracker::new();
        let mut remind_at: Option<Instant> = None;
        while !stop.is_cancelled() {
            let now = self.clock.now();
            let due = planner.due(now);
            self.hand_over(due, &set, now, &starts);
            remind(&set, now, &mut remind_at);
            let until_due = planner
                .next_wake()
                .map_or(LONGEST_SLEEP, |at| at.since(now));
            let wake = Instant::now() + until_due.min(LONGEST_SLEEP);
            let wake = remind_at.map_or(wake, |remind| wake.min(remind));
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep_until(wake) => {}
                changed = jobs.changed() => {
                    if changed.is_err() {
                        // The configuration's task has ended, which ends the server.
                        stop.cancelled().await;
                    }
                    set = Arc::clone(&jobs.borrow_and_update());
                    planner.update(&set, self.clock.now());
                }
            }
        }
        starts.close();
        starts.wait().await;
        Ok(())
    }

    fn hand_over(&self, due: Due, set: &Arc<JobSet>, now: UnixMillis, starts: &TaskTracker) {
        let paused = Arc::clone(&self.paused.borrow());
        let is_paused = |job: &Job| paused.contains_key(&job.name);
        let missed: Vec<Missed> = due
            .missed
            .into_iter()
            .filter(|missed| !is_paused(&missed.job))
            .collect();
        let mut fires: Vec<Fire> = due
            .fires
            .into_iter()
            .filter(|fire| !is_paused(&fire.job))
            .collect();
        if set.maintenance.is_global(now) {
            for fire in fires.drain(..) {
                tracing::debug!(job = %fire.job.name, "not started: global maintenance mode active");
                (self.journal)(LogEntry {
                    job: fire.job.name.clone(),
                    group: fire.job.group.clone(),
                    at: now,
                    event: LogEvent::Maintenance {
                        scope: MaintenanceScope::Global,
                    },
                });
            }
        }
        if !missed.is_empty() {
            starts.spawn(record_missed(self.runs.clone(), missed, Arc::clone(set)));
        }
        if !fires.is_empty() {
            starts.spawn(start_all(self.runs.clone(), fires, Arc::clone(set)));
        }
    }
}

async fn start_all(runs: Runs, fires: Vec<Fire>, set: Arc<JobSet>) {
    futures::stream::iter(fires)
        .for_each_concurrent(STARTS_AT_ONCE, |fire| {
            let (runs, set) = (&runs, &set);
            async move {
                let start = StartRun {
                    job: fire.job.name.clone(),
                    spec: Arc::new(fire.job.freeze(&set.settings)),
                    cause: RunCause::Schedule {
                        instant: fire.instant,
                    },
                    only: None,
                    reconnect_grace: set.settings.reconnect_grace,
                };
                let started = runs.start(start).await;
                report(&fire.job, started.map(drop));
            }
        })
        .await;
}

async fn record_missed(runs: Runs, missed: Vec<Missed>, set: Arc<JobSet>) {
    for missed in missed {
        let job = &missed.job;
        let count = missed.instants.len();
        let least = if missed.is_truncated() {
            "more than "
        } else {
            ""
        };
        tracing::warn!(job = %job.name, "{least}{count} starts were missed: their time had passed");
        let spec = Arc::new(job.freeze(&set.settings));
        for instant in missed.instants {
            let recorded = runs.record_missed(job.name.clone(), Arc::clone(&spec), instant);
            report(job, recorded.await.map(drop));
        }
    }
}

fn report(job: &Job, outcome: Result<(), StartError>) {
    match outcome {
        Ok(()) => {}
        Err(StartError::SkippedOverlap { active }) => {
            tracing::info!(job = %job.name, "not started: {active} is still going");
        }
        Err(StartError::AlreadyStarted(run)) => {
            tracing::debug!(job = %job.name, %run, "already started");
        }
        Err(StartError::ShuttingDown) => {
            tracing::info!(job = %job.name, "not started: the server is shutting down");
        }
        Err(StartError::Store(error)) => {
            tracing::error!(job = %job.name, "not started: {error}");
        }
    }
}

/// Says every twenty seconds that global maintenance is on.
fn remind(set: &JobSet, now: UnixMillis, at: &mut Option<Instant>) {
    if !set.maintenance.is_global(now) {
        if at.take().is_some() {
            tracing::info!("maintenance mode is over");
        }
        return;
    }
    if at.is_none_or(|at| at <= Instant::now()) {
        tracing::info!("maintenance mode active: nothing new starts");
        *at = Some(Instant::now() + REMIND_EVERY);
    }
}
