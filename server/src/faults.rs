//! Faults on demand: a file says how wrong the clock is to be. Only the hidden flag `--faults` leads here; the proofs in
//! `chaos/` use it.

use crate::clock::{Clock, SystemClock};
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
pub fn watch(file: &Path) -> Result<FaultyClock> {
    let mut wanted = read(file)?;
    let clock = FaultyClock::default();
    apply(wanted, &clock);
    let (watched, file) = (clock.clone(), PathBuf::from(file));
    let look = move || loop {
        std::thread::sleep(LOOK_EVERY);
        match read(&file) {
            Ok(now) if now != wanted => {
                wanted = now;
                apply(wanted, &watched);
            }
            _ => {}
        }
    };
    std::thread::Builder::new()
        .name("faults".to_owned())
        .spawn(look)
        .context("cannot start the thread that watches the faults")?;
    Ok(clock)
}

fn read(file: &Path) -> Result<Wanted> {
    let shown = file.display();
    let text = std::fs::read(file).with_context(|| format!("cannot read the faults {shown}"))?;
    serde_json::from_slice(&text).with_context(|| format!("{shown} does not say which faults"))
}

fn apply(wanted: Wanted, clock: &FaultyClock) {
    tracing::warn!(?wanted, "faults");
    clock
        .offset
        .store(wanted.clock_offset_ms, Ordering::Relaxed);
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
        let clock = watch(&file).unwrap();
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
