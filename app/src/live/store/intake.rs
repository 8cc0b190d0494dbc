//! What the socket brings, taken into the tab's state; and, once a frame at most, those told who show it.

use super::super::feed::{Delivery, Feed};
use super::super::jobs::Changed;
use super::super::reducer::{Change, State};
use super::picture::{BUCKETS, bucket};
use super::{Link, Live, Send};
use crate::browser;
use leptos::prelude::*;
use saltpeter_protocol::live::{ClientMessage, OutputPush, ServerMessage};
use saltpeter_protocol::{RunId, UnixMillis};
use std::collections::BTreeSet;
use std::time::Duration;

/// How often a hidden tab takes in what has changed.
const WHILE_HIDDEN: Duration = Duration::from_secs(1);

/// How often those who watch a run look again at most: each time they go through all of its machines.
const RUNS_EVERY: Duration = Duration::from_millis(100);

/// The parts of the state that have changed since the last frame.
#[derive(Default)]
pub(super) struct Dirty {
    scheduled: bool,
    /// Whether the runs wait until [`RUNS_EVERY`] has passed.
    runs_wait: bool,
    jobs: bool,
    maintenance: bool,
    problems: bool,
    storage: bool,
    runs: BTreeSet<RunId>,
}

fn bump(version: &impl Update<Value = u32>) {
    version.update(|version| *version = version.wrapping_add(1));
}

impl Live {
    /// A connection is there; `send` speaks to the server. Everything that pages want is asked for.
    pub(crate) fn connected(&self, send: Send) {
        self.kept.update(|kept| kept.coming.clear());
        let runs: Vec<RunId> = self.runs.with(|runs| runs.keys().cloned().collect());
        for run in runs {
            send(ClientMessage::WatchRun { run });
        }
        for request in self.feed.with_value(Feed::requests) {
            send(request);
        }
        self.sender.set_value(Some(send));
    }

    /// The connection is gone.
    pub(crate) fn disconnected(&self, link: Link) {
        self.sender.set_value(None);
        if self.link.get_untracked() != link {
            self.link.set(link);
        }
    }

    /// Takes in a text message.
    pub(crate) fn receive(&self, mut message: ServerMessage) {
        if self.link.get_untracked() != Link::Live {
            self.link.set(Link::Live);
        }
        match &mut message {
            ServerMessage::Jobs { jobs } => {
                self.kept.update(|kept| kept.coming.append(jobs));
                return;
            }
            ServerMessage::Snapshot { overview, .. } => {
                self.kept
                    .update(|kept| overview.jobs.append(&mut kept.coming));
            }
            _ => {}
        }
        let mut change = Change::Nothing;
        self.state.update(|state| match (state, message) {
            (Some(state), message) => change = state.apply(message),
            (state @ None, ServerMessage::Snapshot { overview, .. }) => {
                *state = Some(State::new(*overview));
                change = Change::Everything;
            }
            (None, _) => {}
        });
        match change {
            Change::Nothing => {}
            Change::Everything => {
                // The first view's numbers stood in for jobs that are now here.
                self.first.update(|first| *first = None);
                let now = self.read(|state| state.server.now);
                self.set_skew(now);
                self.mark(|dirty| {
                    (dirty.jobs, dirty.maintenance, dirty.problems) = (true, true, true);
                    dirty.storage = true;
                });
            }
            Change::Jobs => self.mark(|dirty| dirty.jobs = true),
            Change::Maintenance => self.mark(|dirty| dirty.maintenance = true),
            Change::Problems => self.mark(|dirty| dirty.problems = true),
            Change::Storage => self.mark(|dirty| dirty.storage = true),
            Change::Run(run) => self.mark(|dirty| {
                dirty.runs.insert(run);
            }),
            Change::Clock(now) => self.set_skew(Some(now)),
            Change::Refused(sub, message) => {
                let receiver = sub.and_then(|sub| self.feed.with_value(|feed| feed.receiver(sub)));
                match receiver {
                    Some(receiver) => (receiver.deliver)(Delivery::Refused(message)),
                    None => leptos::logging::log!("the server refused a request: {message}"),
                }
            }
        }
    }

    /// Takes in output.
    pub(crate) fn receive_output(&self, push: OutputPush) {
        let receiver = self.feed.with_value(|feed| feed.receiver(push.sub));
        if let Some(receiver) = receiver {
            (receiver.deliver)(Delivery::Output(push.slice));
        }
    }

    fn set_skew(&self, server: Option<UnixMillis>) {
        if let Some(server) = server {
            self.skew.set_value(server.0 - browser::now().0);
        }
    }

    fn mark(&self, mark: impl FnOnce(&mut Dirty)) {
        let mut schedule = false;
        self.dirty.update_value(|dirty| {
            mark(dirty);
            schedule = !std::mem::replace(&mut dirty.scheduled, true);
        });
        if !schedule {
            return;
        }
        let live = *self;
        if browser::hidden() {
            // Nothing is drawn, and so nothing is about to be.
            set_timeout(move || live.flush(), WHILE_HIDDEN);
        } else {
            request_animation_frame(move || live.flush());
        }
    }

    fn flush_jobs(&self) {
        let taken = self
            .state
            .update(|state| state.as_mut().map(|state| state.jobs.take_changed()));
        let changed = taken.flatten().unwrap_or(Changed::All);
        let buckets: BTreeSet<usize> = match &changed {
            Changed::All => (0..BUCKETS).collect(),
            Changed::Some(before) => before.keys().map(bucket).collect(),
        };
        self.kept.update(|kept| kept.changed = changed);
        bump(&self.jobs);
        // Not while it is held: who looks again reads it.
        let names = self.kept.with(|kept| kept.names.clone());
        for bucket in buckets {
            bump(&names[bucket]);
        }
    }

    /// Lets those know who show what has changed.
    pub(crate) fn flush(&self) {
        let mut dirty = Dirty::default();
        self.dirty
            .update_value(|current| std::mem::swap(current, &mut dirty));
        if dirty.jobs {
            self.flush_jobs();
        }
        if dirty.maintenance {
            bump(&self.maintenance);
        }
        if dirty.problems {
            bump(&self.problems);
        }
        if dirty.storage {
            bump(&self.storage);
        }
        if !dirty.runs.is_empty() {
            self.flush_runs(dirty.runs, dirty.runs_wait);
        }
    }

    fn flush_runs(&self, runs: BTreeSet<RunId>, waiting: bool) {
        let now = browser::now();
        let before = self.kept.with(|kept| kept.runs_at);
        let rest = RUNS_EVERY.saturating_sub(now.since(before));
        if rest.is_zero() {
            self.kept.update(|kept| kept.runs_at = now);
            for run in runs {
                if let Some(watch) = self.watched(&run) {
                    bump(&watch.version);
                }
            }
            return;
        }
        self.dirty.update_value(|dirty| {
            dirty.runs.extend(runs);
            dirty.runs_wait = true;
        });
        if !waiting {
            let live = *self;
            set_timeout(move || live.mark(|dirty| dirty.runs_wait = false), rest);
        }
    }
}
