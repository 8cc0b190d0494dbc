//! Holds calls back while Salt is away, so that those who try again do not add to its trouble.

use super::SaltError;
use super::backoff::Backoff;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long calls are held back after one that was not taken.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(5));
/// How long the one that is let through then has to find out, until another is.
const PROBE_LIMIT: Duration = Duration::from_secs(20);

/// Open, or closed until an instant.
#[derive(Debug)]
pub(super) struct Gate {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    backoff: Backoff,
    closed: Option<(Instant, SaltError)>,
}

impl Gate {
    pub(super) fn new() -> Self {
        let state = State {
            backoff: BACKOFF,
            closed: None,
        };
        Self {
            state: Mutex::new(state),
        }
    }

    /// Whether a call may be tried at `now`. After a failure one is let through, and the others are told what the last
    /// one was until that one has found out more.
    pub(super) fn pass(&self, now: Instant) -> Result<(), SaltError> {
        match &mut self.state().closed {
            Some((until, error)) if now < *until => Err(error.clone()),
            Some((until, _)) => {
                *until = now + PROBE_LIMIT;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Notes how a call went that was let through; it is `now`.
    pub(super) fn note<T>(&self, result: &Result<T, SaltError>, now: Instant) {
        let mut state = self.state();
        if let Err(SaltError::Away(why) | SaltError::Unsure(why)) = result {
            let wait = state.backoff.next_wait();
            // For those who are held back it is certain that their call was not taken.
            state.closed = Some((now + wait, SaltError::Away(why.clone())));
        } else {
            state.backoff.reset();
            state.closed = None;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::Gate;
    use crate::salt::SaltError;
    use std::time::Duration;
    use tokio::time::Instant;

    #[test]
    fn after_a_failure_one_call_tries_and_the_others_are_told() {
        let gate = Gate::new();
        let now = Instant::now();
        let later = |millis| now + Duration::from_millis(millis);
        assert_eq!(gate.pass(now), Ok(()));
        gate.note::<()>(&Err(SaltError::Unsure("gone".to_owned())), now);
        let told = Err(SaltError::Away("gone".to_owned()));
        assert_eq!(gate.pass(later(499)), told);
        assert_eq!(gate.pass(later(500)), Ok(()));
        assert_eq!(gate.pass(later(501)), told);
        gate.note(&Ok(()), later(502));
        assert_eq!(gate.pass(later(503)), Ok(()));
        assert_eq!(gate.pass(later(504)), Ok(()));
    }

    #[test]
    fn a_refusal_holds_nobody_back() {
        let gate = Gate::new();
        let now = Instant::now();
        gate.note::<()>(&Err(SaltError::Refused("no".to_owned())), now);
        assert_eq!(gate.pass(now), Ok(()));
    }
}
