//! The state itself, and its numbering.

mod state;

use super::earliest;
use super::history::History;
use crate::pauses::Paused;
use crate::runs::RunChange;
use crate::view;
use saltpeter_domain::{Job, JobSet};
use saltpeter_protocol::api::{JobRow, MaintenanceView, Overview, StorageTrouble};
use saltpeter_protocol::live::{Event, ServerMessage};
use saltpeter_protocol::{JobName, RunId, UnixMillis};
use state::State;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tokio::sync::broadcast;

/// Changes that a browser may be behind; one that is further behind gets a fresh snapshot.
const BEHIND: usize = 4096;

/// What all browsers are shown. Clones share it.
#[derive(Clone)]
pub struct Board {
    state: Arc<Mutex<State>>,
    changes: broadcast::Sender<Arc<Sequenced>>,
}

/// A change with its number.
#[derive(Debug)]
pub struct Sequenced {
    /// Its number; each is one more than the last.
    pub seq: u64,
    /// What changed.
    pub change: Change,
    text: OnceLock<String>,
}

/// What changed.
#[derive(Debug)]
pub enum Change {
    /// Something that every browser shows.
    Event(Box<Event>),
    /// A run, for those who watch it.
    Run(Box<RunChange>),
    /// So much that everything is to be sent anew.
    Reset,
}

impl Sequenced {
    /// An event as the socket's text. Made once for all browsers.
    pub fn text(&self, event: &Event) -> &str {
        self.text.get_or_init(|| {
            let message = ServerMessage::Event {
                seq: self.seq,
                event: event.clone(),
            };
            // Plain data with text keys cannot fail to become JSON.
            serde_json::to_string(&message).unwrap_or_default()
        })
    }
}

/// The board at number `seq`, and every change after it.
pub struct Subscription {
    /// The number.
    pub seq: u64,
    /// The board then.
    pub overview: Overview,
    /// What comes after.
    pub changes: broadcast::Receiver<Arc<Sequenced>>,
}

