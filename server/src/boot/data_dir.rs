//! The data directory and the databases in it.

use crate::store::Store;
use crate::store::faults::Faults;
use crate::store::health::Health;
use crate::store::output::OutputLog;
use anyhow::{Context as _, Result, bail};
use std::fs::{DirBuilder, File, TryLockError};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use tokio::runtime::Handle;

/// Opens the databases. On a thread of its own: the compiler does not see that the migrations could move
/// between threads, and so they do not.
pub(super) async fn open(
    data_dir: &Path,
    health: &Health,
    faults: Faults,
) -> Result<(Store, OutputLog)> {
    let (data_dir, health) = (data_dir.to_owned(), health.clone());
    let runtime = Handle::current();
    let opening = tokio::task::spawn_blocking(move || {
        runtime.block_on(async {
            let path = data_dir.join("saltpeter.db");
            let store = Store::open_with(&path, health.clone(), faults.clone()).await?;
            let path = data_dir.join("output.db");
            let output = OutputLog::open_with(&path, health, faults).await?;
            Ok((store, output))
        })
    });
    opening.await?
}

/// Makes the directory if need be, for its owner alone.
pub(crate) fn make_data_dir(directory: &Path) -> Result<()> {
    let shown = directory.display();
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .with_context(|| {
            format!("cannot make the data directory {shown}; name another with --data-dir")
        })
}

/// Makes the directory if need be, and makes sure that no other server uses it.
pub(super) fn claim(directory: &Path) -> Result<File> {
    let shown = directory.display();
    make_data_dir(directory)?;
    let path = directory.join("lock");
    let lock = File::create(&path)
        .with_context(|| format!("cannot write to the data directory {shown}"))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => {
            bail!(
                "another server uses the data directory {shown}; stop it, or name another directory with --data-dir"
            )
        }
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}
