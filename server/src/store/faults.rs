//! Disks that fail on demand, for tests: what the two writers ask before each of their commits. A server that is told of
//! no faults pays one atomic read a commit for it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

/// The faults to be had. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    wanted: Arc<Wanted>,
}

#[derive(Debug, Default)]
struct Wanted {
    delay_ms: AtomicU64,
    failure: AtomicU8,
}

/// How commits fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitFailure {
    /// The disk is full.
    Full,
    /// The disk takes no writes any more.
    ReadOnly,
    /// The disk fails.
    Io,
}

impl CommitFailure {
    const ALL: [Self; 3] = [Self::Full, Self::ReadOnly, Self::Io];

    fn number(self) -> u8 {
        match self {
            Self::Full => 1,
            Self::ReadOnly => 2,
            Self::Io => 3,
        }
    }

    fn error(self) -> io::Error {
        io::Error::from(match self {
            Self::Full => io::ErrorKind::StorageFull,
            Self::ReadOnly => io::ErrorKind::ReadOnlyFilesystem,
            Self::Io => io::ErrorKind::Other,
        })
    }
}

impl Faults {
    /// From now on each commit waits this long before it begins.
    pub fn set_commit_delay(&self, delay: Duration) {
        let delay = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self.wanted.delay_ms.store(delay, Ordering::Relaxed);
    }

    /// From now on each commit fails like this; `None`: it goes through.
    pub fn set_failure(&self, failure: Option<CommitFailure>) {
        let number = failure.map_or(0, CommitFailure::number);
        self.wanted.failure.store(number, Ordering::Relaxed);
    }

    /// What a commit has to get past.
    pub(super) async fn pass(&self) -> Result<(), sqlx::Error> {
        let delay = self.wanted.delay_ms.load(Ordering::Relaxed);
        if delay > 0 {
            tokio::time::sleep(Duration::from_millis(delay)).await;
        }
        let wanted = self.wanted.failure.load(Ordering::Relaxed);
        let failure = CommitFailure::ALL
            .into_iter()
            .find(|failure| failure.number() == wanted);
        failure.map_or(Ok(()), |failure| Err(failure.error().into()))
    }
}
