//! The tab's state as signals. One for each part, so that only those who show a part look again, and
//! at most once per frame however many messages come.

mod intake;
mod picture;

pub(crate) use picture::Picture;

use super::cell::Cell;
use super::feed::{Feed, Subscription};
use super::jobs::{Changed, Jobs};
use super::reducer::State;
use crate::browser;
use crate::first::{FirstView, Totals};
use crate::format;
use intake::Dirty;
use leptos::prelude::*;
use picture::{Kept, bucket};
use saltpeter_protocol::api::{
    ApiError, JobRow, MaintenanceView, Problem, RunDetail, RunSummary, ServerView, StorageTrouble,
};
use saltpeter_protocol::live::{ClientMessage, SubscriptionId};
use saltpeter_protocol::{JobName, RunId, UnixMillis};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How the socket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    /// Not open yet.
    Connecting,
    /// Open and heard from.
    Live,
    /// Being opened again; the last data are of then, by the browser's clock.
    Reconnecting(UnixMillis),
    /// Several attempts have failed; the last data are of then.
    Offline(UnixMillis),
}

/// In which zone times are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Zone {
    /// Everybody's.
    Utc,
    /// The browser's.
    Local,
}

/// A sender of messages to the server.
pub(crate) type Send = Arc<dyn Fn(ClientMessage) + std::marker::Send + Sync>;

/// A watched run. Two pages watch the same one while the first gives way to the second.
#[derive(Clone)]
struct Watch {
    // Not in an arena: the page that began to watch may be gone before the last one is.
    version: ArcRwSignal<u32>,
    watchers: u32,
}

/// The tab's state. Pages find it in the context.
#[derive(Clone, Copy)]
pub(crate) struct Live {
    state: Cell<Option<State>>,
    kept: Cell<Kept>,
    /// The first view's counts, until all jobs are here.
    first: Cell<Option<(Totals, Vec<String>, usize)>>,
    jobs: RwSignal<u32>,
    maintenance: RwSignal<u32>,
    problems: RwSignal<u32>,
    storage: RwSignal<u32>,
    runs: Cell<BTreeMap<RunId, Watch>>,
    dirty: StoredValue<Dirty>,
    feed: StoredValue<Feed>,
    sender: StoredValue<Option<Send>>,
    /// How far the server's clock is ahead of the browser's, in milliseconds.
    skew: StoredValue<i64>,
    link: RwSignal<Link>,
    now: RwSignal<UnixMillis>,
    zone: RwSignal<Zone>,
}

impl Live {
    /// A state that knows nothing yet.
    pub(crate) fn new() -> Self {
        Self {
            state: Cell::new(None),
            kept: Cell::new(Kept::default()),
            first: Cell::new(None),
            jobs: RwSignal::new(0),
            maintenance: RwSignal::new(0),
            problems: RwSignal::new(0),
            storage: RwSignal::new(0),
            runs: Cell::new(BTreeMap::new()),
            dirty: StoredValue::new(Dirty::default()),
            feed: StoredValue::new(Feed::default()),
            sender: StoredValue::new(None),
            skew: StoredValue::new(0),
            link: RwSignal::new(Link::Connecting),
            now: RwSignal::new(UnixMillis(0)),
            zone: RwSignal::new(Zone::Utc),
        }
    }

    /// Takes the state that the page was rendered from, once. Says whether there is a state.
    pub(crate) fn begin(&self, first: Result<FirstView, ApiError>) -> bool {
        // Several parts of a page wait for it and may go on at once, on the server even on several threads: the others
        // wait for the one that is taking it.
        let begun = self.state.update(|state| {
            if state.is_some() {
                return true;
            }
            let Ok(first) = first else {
                return false;
            };
            self.now.set(first.overview.server.now);
            self.first
                .update(|kept| *kept = Some((first.totals, first.groups, first.selected)));
            *state = Some(State::new(first.overview));
            true
        });
        begun == Some(true)
    }

    // What pages read.

    fn read<T>(&self, read: impl FnOnce(&State) -> T) -> Option<T> {
        self.state.with(|state| state.as_ref().map(read))
    }

    /// Reads all jobs that are here.
    pub(crate) fn with_jobs<T>(&self, read: impl FnOnce(&Jobs) -> T) -> Option<T> {
        self.jobs.track();
        self.read(|state| read(&state.jobs))
    }

    /// Reads all jobs that are here, with what has changed of them since the picture `seen`, as far as that is known still.
    /// The picture to give the next time is with them; there is none while some changes are in no picture yet.
    pub(crate) fn follow_jobs<T>(
        &self,
        seen: Option<Picture>,
        read: impl FnOnce(&Jobs, Option<Picture>, Option<&Changed>) -> T,
    ) -> Option<T> {
        let now = Picture(self.jobs.get());
        let nothing = Changed::default();
        self.read(|state| {
            let picture = state.jobs.changed().is_empty().then_some(now);
            self.kept.with(|kept| {
                let changed = match seen {
                    Some(seen) if seen == now => Some(&nothing),
                    Some(seen) if seen.next() == now => Some(&kept.changed),
                    _ => None,
                };
                read(&state.jobs, picture, changed)
            })
        })
    }

    /// One job.
    pub(crate) fn job(&self, name: &JobName) -> Option<Arc<JobRow>> {
        self.kept.with(|kept| kept.names[bucket(name)].track());
        self.read(|state| state.jobs.get(name).cloned()).flatten()
    }

    /// Counts over all jobs.
    pub(crate) fn totals(&self) -> Totals {
        let counted = self.with_jobs(Jobs::totals);
        let first = self.first.with(|first| first.as_ref().map(|f| f.0));
        first.or(counted).unwrap_or_default()
    }