impl Board {
    /// A board of these jobs and histories at `now`.
    pub fn new(
        jobs: &JobSet,
        histories: HashMap<JobName, History>,
        paused: Paused,
        now: UnixMillis,
    ) -> Self {
        let board = Self {
            state: Arc::new(Mutex::new(State::new(jobs, histories, paused, now))),
            changes: broadcast::Sender::new(BEHIND),
        };
        board.configure(jobs, now);
        board
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every step leaves the state whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of the last change.
    pub fn seq(&self) -> u64 {
        self.lock().seq
    }

    /// The board at `now`, and every change from then on.
    pub fn subscribe(&self, now: UnixMillis) -> Subscription {
        let mut state = self.lock();
        self.flush_locked(&mut state);
        let changes = self.changes.subscribe();
        let (seq, parts) = (state.seq, state.parts());
        drop(state);
        Subscription {
            seq,
            overview: parts.overview(now),
            changes,
        }
    }

    /// The board at `now`.
    pub fn overview(&self, now: UnixMillis) -> Overview {
        let mut state = self.lock();
        // Whoever asks gets what is known, gathered or not.
        self.flush_locked(&mut state);
        let parts = state.parts();
        drop(state);
        parts.overview(now)
    }

    /// A job's row.
    pub fn row(&self, job: &JobName) -> Option<JobRow> {
        let mut state = self.lock();
        self.flush_locked(&mut state);
        let row = Arc::clone(&state.rows.get(job)?.row);
        drop(state);
        Some(JobRow::clone(&row))
    }

    /// Maintenance as it is in force.
    pub fn maintenance(&self) -> MaintenanceView {
        self.lock().maintenance_view.clone()
    }

    /// Takes a new configuration in.
    pub fn configure(&self, jobs: &JobSet, now: UnixMillis) {
        let mut state = self.lock();
        let zone_changed = state.zone != jobs.default_zone;
        state.zone = jobs.default_zone;
        let gone: Vec<JobName> = state
            .rows
            .keys()
            .filter(|name| !jobs.jobs.contains_key(*name))
            .cloned()
            .collect();
        for name in gone {
            if let Some(row) = state.rows.remove(&name)
                && let Some(next) = row.row.next
            {
                state.due.remove(&(next, name.clone()));
            }
            state.dirty.remove(&name);
            self.publish(
                &mut state,
                Change::Event(Box::new(Event::JobRemoved { name })),
            );
        }
        for (name, job) in &jobs.jobs {
            let same = !zone_changed
                && state
                    .rows
                    .get(name)
                    .is_some_and(|row| Arc::ptr_eq(&row.job, job));
            if !same {
                state.set_job(job, now);
                state.dirty.insert(name.clone());
            }
        }
        state.confirm_above = jobs.settings.run_now_confirm_above;
        state.editor = jobs.settings.editor;
        let problems = view::problems(jobs);
        if state.problems != problems {
            state.problems.clone_from(&problems);
            self.publish(
                &mut state,
                Change::Event(Box::new(Event::Problems { problems })),
            );
        }
        state.maintenance = Arc::clone(&jobs.maintenance);
        self.look_at_maintenance(&mut state, now);
        self.flush_locked(&mut state);
    }

    /// Takes a change of a run in. The job's row follows at the next [`Board::flush`].
    pub fn take_run(&self, change: RunChange) {
        let mut state = self.lock();
        let job = change.summary.job.clone();
        state
            .histories
            .entry(job.clone())
            .or_default()
            .take(&change.summary);
        state.dirty.insert(job);
        self.publish(&mut state, Change::Run(Box::new(change)));
    }

    /// Replaces what is known of the runs, after changes were missed.
    pub fn replace_histories(&self, histories: HashMap<JobName, History>) {
        let mut state = self.lock();
        state.histories = histories;
        let all: Vec<JobName> = state.rows.keys().cloned().collect();
        for name in all {
            state.refresh(&name);
        }
        state.dirty.clear();
        self.publish(&mut state, Change::Reset);
    }

    /// Forgets a run that has been deleted. The job's row follows at the next [`Board::flush`].
    pub fn forget(&self, job: &JobName, run: &RunId) {
        let mut state = self.lock();
        if let Some(history) = state.histories.get_mut(job)
            && history.forget(run)
        {
            state.dirty.insert(job.clone());
        }
    }

    /// Takes in what is wrong with the storage.
    pub fn set_troubles(&self, troubles: Vec<StorageTrouble>) {
        let mut state = self.lock();
        if state.troubles != troubles {
            state.troubles.clone_from(&troubles);
            self.publish(
                &mut state,
                Change::Event(Box::new(Event::Storage { troubles })),
            );
        }
    }

    /// Takes the pauses in.
    pub fn pause(&self, paused: &Paused) {
        let mut state = self.lock();
        let before = std::mem::replace(&mut state.paused, Arc::clone(paused));
        for name in before.keys().chain(paused.keys()) {
            if before.get(name) == paused.get(name) {
                continue;
            }
            if let Some(job) = state.rows.get(name).map(|row| Arc::clone(&row.job)) {
                let now = state.now;
                state.set_job(&job, now);
                state.dirty.insert(name.clone());
            }
        }
    }

    /// Moves on what the clock alone changes. True when rows have changed.
    pub fn pass_time(&self, now: UnixMillis) -> bool {
        let mut state = self.lock();
        // The clock may have been set back: what was thought past is ahead again.
        let back = now < state.now;
        state.now = now;
        self.look_at_maintenance(&mut state, now);
        if back {
            let jobs: Vec<Arc<Job>> = state
                .rows
                .values()
                .map(|row| Arc::clone(&row.job))
                .collect();
            for job in jobs {
                state.set_job(&job, now);
                state.dirty.insert(job.name.clone());
            }
        }
        while let Some((at, name)) = state.due.first().cloned()
            && at <= now
        {
            state.due.pop_first();
            let zone = state.zone;
            if let Some(known) = state.rows.get_mut(&name) {
                let next = known.job.schedule.next_after(now, zone);
                Arc::make_mut(&mut known.row).next = next;
                state.due.extend(next.map(|next| (next, name.clone())));
                state.dirty.insert(name);
            }
        }
        !state.dirty.is_empty()
    }

    /// When [`Board::pass_time`] has something to do next.
    pub fn next_wake(&self) -> Option<UnixMillis> {
        let state = self.lock();
        let until = state.maintenance_view.until;
        earliest([state.due.first().map(|(at, _)| *at), until])
    }

    /// Publishes the rows that have changed.
    pub fn flush(&self) {
        self.flush_locked(&mut self.lock());
    }

    fn flush_locked(&self, state: &mut State) {
        for name in std::mem::take(&mut state.dirty) {
            if let Some(row) = state.refresh(&name) {
                let job = Box::new(JobRow::clone(&row));
                self.publish(state, Change::Event(Box::new(Event::Job { job })));
            }
        }
    }

    fn look_at_maintenance(&self, state: &mut State, now: UnixMillis) {
        if state.maintenance.is_global(now) {
            state.global_since.get_or_insert(now);
        } else {
            state.global_since = None;
        }
        let maintenance = view::maintenance(&state.maintenance, state.global_since, now);
        if state.maintenance_view != maintenance {
            state.maintenance_view.clone_from(&maintenance);
            self.publish(
                state,
                Change::Event(Box::new(Event::Maintenance { maintenance })),
            );
        }
    }

    /// Called with the state locked, so that numbers and changes are in one order for everybody.
    fn publish(&self, state: &mut State, change: Change) {
        state.seq += 1;
        // No browser listening is no error.
        let _ = self.changes.send(Arc::new(Sequenced {
            seq: state.seq,
            change,
            text: OnceLock::new(),
        }));
    }
}
