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
pub(crate) fn wall() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as i64)
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Deeds {
    counts: BTreeMap<&'static str, usize>,
    /// The server's clock when the first server began.
    pub(crate) first: i64,
    /// The server's clock when it was up.
    pub(crate) up: i64,
    /// The latest time that the server's clock has shown before it was set back.
    pub(crate) latest: i64,
    pub(crate) killed_wrappers: BTreeSet<Place>,
    hand: Hand,
}

/// What was asked for by hand. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hand {
    asked: Arc<Mutex<Asked>>,
}

#[derive(Debug, Default)]
struct Asked {
    started: Vec<String>,
    kills: Vec<KillAsked>,
}

impl Deeds {
    pub(crate) fn clock_set(&mut self, before: i64, after: i64) {
        self.latest = self.latest.max(wall() + before.max(after));
    }

    pub(crate) fn kills_wrapper(&mut self, place: Place) {
        self.killed_wrappers.insert(place);
    }

    pub(crate) fn injected(&mut self, fault: Fault) {
        self.count(fault.kind(), 1);
    }

    pub(crate) fn count(&mut self, kind: &'static str, times: usize) {
        *self.counts.entry(kind).or_default() += times;
    }

    pub(crate) fn counts(&self) -> BTreeMap<&'static str, usize> {
        self.counts.clone()
    }

    pub(crate) fn hand(&self) -> Hand {
        self.hand.clone()
    }
}

impl Hand {
    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn started(&self, run: &str) {
        self.asked().started.push(run.to_owned());
    }

    /// Asks for the end of a run. True when the server said yes.
    pub(crate) async fn kill(&self, client: Client, run: &str) -> bool {
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

    pub(crate) fn all_started(&self) -> Vec<String> {
        self.asked().started.clone()
    }

    pub(crate) fn all_kills(&self) -> Vec<KillAsked> {
        self.asked().kills.clone()
    }
}
