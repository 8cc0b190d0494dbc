//! Locks by `flock`: one against two active runs of a job on a machine, one against two wrappers of
//! a run on a machine. The kernel drops them with the process, so none is ever stale.

use crate::dirs;
use rustix::fs::{FlockOperation, OFlags, flock};
use saltpeter_protocol::launch::{Launch, LockRule};
use saltpeter_protocol::{JobName, MachineId, RunId};
use std::fs::{self, File, OpenOptions};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Held until dropped. The file is closed in the command (close-on-exec), which so cannot keep it.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
    /// Removed when the lock is given up: only files in our own directory.
    own: Option<PathBuf>,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Removed while it is still held: whoever opened it meanwhile sees that it is gone and tries anew.
        if let Some(path) = &self.own {
            let _ = fs::remove_file(path);
        }
    }
}

/// Why there is no lock.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LockError {
    #[error("{} is locked by {holder}", path.display())]
    Held { path: PathBuf, holder: String },
    #[error("cannot lock {}: {problem}", path.display())]
    Failed { path: PathBuf, problem: io::Error },
    #[error("{0}")]
    NoDirectory(String),
}

/// The lock of a machine's part of a run, which makes a second launch of it harmless. The runs of two servers may have
/// the same name; their tokens differ.
pub(crate) fn launch(launch: &Launch) -> Result<Lock, LockError> {
    let mut server = DefaultHasher::new();
    match &launch.token {
        Some(token) => token.expose().hash(&mut server),
        None => launch.url.hash(&mut server),
    }
    let name = format!("{}.{:016x}", launch.run, server.finish());
    own("launch", &name, &launch.machine, &launch.run)
}

/// The lock that `rule` asks for; `None` for no lock.
pub(crate) fn overlap(
    rule: &LockRule,
    job: &JobName,
    run: &RunId,
    machine: &MachineId,
) -> Result<Option<Lock>, LockError> {
    match rule {
        LockRule::Shared => Ok(None),
        LockRule::Exclusive => own("job", job.as_str(), machine, run).map(Some),
        LockRule::ExclusiveAt { file } => {
            let file = take(Path::new(file), run)?;
            Ok(Some(Lock {
                _file: file,
                own: None,
            }))
        }
    }
}

fn own(kind: &str, name: &str, machine: &MachineId, run: &RunId) -> Result<Lock, LockError> {
    let dir = dirs::runtime()
        .and_then(|dir| dirs::private(&dir.join(kind)))
        .and_then(|dir| dirs::private(&dir.join(machine.as_str())))
        .map_err(LockError::NoDirectory)?;
    let path = dir.join(name);
    let file = take(&path, run)?;
    Ok(Lock {
        _file: file,
        own: Some(path),
    })
}

fn take(path: &Path, run: &RunId) -> Result<File, LockError> {
    let failed = |problem| LockError::Failed {
        path: path.to_owned(),
        problem,
    };
    loop {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            // A symbolic link there would let somebody else choose the file.
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
            .open(path)
            .map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut holder = String::new();
                let _ = file.by_ref().take(512).read_to_string(&mut holder);
                let holder = holder.trim();
                return Err(LockError::Held {
                    path: path.to_owned(),
                    holder: if holder.is_empty() {
                        "another process".to_owned()
                    } else {
                        holder.to_owned()
                    },
                });
            }
            Err(errno) => return Err(failed(errno.into())),
        }
        // Its last holder may have removed it between our opening and our locking it.
        let mine = file.metadata().map_err(failed)?;
        match fs::symlink_metadata(path) {
            Ok(there) if (there.dev(), there.ino()) == (mine.dev(), mine.ino()) => {
                let text = format!("run {run}, process {}\n", std::process::id());
                // For the reader of the message above only; a lock without it is a lock all the same.
                let _ = file.set_len(0);
                let _ = file.write_all_at(text.as_bytes(), 0);
                return Ok(file);
            }
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(failed(e)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids() -> (JobName, RunId, MachineId) {
        (
            JobName::new("lock-test").unwrap(),
            RunId::new("lock-test_1").unwrap(),
            MachineId::new("m1").unwrap(),
        )
    }

    #[test]
    fn a_second_holder_is_told_who_the_first_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let rule = LockRule::ExclusiveAt {
            file: path.to_str().unwrap().to_owned(),
        };
        let (job, run, machine) = ids();
        let first = overlap(&rule, &job, &run, &machine).unwrap();
        assert!(first.is_some());
        let error = overlap(&rule, &job, &run, &machine)
            .unwrap_err()
            .to_string();
        assert!(error.contains(path.to_str().unwrap()), "{error}");
        assert!(error.contains("run lock-test_1, process "), "{error}");
        drop(first);
        assert!(overlap(&rule, &job, &run, &machine).unwrap().is_some());
        assert!(path.exists(), "the operator's file stays");
    }

    #[test]
    fn a_symbolic_link_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        std::os::unix::fs::symlink(dir.path().join("elsewhere"), &path).unwrap();
        let rule = LockRule::ExclusiveAt {
            file: path.to_str().unwrap().to_owned(),
        };
        let (job, run, machine) = ids();
        assert!(matches!(
            overlap(&rule, &job, &run, &machine),
            Err(LockError::Failed { .. })
        ));
        assert!(!dir.path().join("elsewhere").exists());
    }
}
