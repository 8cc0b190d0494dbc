//! Logins that are under way at the provider. Each is known by a `state` that only the provider and one browser are told, and
//! is good once, for ten minutes, in that browser.

use super::super::key::{KeyHash, new_key};
use saltpeter_domain::Secret;
use saltpeter_protocol::UnixMillis;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

/// How long somebody may take at the provider.
pub const GOOD_FOR: Duration = Duration::from_mins(10);
/// Logins under way from one network; one beyond ends its oldest, so that nobody can push out others.
const PER_NETWORK: usize = 64;
/// Logins under way altogether; one beyond ends the oldest.
const ALTOGETHER: usize = 4096;

/// What is remembered of a login.
#[derive(Debug)]
pub(super) struct Pending {
    /// What the ID token has to repeat.
    pub(super) nonce: Secret,
    /// What shows the provider that the code is redeemed by whoever asked for it.
    pub(super) verifier: Secret,
    /// Where to go after it.
    pub(super) next: String,
    /// That of the key in the browser's cookie.
    browser: KeyHash,
    network: Option<IpAddr>,
    begun: UnixMillis,
}

/// A login that begins: what the browser and the provider are told.
#[derive(Debug)]
pub(super) struct Beginning {
    pub(super) state: Secret,
    pub(super) nonce: Secret,
    pub(super) verifier: Secret,
    /// For the browser's cookie.
    pub(super) browser: Secret,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Logins {
    /// By the state's hash.
    by_state: HashMap<String, Pending>,
}

impl Logins {
    /// Begins one.
    pub(super) fn begin(
        &mut self,
        next: &str,
        network: Option<IpAddr>,
        now: UnixMillis,
    ) -> Beginning {
        self.make_room(network, now);
        let beginning = Beginning {
            state: new_key(),
            nonce: new_key(),
            verifier: new_key(),
            browser: new_key(),
        };
        let pending = Pending {
            nonce: beginning.nonce.clone(),
            verifier: beginning.verifier.clone(),
            next: next.to_owned(),
            browser: KeyHash::of(beginning.browser.expose()),
            network,
            begun: now,
        };
        self.by_state.insert(key(beginning.state.expose()), pending);
        beginning
    }

    /// The login of this state, if it was begun in the browser that has this key, and not too long ago. It is over with that.
    pub(super) fn take(&mut self, state: &str, browser: &str, now: UnixMillis) -> Option<Pending> {
        let state = key(state);
        let pending = self.by_state.get(&state)?;
        if !pending.browser.is(&KeyHash::of(browser)) {
            return None;
        }
        let pending = self.by_state.remove(&state)?;
        (now.since(pending.begun) < GOOD_FOR).then_some(pending)
    }

    fn make_room(&mut self, network: Option<IpAddr>, now: UnixMillis) {
        self.by_state
            .retain(|_, pending| now.since(pending.begun) < GOOD_FOR);
        let from_there = |pending: &Pending| pending.network == network;
        let many = self.by_state.values().filter(|p| from_there(p)).count();
        if many >= PER_NETWORK {
            self.end_oldest(from_there);
        } else if self.by_state.len() >= ALTOGETHER {
            self.end_oldest(|_| true);
        }
    }

    fn end_oldest(&mut self, of: impl Fn(&Pending) -> bool) {
        let oldest = self
            .by_state
            .iter()
            .filter(|(_, pending)| of(pending))
            .min_by_key(|(_, pending)| pending.begun)
            .map(|(state, _)| state.clone());
        if let Some(state) = oldest {
            self.by_state.remove(&state);
        }
    }
}

/// A state is looked up by its hash, so that how long that takes tells nothing of those that there are.
fn key(state: &str) -> String {
    KeyHash::of(state).as_str().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

    #[test]
    fn a_login_is_good_once_in_its_browser_and_for_ten_minutes() {
        let mut logins = Logins::default();
        let one = logins.begin("/jobs/a", None, NOW);
        let other = logins.begin("/", None, NOW);
        let take = |logins: &mut Logins, state: &Secret, browser: &Secret, now| {
            let taken = logins.take(state.expose(), browser.expose(), now);
            taken.map(|pending| pending.next)
        };
        assert_eq!(take(&mut logins, &one.state, &other.browser, NOW), None);
        assert_eq!(take(&mut logins, &other.state, &one.browser, NOW), None);
        let taken = take(&mut logins, &one.state, &one.browser, NOW);
        assert_eq!(taken.as_deref(), Some("/jobs/a"));
        assert_eq!(take(&mut logins, &one.state, &one.browser, NOW), None);
        let late = NOW + GOOD_FOR;
        assert_eq!(take(&mut logins, &other.state, &other.browser, late), None);
    }

    #[test]
    fn nobody_pushes_out_the_logins_of_others() {
        let mut logins = Logins::default();
        let address = |last: u8| Some(IpAddr::from([192, 0, 2, last]));
        let ours = logins.begin("/", address(1), NOW);
        let first = logins.begin("/", address(2), NOW);
        for _ in 0..ALTOGETHER {
            logins.begin("/", address(2), NOW + Duration::from_secs(1));
        }
        assert_eq!(logins.by_state.len(), 1 + PER_NETWORK);
        let mut take = |of: &Beginning| logins.take(of.state.expose(), of.browser.expose(), NOW);
        assert!(take(&ours).is_some() && take(&first).is_none());
        for number in 0..ALTOGETHER as u32 + 10 {
            let address = Some(IpAddr::from((0x0a00_0000 + number).to_be_bytes()));
            logins.begin("/", address, NOW);
        }
        assert!(logins.by_state.len() <= ALTOGETHER);
    }
}
