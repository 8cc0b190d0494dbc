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
        let names = self.listed()?;
        self.changes_of(names)
    }

    /// The names that files of the configuration have, in order.
    fn listed(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.path)? {
            // What is not UTF-8 does not end in `.yaml` in any way that we read.
            if let Ok(name) = entry?.file_name().into_string()
                && is_config_file(&name)
            {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// What changed of what was listed a moment ago. A file that has gone since is none.
    fn changes_of(&mut self, names: Vec<String>) -> io::Result<Vec<(String, FileChange)>> {
        let listed = names.len();
        let mut present = BTreeMap::new();
        let mut changed = Vec::new();
        for name in names {
            let path = self.path.join(&name);
            let Some(stamp) = stamp(&path) else { continue };
            if self.seen.get(&name) != Some(&stamp) {
                let Some(change) = read(&path, &stamp) else {
                    continue;
                };
                changed.push((name.clone(), change));
            }
            present.insert(name, stamp);
        }
        if present.len() < listed {
            // A directory that goes takes its files along, and it is what is to be told of then.
            std::fs::metadata(&self.path)?;
        }
        let gone = self.seen.keys().filter(|name| !present.contains_key(*name));
        let mut changes: Vec<_> = gone
            .map(|name| (name.clone(), FileChange::Removed))
            .collect();
        changes.append(&mut changed);
        self.seen = present;
        Ok(changes)
    }
}

/// What is to be seen of a file without reading it; `None`: it is not there.
fn stamp(path: &Path) -> Option<Stamp> {
    // Follows symbolic links, which is what Kubernetes mounts consist of.
    let unreadable = match std::fs::metadata(path) {
        // Mounts make one where the file to be mounted is missing.
        Ok(metadata) if metadata.is_dir() => {
            "it is a directory; put the file in its place, or give it a name that does not end in .yaml or .yml".to_owned()
        }
        // A pipe or a device would be read for ever.
        Ok(metadata) if !metadata.is_file() => "it is neither a file nor a link to one".to_owned(),
        Ok(metadata) => return Some(Stamp::of(&metadata)),
        Err(error) if is_absence(&error, path) => return None,
        Err(error) => error.to_string(),
    };
    Some(Stamp::Unreadable(unreadable))
}

/// Reads a file that looks like this; `None`: it is not there any more.
fn read(path: &Path, stamp: &Stamp) -> Option<FileChange> {
    Some(match stamp {
        Stamp::Unreadable(reason) => FileChange::Unreadable(reason.clone()),
        Stamp::File { len, .. } if *len > MAX_FILE_BYTES => FileChange::TooLarge(*len),
        Stamp::File { .. } => match content(path) {
            // It has grown meanwhile.
            Ok(bytes) if bytes.len() as u64 > MAX_FILE_BYTES => {
                FileChange::TooLarge(bytes.len() as u64)
            }
            Ok(bytes) => FileChange::Content(bytes),
            Err(error) if is_absence(&error, path) => return None,
            Err(error) => FileChange::Unreadable(error.to_string()),
        },
    })
}

/// Whether an error says that nothing has this name; a link to nothing is there.
fn is_absence(error: &io::Error, path: &Path) -> bool {
    let is_not_found = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    is_not_found(error) && std::fs::symlink_metadata(path).is_err_and(|error| is_not_found(&error))
}

/// A file's content, one byte more than is allowed at most.
fn content(path: &Path) -> io::Result<Vec<u8>> {
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
        fs::create_dir(at("more")).unwrap();
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
    fn a_directory_with_the_name_of_a_file_is_told_of() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("d.yaml");
        fs::create_dir(&path).unwrap();
        let mut config = ConfigDir::new(dir.path());
        let changes = config.changes().unwrap();
        assert!(
            matches!(&changes[..], [(name, FileChange::Unreadable(why))] if name == "d.yaml" && why.contains("is a directory")),
            "{changes:?}"
        );
        assert!(config.changes().unwrap().is_empty(), "told once");
        fs::remove_dir(&path).unwrap();
        let changes = config.changes().unwrap();
        assert!(matches!(&changes[..], [(_, FileChange::Removed)]));
    }

    #[test]
    fn what_has_gone_since_it_was_listed_is_not_there() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for name in ["a.yaml", "b.yaml"] {
            fs::write(at(name), "x").unwrap();
        }
        let mut config = ConfigDir::new(dir.path());
        config.changes().unwrap();

        fs::write(at("new.yaml"), "x").unwrap();
        let listed = config.listed().unwrap();
        fs::remove_file(at("b.yaml")).unwrap();
        fs::remove_file(at("new.yaml")).unwrap();
        let changes = config.changes_of(listed).unwrap();
        assert!(
            matches!(&changes[..], [(name, FileChange::Removed)] if name == "b.yaml"),
            "{changes:?}"
        );
        assert!(config.changes().unwrap().is_empty());

        // With the directory itself, nothing is known of its files.
        let (listed, away) = (config.listed().unwrap(), dir.path().with_extension("away"));
        fs::rename(dir.path(), &away).unwrap();
        let error = config.changes_of(listed).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        fs::rename(&away, dir.path()).unwrap();
        assert!(config.changes().unwrap().is_empty());
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