    /// All groups, in order.
    pub(crate) fn groups(&self) -> Vec<String> {
        let here = self.with_jobs(|jobs| jobs.groups().cloned().collect());
        let first = self.first.with(|first| first.as_ref().map(|f| f.1.clone()));
        first.or(here).unwrap_or_default()
    }

    /// How many jobs the address's filter leaves, while not all jobs are here.
    pub(crate) fn first_selected(&self) -> Option<usize> {
        self.jobs.track();
        self.first.with(|first| first.as_ref().map(|f| f.2))
    }

    /// Jobs that have failed since this was asked last.
    pub(crate) fn take_failures(&self) -> Vec<RunSummary> {
        let taken = self
            .state
            .update(|state| state.as_mut().map(State::take_failures));
        taken.flatten().unwrap_or_default()
    }

    /// Maintenance as it is in force.
    pub(crate) fn maintenance(&self) -> MaintenanceView {
        self.maintenance.track();
        self.read(|state| state.maintenance.clone())
            .unwrap_or_default()
    }

    /// What is wrong with the configuration.
    pub(crate) fn problems(&self) -> Arc<Vec<Problem>> {
        self.problems.track();
        self.read(|state| state.problems.clone())
            .unwrap_or_default()
    }

    /// What keeps the server from writing to its disk.
    pub(crate) fn troubles(&self) -> Arc<Vec<StorageTrouble>> {
        self.storage.track();
        self.read(|state| state.troubles.clone())
            .unwrap_or_default()
    }

    /// The server, as it was when the state was last read whole.
    pub(crate) fn server(&self) -> Option<ServerView> {
        self.jobs.track();
        self.read(|state| state.server.clone())
    }

    /// A run that [`Live::watch_run`] has put in.
    pub(crate) fn run(&self, run: &RunId) -> Option<Arc<RunDetail>> {
        if let Some(watch) = self.watched(run) {
            watch.version.track();
        }
        self.read(|state| state.run(run)).flatten()
    }

    fn watched(&self, run: &RunId) -> Option<Watch> {
        self.runs.with(|runs| runs.get(run).cloned())
    }

    /// The server's clock, moved on once a second.
    pub(crate) fn now(&self) -> UnixMillis {
        self.now.get()
    }

    /// How the socket is.
    pub(crate) fn link(&self) -> Link {
        self.link.get()
    }

    /// The zone that times are shown in.
    pub(crate) fn zone(&self) -> Zone {
        self.zone.get()
    }

    /// Changes the zone that times are shown in.
    pub(crate) fn set_zone(&self, zone: Zone) {
        self.zone.set(zone);
    }

    /// How many minutes the zone that times are shown in is east of UTC at `at`.
    pub(crate) fn offset_minutes(&self, at: UnixMillis) -> i32 {
        match self.zone.get() {
            Zone::Utc => 0,
            Zone::Local => browser::offset_minutes(at),
        }
    }

    /// Date and time in the zone that times are shown in.
    pub(crate) fn absolute(&self, at: UnixMillis) -> String {
        format::absolute(at, self.offset_minutes(at))
    }

    /// Moves the clock on.
    pub(crate) fn tick(&self) {
        let skew = self.skew.get_value();
        self.now.set(UnixMillis(browser::now().0 + skew));
    }

    // What pages ask for.

    /// Follows a run from now on; `detail` is what is known of it.
    pub(crate) fn watch_run(&self, detail: RunDetail) {
        let id = detail.summary.id.clone();
        self.runs.update(|runs| {
            let watch = runs.entry(id.clone()).or_insert_with(|| Watch {
                version: ArcRwSignal::new(0),
                watchers: 0,
            });
            watch.watchers += 1;
        });
        self.state.update(|state| {
            if let Some(state) = state {
                state.watch(detail);
            }
        });
        self.say(ClientMessage::WatchRun { run: id });
    }

    /// No longer follows a run.
    pub(crate) fn unwatch_run(&self, run: &RunId) {
        let mut last = false;
        self.runs.update(|runs| {
            if let Some(watch) = runs.get_mut(run) {
                watch.watchers -= 1;
                last = watch.watchers == 0;
            }
            if last {
                runs.remove(run);
            }
        });
        if !last {
            return;
        }
        self.state.update(|state| {
            if let Some(state) = state {
                state.unwatch(run);
            }
        });
        self.say(ClientMessage::UnwatchRun { run: run.clone() });
    }

    /// Wants output as it grows.
    pub(crate) fn subscribe(&self, subscription: Subscription) -> SubscriptionId {
        let mut added = None;
        self.feed
            .update_value(|feed| added = Some(feed.add(subscription)));
        match added {
            Some((sub, request)) => {
                self.say(request);
                sub
            }
            None => SubscriptionId::MAX,
        }
    }

    /// Wants no more.
    pub(crate) fn unsubscribe(&self, sub: SubscriptionId) {
        let mut message = None;
        self.feed
            .try_update_value(|feed| message = feed.remove(sub));
        if let Some(message) = message {
            self.say(message);
        }
    }

    fn say(&self, message: ClientMessage) {
        // Without a connection there is nothing to do: a new one asks for all of this again.
        if let Some(Some(send)) = self.sender.try_get_value() {
            send(message);
        }
    }
}

/// The tab's state.
pub(crate) fn use_live() -> Live {
    // Provided at the root of the application; a component outside of it is a fault in this code.
    use_context().unwrap_or_else(Live::new)
}
