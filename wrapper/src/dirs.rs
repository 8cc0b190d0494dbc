//! The wrapper's own directories. Nobody but their owner can write to them, so that nobody else can
//! take a lock or plant a file.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// Where locks live: emptied by a reboot where possible.
pub(crate) fn runtime() -> Result<PathBuf, String> {
    let base = if rustix::process::geteuid().is_root() {
        let run = Path::new("/run");
        if run.is_dir() {
            run.to_path_buf()
        } else {
            PathBuf::from("/var/run")
        }
    } else if let Some(dir) = variable("XDG_RUNTIME_DIR") {
        dir
    } else {
        cache()?
    };
    private(&base.join("saltpeter"))
}

/// Where output waits for the server: on a disk where possible.
pub(crate) fn spool() -> Result<PathBuf, String> {
    let base = if rustix::process::geteuid().is_root() {
        Ok(PathBuf::from("/var/spool"))
    } else {
        cache()
    };
    base.and_then(|base| private(&base.join("saltpeter")))
        .or_else(|_| runtime())
}

fn cache() -> Result<PathBuf, String> {
    variable("XDG_CACHE_HOME")
        .or_else(|| variable("HOME").map(|home| home.join(".cache")))
        .ok_or_else(|| {
            "there is no directory for the wrapper's lock: set XDG_RUNTIME_DIR or HOME".to_owned()
        })
}

fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name)
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
}

/// Makes `dir` if need be, and makes sure that only this user can write to it.
pub(crate) fn private(dir: &Path) -> Result<PathBuf, String> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|e| format!("cannot make the directory {}: {e}", dir.display()))?;
    let found = fs::symlink_metadata(dir)
        .map_err(|e| format!("cannot look at the directory {}: {e}", dir.display()))?;
    let me = rustix::process::geteuid().as_raw();
    let problem = if !found.is_dir() {
        "is not a directory".to_owned()
    } else if found.uid() != me {
        format!("belongs to user {}, not to {me}", found.uid())
    } else if found.mode() & 0o022 != 0 {
        format!(
            "can be written by others (mode {:o})",
            found.mode() & 0o7777
        )
    } else {
        return Ok(dir.to_path_buf());
    };
    Err(format!(
        "the wrapper's directory {} {problem}; remove it or mend its owner and mode",
        dir.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_directory_that_others_can_write_is_refused() {
        let base = tempfile::tempdir().unwrap();
        let dir = base.path().join("a/b");
        assert_eq!(private(&dir), Ok(dir.clone()));
        assert_eq!(fs::metadata(&dir).unwrap().mode() & 0o777, 0o700);
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(
            private(&dir)
                .unwrap_err()
                .contains("can be written by others")
        );
        let link = base.path().join("link");
        std::os::unix::fs::symlink(&dir, &link).unwrap();
        assert!(private(&link).unwrap_err().contains("is not a directory"));
    }
}
