//! The configuration directory on disk: which of its files changed since the last look.

use saltpeter_domain::config::{FileChange, MAX_FILE_BYTES, is_config_file};
use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Remembers what each file looked like, so that only changed ones are read again.
#[derive(Debug)]
pub struct ConfigDir {
    path: PathBuf,
    seen: BTreeMap<String, Stamp>,
}

/// Tells two versions of a file apart without reading them. The inode is part of it because editors and
/// Kubernetes replace files by others, whose times may be older.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stamp {
    File {
        inode: (u64, u64),
        len: u64,
        modified: (i64, i64),
        changed: (i64, i64),
    },
    Unreadable(String),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self::File {
            inode: (metadata.dev(), metadata.ino()),
            len: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl ConfigDir {
    /// The directory at `path`, of which nothing is known yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            seen: BTreeMap::new(),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The files that changed since the last call, read. An error means that the directory itself cannot
    /// be read; what is known stays known then.
    pub fn changes(&mut self) -> io::Result<Vec<(String, FileChange)>> {
        let mut present = BTreeMap::new();
        for entry in std::fs::read_dir(&self.path)? {
            let Ok(name) = entry?.file_name().into_string() else {
                // Not UTF-8, so it does not end in `.yaml` in any way that we read.
                continue;
            };
            if !is_config_file(&name) {
                continue;
            }
            // Follows symbolic links, which is what Kubernetes mounts consist of.
            match std::fs::metadata(self.path.join(&name)) {
                Ok(metadata) if metadata.is_dir() => {}
                // A pipe or a device would be read for ever.
                Ok(metadata) if !metadata.is_file() => {
                    let reason = "it is neither a file nor a link to one".to_owned();
                    present.insert(name, Stamp::Unreadable(reason));
                }
                Ok(metadata) => {
                    present.insert(name, Stamp::of(&metadata));
                }
                Err(error) => {
                    present.insert(name, Stamp::Unreadable(error.to_string()));
                }
            }
        }
        let mut changes = Vec::new();
        for name in self.seen.keys() {
            if !present.contains_key(name) {
                changes.push((name.clone(), FileChange::Removed));
            }
        }
        for (name, stamp) in &present {
            if self.seen.get(name) != Some(stamp) {
                changes.push((name.clone(), self.read(name, stamp)));
            }
        }
        self.seen = present;
        Ok(changes)
    }

    fn read(&self, name: &str, stamp: &Stamp) -> FileChange {
        match stamp {
            Stamp::Unreadable(reason) => FileChange::Unreadable(reason.clone()),
            Stamp::File { len, .. } if *len > MAX_FILE_BYTES => FileChange::TooLarge(*len),
            Stamp::File { .. } => match read(&self.path.join(name)) {
                // It has grown meanwhile.
                Ok(bytes) if bytes.len() as u64 > MAX_FILE_BYTES => {
                    FileChange::TooLarge(bytes.len() as u64)
                }
                Ok(bytes) => FileChange::Content(bytes),
                Err(error) => FileChange::Unreadable(error.to_string()),
            },
        }
    }
}

/// A file's content, one byte more than is allowed at most.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::open(path)?;
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn names(changes: &[(String, FileChange)]) -> Vec<&str> {
        changes.iter().map(|(name, _)| name.as_str()).collect()
    }

    #[test]
    fn only_what_changed_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("a.yaml"), "a").unwrap();
        fs::write(at("b.yml"), "b").unwrap();
        fs::write(at("notes.txt"), "c").unwrap();
        fs::create_dir(at("d.yaml")).unwrap();
        let mut config = ConfigDir::new(dir.path());
        assert_eq!(names(&config.changes().unwrap()), ["a.yaml", "b.yml"]);
        assert!(config.changes().unwrap().is_empty());

        // As editors save: a new file takes the old one's name.
        fs::write(at("a.tmp"), "A").unwrap();
        fs::rename(at("a.tmp"), at("a.yaml")).unwrap();
        fs::remove_file(at("b.yml")).unwrap();
        let changes = config.changes().unwrap();
        assert!(matches!(&changes[0], (name, FileChange::Removed) if name == "b.yml"));
        assert!(
            matches!(&changes[1], (name, FileChange::Content(bytes)) if name == "a.yaml" && bytes == b"A")
        );
    }

    #[test]
    fn what_never_ends_is_not_begun() {
        let dir = tempfile::tempdir().unwrap();
        symlink("/dev/zero", dir.path().join("a.yaml")).unwrap();
        let mut config = ConfigDir::new(dir.path());
        let changes = config.changes().unwrap();
        assert!(
            matches!(&changes[..], [(_, FileChange::Unreadable(why))] if why.contains("neither a file")),
            "{changes:?}"
        );
        assert!(config.changes().unwrap().is_empty());
    }

    #[test]
    fn a_link_that_points_elsewhere_is_a_change_and_a_dangling_one_is_said() {
        // As Kubernetes mounts a ConfigMap: file -> ..data/file, ..data -> ..2025.
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for (version, text) in [("..1", "one"), ("..2", "two")] {
            fs::create_dir(at(version)).unwrap();
            fs::write(at(version).join("a.yaml"), text).unwrap();
        }
        symlink("..1", at("..data")).unwrap();
        symlink("..data/a.yaml", at("a.yaml")).unwrap();
        let mut config = ConfigDir::new(dir.path());
        config.changes().unwrap();
        symlink("..2", at("..next")).unwrap();
        fs::rename(at("..next"), at("..data")).unwrap();
        let changes = config.changes().unwrap();
        assert!(matches!(&changes[..], [(_, FileChange::Content(bytes))] if bytes == b"two"));
        fs::remove_file(at("..data")).unwrap();
        let changes = config.changes().unwrap();
        assert!(matches!(&changes[..], [(_, FileChange::Unreadable(_))]));
        assert!(config.changes().unwrap().is_empty());
    }
}
