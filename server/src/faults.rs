//! Faults on demand: a file says how wrong the clock is to be, and what is to become of commits. Only the hidden flag
//! `--faults` leads here; the proofs in `chaos/` use it.

use crate::clock::{Clock, SystemClock};
use crate::store::faults::{CommitFailure, Faults};
use anyhow::{Context as _, Result};
use saltpeter_protocol::UnixMillis;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What the file holds, as JSON. What is absent is in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Wanted {
    /// Milliseconds by which the clock is ahead of the operating system's.
    clock_offset_ms: i64,
    /// Milliseconds that every commit takes longer.
    commit_delay_ms: u64,
    /// How every commit fails.
    commit_failure: Option<Failure>,
}

/// See [`CommitFailure`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Failure {
    Full,
    ReadOnly,
    Io,
}

impl From<Failure> for CommitFailure {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Full => Self::Full,
            Failure::ReadOnly => Self::ReadOnly,
            Failure::Io => Self::Io,
        }
    }
}

/// What the file makes go wrong.
#[derive(Debug, Clone, Default)]
pub struct Wrong {
    /// The clock.
    pub clock: FaultyClock,
    /// The disk.
    pub disk: Faults,
}

/// The operating system's clock, set wrong.
#[derive(Debug, Clone, Default)]
pub struct FaultyClock {
    offset: Arc<AtomicI64>,
}

impl Clock for FaultyClock {
    fn now(&self) -> UnixMillis {
        let UnixMillis(now) = SystemClock.now();
        UnixMillis(now.saturating_add(self.offset.load(Ordering::Relaxed)))
    }
}

/// Does what `file` says, now and whenever it changes, until the process ends. The file is to be replaced as a whole
/// (written elsewhere and renamed); one that cannot be read later changes nothing.
pub fn watch(file: &Path) -> Result<Wrong> {
    let mut wanted = read(file)?;
    let wrong = Wrong::default();
    wrong.apply(wanted);
    let (watched, file) = (wrong.clone(), PathBuf::from(file));
    let look = move || loop {
        std::thread::sleep(LOOK_EVERY);
        match read(&file) {
            Ok(now) if now != wanted => {
                wanted = now;
                watched.apply(wanted);
            }
            _ => {}
        }
    };
    std::thread::Builder::new()
        .name("faults".to_owned())
        .spawn(look)
        .context("cannot start the thread that watches the faults")?;
    Ok(wrong)
}

fn read(file: &Path) -> Result<Wanted> {
    let shown = file.display();
    let text = std::fs::read(file).with_context(|| format!("cannot read the faults {shown}"))?;
    serde_json::from_slice(&text).with_context(|| format!("{shown} does not say which faults"))
}

impl Wrong {
    fn apply(&self, wanted: Wanted) {
        tracing::warn!(?wanted, "faults");
        let offset = &self.clock.offset;
        offset.store(wanted.clock_offset_ms, Ordering::Relaxed);
        let delay = Duration::from_millis(wanted.commit_delay_ms);
        self.disk.set_commit_delay(delay);
        self.disk.set_failure(wanted.commit_failure.map(Into::into));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::time::Instant;

    #[test]
    fn the_clock_follows_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let (file, next) = (dir.path().join("faults"), dir.path().join("next"));
        assert!(watch(&file).is_err());
        fs::write(&file, "{}").unwrap();
        let clock = watch(&file).unwrap().clock;
        let ahead = || clock.now().since(SystemClock.now());
        assert!(ahead() < Duration::from_secs(1));
        fs::write(&next, r#"{"clock_offset_ms": 3600000}"#).unwrap();
        fs::rename(&next, &file).unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while ahead() < Duration::from_secs(3599) {
            assert!(Instant::now() < deadline, "the clock did not follow");
            std::thread::yield_now();
        }
    }
}
