//! What was done to the server, as far as the checker needs it.

use super::ANSWER_WITHIN;
use crate::checker::{KillAsked, Place};
use crate::plan::Fault;
use saltpeter_testkit::Client;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;
use tokio::time::timeout;

/// Milliseconds since 1970, by this host's clock.
pub(super) fn wall() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as i64)
}

/// See the module.
#[derive(Debug)]
pub(super) struct Deeds {
    counts: BTreeMap<&'static str, usize>,
    /// The server's clock when the first server began.
    pub(super) first: i64,
    /// The server's clock when it was up.
    pub(super) up: i64,
    /// The latest time that the server's clock has shown before it was set back.
    pub(super) latest: i64,
    pub(super) killed_wrappers: BTreeSet<Place>,
    hand: Hand,
}

/// What was asked for by hand. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Hand {
    asked: Arc<Mutex<Asked>>,
}

#[derive(Debug, Default)]
struct Asked {
    started: Vec<String>,
    kills: Vec<KillAsked>,
}

impl Deeds {
    pub(super) fn new() -> Self {
        Self {
            counts: BTreeMap::new(),
            first: 0,
            up: 0,
            latest: 0,
            killed_wrappers: BTreeSet::new(),
            hand: Hand::default(),
        }
    }

    pub(super) fn server_begins(&mut self, offset: i64) {
        self.first = wall() + offset;
    }

    pub(super) fn server_is_up(&mut self, offset: i64) {
        self.up = wall() + offset;
    }

    pub(super) fn clock_set(&mut self, before: i64, after: i64) {
        self.latest = self.latest.max(wall() + before.max(after));
    }

    pub(super) fn kills_wrapper(&mut self, place: Place) {
        self.killed_wrappers.insert(place);
    }

    pub(super) fn injected(&mut self, fault: Fault) {
        *self.counts.entry(fault.kind()).or_default() += 1;
    }

    pub(super) fn counts(&self) -> BTreeMap<&'static str, usize> {
        self.counts.clone()
    }

    pub(super) fn hand(&self) -> Hand {
        self.hand.clone()
    }
}

impl Hand {
    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn started(&self, run: &str) {
        self.asked().started.push(run.to_owned());
    }

    /// Asks for the end of a run. True when the server said yes.
    pub(super) async fn kill(&self, client: Client, run: &str) -> bool {
        let path = format!("/api/v1/runs/{run}/kill");
        // It may be carried out before the answer comes.
        let asked = |accepted| KillAsked {
            run: run.to_owned(),
            accepted,
        };
        self.asked().kills.push(asked(false));
        let answer = timeout(ANSWER_WITHIN, client.post(&path, "")).await;
        let accepted = matches!(answer, Ok(Ok(answer)) if answer.status == 204);
        if accepted {
            self.asked().kills.push(asked(true));
        }
        accepted
    }

    pub(super) fn all_started(&self) -> Vec<String> {
        self.asked().started.clone()
    }

    pub(super) fn all_kills(&self) -> Vec<KillAsked> {
        self.asked().kills.clone()
    }
}
