//! The link that makes the first admin of a server without users.
//!
//! It has a code that is good once and for half an hour. Opening it swaps the code for a key that only that browser has, in a
//! cookie, and leads on to an address without any: what stays in the browser's history opens nothing.

use super::key::{KeyHash, new_key};
use saltpeter_domain::Secret;
use saltpeter_protocol::UnixMillis;
use std::time::Duration;

/// How long the link is good, and how long the form behind it.
pub const GOOD_FOR: Duration = Duration::from_mins(30);

/// What is known of the link. Neither the code nor the key is.
#[derive(Debug)]
pub(super) struct FirstAdmin {
    hash: KeyHash,
    made: UnixMillis,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// `hash` is that of the code in the link.
    Link,
    /// `hash` is that of the key in the browser's cookie.
    Form,
}

impl FirstAdmin {
    /// A new code.
    pub(super) fn new(now: UnixMillis) -> (Self, Secret) {
        let code = new_key();
        let first = Self {
            hash: KeyHash::of(code.expose()),
            made: now,
            stage: Stage::Link,
        };
        (first, code)
    }

    /// Swaps the code for a key; `None` when it is not the code, was swapped before, or is too old.
    pub(super) fn exchange(&mut self, code: &str, now: UnixMillis) -> Option<Secret> {
        if !self.is_good(Stage::Link, code, now) {
            return None;
        }
        let key = new_key();
        *self = Self {
            hash: KeyHash::of(key.expose()),
            made: now,
            stage: Stage::Form,
        };
        Some(key)
    }

    /// Whether `key` is the one that the code was swapped for.
    pub(super) fn is_key(&self, key: &str, now: UnixMillis) -> bool {
        self.is_good(Stage::Form, key, now)
    }

    fn is_good(&self, stage: Stage, text: &str, now: UnixMillis) -> bool {
        let fits = self.hash.is(&KeyHash::of(text));
        fits && self.stage == stage && now.since(self.made) < GOOD_FOR
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: UnixMillis = UnixMillis(1_700_000_000_000);

    #[test]
    fn the_code_is_good_once_and_not_for_long() {
        let (mut first, code) = FirstAdmin::new(START);
        assert!(first.exchange("something else", START).is_none());
        assert!(!first.is_key(code.expose(), START));
        let key = first.exchange(code.expose(), START).unwrap();
        assert!(first.exchange(code.expose(), START).is_none());
        assert!(first.is_key(key.expose(), START));
        assert!(!first.is_key(key.expose(), START + GOOD_FOR));
        let (mut late, code) = FirstAdmin::new(START);
        assert!(late.exchange(code.expose(), START + GOOD_FOR).is_none());
    }
}
