//! How a command is ended: SIGTERM to its whole tree, a grace, SIGKILL until nothing is left.

use saltpeter_protocol::launch::TimeLimit;
use saltpeter_protocol::machine::v2::Exit;
use std::time::{Duration, Instant};

/// Between SIGTERM and SIGKILL of a kill.
pub const KILL_GRACE: Duration = Duration::from_secs(5);
/// How often SIGKILL is repeated while something of the tree lives (it may fork faster than it is found).
const REPEAT: Duration = Duration::from_millis(50);
/// A tree that outlives SIGKILL this long cannot be killed by us (uninterruptible sleep, another
/// user's process); the end is reported all the same.
const UNKILLABLE: Duration = Duration::from_secs(10);

/// Who wants the command's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Its time limit.
    TimeLimit,
    /// The server's kill.
    Kill,
    /// SIGTERM to the wrapper itself, as when the machine shuts down.
    Shutdown,
}

/// What to do to the tree now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strike {
    /// SIGTERM.
    Terminate,
    /// SIGKILL.
    Kill,
    /// Nothing helps: report the end.
    GiveUp,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Calm,
    Terminating {
        cause: Cause,
        kill_at: Instant,
    },
    Killing {
        cause: Cause,
        again_at: Instant,
        give_up_at: Instant,
    },
    GivenUp {
        cause: Cause,
    },
}

/// The end of one command.
#[derive(Debug)]
pub struct Killer {
    started: Instant,
    limit: Option<TimeLimit>,
    state: State,
}

impl Killer {
    /// Of a command that was `started` then; without a `limit` it may run for ever.
    pub fn new(limit: Option<TimeLimit>, started: Instant) -> Self {
        Self {
            started,
            limit,
            state: State::Calm,
        }
    }

    /// Why the command is being ended, if it is.
    pub fn cause(&self) -> Option<Cause> {
        match self.state {
            State::Calm => None,
            State::Terminating { cause, .. }
            | State::Killing { cause, .. }
            | State::GivenUp { cause } => Some(cause),
        }
    }

    /// Whether waiting for the rest of the tree is over.
    pub fn gave_up(&self) -> bool {
        matches!(self.state, State::GivenUp { .. })
    }

    /// Begins the end. When it has begun already, its first cause is the one that is reported, and who asks now waits no
    /// longer for SIGKILL than otherwise: a time limit may leave hours for it.
    pub fn end(&mut self, cause: Cause, now: Instant) -> Option<Strike> {
        match &mut self.state {
            State::Calm => {}
            State::Terminating { kill_at, .. } => {
                *kill_at = (*kill_at).min(now + KILL_GRACE);
                return None;
            }
            State::Killing { .. } | State::GivenUp { .. } => return None,
        }
        let kill_at = match (cause, self.limit) {
            (Cause::TimeLimit, Some(limit)) => (self.started + limit.hard).max(now),
            _ => now + KILL_GRACE,
        };
        self.state = State::Terminating { cause, kill_at };
        Some(Strike::Terminate)
    }

    /// When [`Self::tick`] has something to do.
    pub fn wake(&self) -> Option<Instant> {
        match self.state {
            State::Calm => self.limit.map(|limit| self.started + limit.soft),
            State::Terminating { kill_at, .. } => Some(kill_at),
            State::Killing { again_at, .. } => Some(again_at),
            State::GivenUp { .. } => None,
        }
    }

    /// What is due.
    pub fn tick(&mut self, now: Instant) -> Option<Strike> {
        if self.wake().is_none_or(|wake| now < wake) {
            return None;
        }
        match self.state {
            State::Calm => self.end(Cause::TimeLimit, now),
            State::Terminating { cause, .. } => {
                self.state = State::Killing {
                    cause,
                    again_at: now + REPEAT,
                    give_up_at: now + UNKILLABLE,
                };
                Some(Strike::Kill)
            }
            State::Killing {
                cause, give_up_at, ..
            } if now >= give_up_at => {
                self.state = State::GivenUp { cause };
                Some(Strike::GiveUp)
            }
            State::Killing {
                cause, give_up_at, ..
            } => {
                self.state = State::Killing {
                    cause,
                    again_at: now + REPEAT,
                    give_up_at,
                };
                Some(Strike::Kill)
            }
            State::GivenUp { .. } => None,
        }
    }

    /// How the command ended, given how its shell did.
    pub fn verdict(&self, shell: Exit) -> Exit {
        match self.cause() {
            Some(Cause::TimeLimit) => Exit::TimedOut,
            Some(Cause::Kill) => Exit::Killed,
            Some(Cause::Shutdown) | None => shell,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(soft: u64, hard: u64) -> TimeLimit {
        TimeLimit {
            soft: Duration::from_secs(soft),
            hard: Duration::from_secs(hard),
        }
    }

    #[test]
    fn a_time_limit_terminates_at_soft_and_kills_at_hard() {
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        let mut killer = Killer::new(Some(limit(10, 15)), start);
        assert_eq!(killer.tick(at(9)), None);
        assert_eq!(killer.wake(), Some(at(10)));
        assert_eq!(killer.tick(at(10)), Some(Strike::Terminate));
        assert_eq!(killer.tick(at(14)), None);
        assert_eq!(killer.wake(), Some(at(15)));
        assert_eq!(killer.tick(at(15)), Some(Strike::Kill));
        assert_eq!(killer.tick(at(16)), Some(Strike::Kill));
        assert_eq!(killer.tick(at(25)), Some(Strike::GiveUp));
        assert!(killer.gave_up());
        assert_eq!(killer.wake(), None);
        assert_eq!(killer.verdict(Exit::Exited { code: 0 }), Exit::TimedOut);
    }

    #[test]
    fn the_first_cause_is_the_one_reported() {
        let start = Instant::now();
        let mut killer = Killer::new(Some(limit(1, 2)), start);
        assert_eq!(killer.end(Cause::Kill, start), Some(Strike::Terminate));
        assert_eq!(killer.end(Cause::Kill, start), None);
        assert_eq!(killer.tick(start + Duration::from_secs(1)), None);
        assert_eq!(killer.tick(start + KILL_GRACE), Some(Strike::Kill));
        assert_eq!(killer.verdict(Exit::Signalled { signal: 15 }), Exit::Killed);
    }

    #[test]
    fn a_kill_waits_no_longer_for_a_time_limit_that_leaves_long_for_the_end() {
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        let mut killer = Killer::new(Some(limit(10, 3600)), start);
        assert_eq!(killer.tick(at(10)), Some(Strike::Terminate));
        assert_eq!(killer.wake(), Some(at(3600)));
        assert_eq!(killer.end(Cause::Kill, at(20)), None);
        // The server repeats it while the command lives.
        assert_eq!(killer.end(Cause::Kill, at(24)), None);
        assert_eq!(killer.wake(), Some(at(20) + KILL_GRACE));
        assert_eq!(killer.tick(at(25)), Some(Strike::Kill));
        assert_eq!(
            killer.verdict(Exit::Signalled { signal: 9 }),
            Exit::TimedOut
        );
    }

    #[test]
    fn without_a_limit_nothing_ends_the_command() {
        let killer = Killer::new(None, Instant::now());
        assert_eq!(killer.wake(), None);
        let own = Exit::Signalled { signal: 9 };
        assert_eq!(killer.verdict(own), own);
    }
}
