//! The server's clock, as a port, so that tests choose the time.

use saltpeter_protocol::UnixMillis;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

/// Tells the time of day.
pub trait Clock: Send + Sync + 'static {
    /// The present moment.
    fn now(&self) -> UnixMillis;
}

/// The operating system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixMillis {
        match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => UnixMillis(0) + since,
            Err(before) => UnixMillis(0) - before.duration(),
        }
    }
}

/// A clock that shows what it was set to, plus the time that tokio's clock has run since: with
/// `tokio::time::pause` it stands still until the test moves it.
#[derive(Debug)]
pub struct TestClock {
    origin: tokio::time::Instant,
    base: AtomicI64,
}

impl TestClock {
    /// A clock that shows `now`.
    pub fn starting_at(now: UnixMillis) -> Self {
        Self {
            origin: tokio::time::Instant::now(),
            base: AtomicI64::new(now.0),
        }
    }

    /// Steps forward without any timer noticing, as when somebody sets the clock.
    pub fn step(&self, by: Duration) {
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.base.fetch_add(by, Ordering::Relaxed);
    }

    /// Steps back in the same way.
    pub fn step_back(&self, by: Duration) {
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.base.fetch_sub(by, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.base.load(Ordering::Relaxed)) + self.origin.elapsed()
    }
}
