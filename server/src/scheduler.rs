//! Starts what is due: the planner says what and when, this sleeps until then and hands it over.

mod begun;
mod lanes;
mod reminder;
mod starter;

use crate::clock::Clock;
use crate::config_watch::Config;
use crate::dispatch::Journal;
use crate::pauses::Paused;
use crate::runs::Runs;
use crate::store::health::Health;
use begun::Begun;
use futures::StreamExt as _;
use lanes::{Lanes, Work};
use reminder::Reminder;
use saltpeter_domain::JobSet;
use saltpeter_domain::maintenance::Hold;
use saltpeter_domain::planner::{Due, Planner};
use saltpeter_domain::run::{LogEntry, LogEvent, MaintenanceScope};
use saltpeter_protocol::{JobName, MissedReason, UnixMillis};
use starter::{Fate, Starter};
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
    /// Whether starts can be written down.
    pub health: Health,
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
        let mut health = self.health.subscribe();
        let mut outage = Outage::default();
        let mut planner = Planner::new(last);
        let mut set = Arc::clone(&jobs.borrow_and_update());
        let mut begun = Begun::default();
        begun.plan(&mut planner, &set, self.clock.now());
        let starts = Starts {
            tasks: TaskTracker::new(),
            lanes: Arc::default(),
            stop: stop.clone(),
        };
        let mut reminder = Reminder::default();
        while !stop.is_cancelled() {
            begun.note(&self.runs).await;
            let now = self.clock.now();
            health.mark_unchanged();
            if self.health.state_failure().is_some() {
                // What is due now could not be written down. It is found when it can be.
                outage.goes_on(now);
            } else {
                let mut due = planner.due(now);
                outage.explain(&mut due);
                self.hand_over(due, &set, now, &starts);
            }
            for line in reminder.look(&set.maintenance, now, Instant::now()) {
                tracing::info!("{line}");
            }
            let until_due = planner
                .next_wake()
                .filter(|_| !outage.is_on())
                .map_or(LONGEST_SLEEP, |at| at.since(now));
            let wake = Instant::now() + until_due.min(LONGEST_SLEEP);
            let wake = reminder.next().map_or(wake, |next| wake.min(next));
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                Ok(()) = health.changed() => {}
                changed = jobs.changed() => {
                    if changed.is_err() {
                        // The configuration's task has ended, which ends the server.
                        stop.cancelled().await;
                    }
                    set = Arc::clone(&jobs.borrow_and_update());
                    begun.plan(&mut planner, &set, self.clock.now());
                }
                () = tokio::time::sleep_until(wake) => {}
            }
        }
        starts.tasks.close();
        starts.tasks.wait().await;
        Ok(())
    }

    fn hand_over(&self, due: Vec<Due>, set: &Arc<JobSet>, now: UnixMillis, starts: &Starts) {
        if due.is_empty() {
            return;
        }
        let paused = Arc::clone(&self.paused.borrow());
        let starter = Arc::new(Starter {
            runs: self.runs.clone(),
            health: self.health.clone(),
            clock: Arc::clone(&self.clock),
            stop: starts.stop.clone(),
            set: Arc::clone(set),
        });
        let turns: Vec<Work> = due
            .into_iter()
            .filter_map(|due| {
                let fate = if paused.contains_key(&due.job.name) {
                    Fate::Paused
                } else if let Some(hold) = set.maintenance.hold(&due.job.group, now) {
                    self.note_maintenance(&due, hold, now);
                    Fate::Maintenance
                } else {
                    Fate::Start
                };
                let job = Arc::clone(&due.job);
                let starter = Arc::clone(&starter);
                let work = Work { due, fate, starter };
                starts.lanes.enter(&job.name, work)
            })
            .collect();
        let lanes = Arc::clone(&starts.lanes);
        starts.tasks.spawn(async move {
            futures::stream::iter(turns)
                .for_each_concurrent(STARTS_AT_ONCE, |work| lanes.go(work))
                .await;
        });
    }

    fn note_maintenance(&self, due: &Due, hold: Hold, now: UnixMillis) {
        for _ in &due.fires {
            tracing::debug!(job = %due.job.name, "not started: {}", hold.words());
            (self.journal)(LogEntry {
                job: due.job.name.clone(),
                group: due.job.group.clone(),
                at: now,
                event: LogEvent::Maintenance {
                    scope: MaintenanceScope::Job(hold),
                },
            });
        }
    }
}

/// Starts that are under way.
struct Starts {
    tasks: TaskTracker,
    lanes: Arc<Lanes>,
    /// Cancelled when nothing new is to start.
    stop: CancellationToken,
}

/// Since when starts cannot be written down.
#[derive(Debug, Default)]
struct Outage {
    since: Option<UnixMillis>,
}

impl Outage {
    fn goes_on(&mut self, now: UnixMillis) {
        self.since.get_or_insert(now);
    }

    fn is_on(&self) -> bool {
        self.since.is_some()
    }

    /// It is over, if there was one: what was missed by then was missed because of it.
    fn explain(&mut self, due: &mut [Due]) {
        let Some(since) = self.since.take() else {
            return;
        };
        for missed in due.iter_mut().flat_map(|due| &mut due.missed) {
            if missed.reason == MissedReason::Late && missed.instant >= since {
                missed.reason = MissedReason::StorageFailed;
            }
        }
    }
}
