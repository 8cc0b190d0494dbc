//! Starts what is due: the planner says what and when, this sleeps until then and hands it over.

use crate::clock::Clock;
use crate::config_watch::Config;
use crate::dispatch::Journal;
use crate::pauses::Paused;
use crate::runs::{Runs, StartError, StartRun};
use futures::StreamExt as _;
use saltpeter_domain::planner::{Due, Fire, FireKind, Missed, Planner};
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
        let mut reminder = Reminder::default();
        while !stop.is_cancelled() {
            let now = self.clock.now();
            let due = planner.due(now);
            self.hand_over(due, &set, now, &starts);
            match reminder.look(set.maintenance.is_global(now), Instant::now()) {
                Some(Reminded::Active) => {
                    tracing::info!("maintenance mode active: nothing new starts");
                }
                Some(Reminded::Over) => tracing::info!("maintenance mode is over"),
                None => {}
            }
            let until_due = planner
                .next_wake()
                .map_or(LONGEST_SLEEP, |at| at.since(now));
            let wake = Instant::now() + until_due.min(LONGEST_SLEEP);
            let wake = reminder.next.map_or(wake, |next| wake.min(next));
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                changed = jobs.changed() => {
                    if changed.is_err() {
                        // The configuration's task has ended, which ends the server.
                        stop.cancelled().await;
                    }
                    set = Arc::clone(&jobs.borrow_and_update());
                    planner.update(&set, self.clock.now());
                }
                () = tokio::time::sleep_until(wake) => {}
            }
        }
        starts.close();
        starts.wait().await;
        Ok(())
    }

    fn hand_over(&self, due: Vec<Due>, set: &Arc<JobSet>, now: UnixMillis, starts: &TaskTracker) {
        if due.is_empty() {
            return;
        }
        let paused = Arc::clone(&self.paused.borrow());
        let is_global = set.maintenance.is_global(now);
        let fated: Vec<(Due, Fate)> = due
            .into_iter()
            .map(|due| {
                let fate = if paused.contains_key(&due.job.name) {
                    Fate::Paused
                } else if is_global {
                    self.note_maintenance(&due, now);
                    Fate::Maintenance
                } else {
                    Fate::Start
                };
                (due, fate)
            })
            .collect();
        let (runs, set) = (self.runs.clone(), Arc::clone(set));
        starts.spawn(async move {
            futures::stream::iter(fated)
                .for_each_concurrent(STARTS_AT_ONCE, |(due, fate)| see_to(&runs, due, fate, &set))
                .await;
        });
    }

    fn note_maintenance(&self, due: &Due, now: UnixMillis) {
        for _ in &due.fires {
            tracing::debug!(job = %due.job.name, "not started: global maintenance mode active");
            (self.journal)(LogEntry {
                job: due.job.name.clone(),
                group: due.job.group.clone(),
                at: now,
                event: LogEvent::Maintenance {
                    scope: MaintenanceScope::Global,
                },
            });
        }
    }
}

/// What becomes of a job's fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// They are started.
    Start,
    /// The job is paused: they pass, and so do those that nobody saw to.
    Paused,
    /// Global maintenance is on: they pass.
    Maintenance,
}

/// Writes a job's instants down, the oldest first: after a death in between, those that are left are found again. What
/// passes gets no run, neither now nor from a server that starts later.
async fn see_to(runs: &Runs, due: Due, fate: Fate, set: &JobSet) {
    let job = &due.job;
    let spec = Arc::new(job.freeze(&set.settings));
    let last = due.last();
    if fate != Fate::Paused && !due.missed.is_empty() {
        let least = if due.unlisted { "more than " } else { "" };
        let count = due.missed.len();
        tracing::warn!(job = %job.name, "{least}{count} starts were missed: their time had passed");
        for Missed { instant, reason } in due.missed {
            let recorded = runs.record_missed(job.name.clone(), Arc::clone(&spec), instant, reason);
            report(job, recorded.await.map(drop));
        }
    }
    if fate != Fate::Start {
        if let Some(last) = last
            && let Err(error) = runs.pass_over(job.name.clone(), last).await
        {
            tracing::error!(job = %job.name, "a start that passed was not noted: {error}");
        }
        return;
    }
    for Fire { instant, kind } in due.fires {
        let start = StartRun {
            job: job.name.clone(),
            spec: Arc::clone(&spec),
            cause: match kind {
                FireKind::OnTime => RunCause::Schedule { instant },
                FireKind::CatchUp => RunCause::CatchUp { instant },
            },
            only: None,
            reconnect_grace: set.settings.reconnect_grace,
        };
        report(job, runs.start(start).await.map(drop));
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

/// Says at once and then every twenty seconds that global maintenance is on, and once that it is over.
#[derive(Debug, Default)]
struct Reminder {
    /// When to say it again; `None` while it is off.
    next: Option<Instant>,
}

/// What the log is to say about global maintenance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reminded {
    Active,
    Over,
}

impl Reminder {
    fn look(&mut self, is_global: bool, now: Instant) -> Option<Reminded> {
        if !is_global {
            return self.next.take().map(|_| Reminded::Over);
        }
        if self.next.is_some_and(|next| now < next) {
            return None;
        }
        self.next = Some(now + REMIND_EVERY);
        Some(Reminded::Active)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_hears_of_global_maintenance_every_twenty_seconds_and_of_its_end() {
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let mut reminder = Reminder::default();
        assert_eq!(reminder.look(false, at(0)), None);
        assert_eq!(reminder.look(true, at(5)), Some(Reminded::Active));
        assert_eq!(reminder.look(true, at(24)), None);
        assert_eq!(reminder.next, Some(at(25)));
        assert_eq!(reminder.look(true, at(25)), Some(Reminded::Active));
        assert_eq!(reminder.look(true, at(46)), Some(Reminded::Active));
        assert_eq!(reminder.look(false, at(50)), Some(Reminded::Over));
        assert_eq!(reminder.look(false, at(51)), None);
    }
}
