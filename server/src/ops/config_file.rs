//! Files of the configuration that are edited from here: reading, telling versions apart, replacing whole.

use super::internal;
use saltpeter_domain::config::MAX_FILE_BYTES;
use saltpeter_protocol::api::{ApiError, DiffChange, DiffLine, ErrorCode};
use sha2::{Digest as _, Sha256};
use similar::{Algorithm, ChangeTag, TextDiff};
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, fchown};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long the shortest diff is looked for; one that takes longer is not the shortest.
const DIFF_WITHIN: Duration = Duration::from_millis(200);

/// A file as it is on disk.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) path: PathBuf,
    pub(super) name: String,
    /// Empty for a file that is to be made.
    pub(super) text: String,
}

impl Target {
    /// The file, through a link if it is one; without content when it is yet to be made.
    pub(super) fn read(path: PathBuf, name: String) -> io::Result<Self> {
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        Ok(Self { path, name, text })
    }

    /// The same of a plain file within `directory`. A link to elsewhere is not followed: what it leads to is somebody
    /// else's to change.
    pub(super) fn read_within(directory: &Path, name: &str) -> io::Result<Self> {
        let path = directory.join(name);
        let absent = || Self {
            path: path.clone(),
            name: name.to_owned(),
            text: String::new(),
        };
        match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(absent()),
            Err(error) => return Err(error),
            Ok(_) => {}
        }
        let real = fs::canonicalize(&path)?;
        if !real.starts_with(fs::canonicalize(directory)?) {
            return Err(io::Error::other(format!(
                "it is a link to {}, outside of the configuration directory; edit it there",
                real.display()
            )));
        }
        if !fs::metadata(&real)?.is_file() {
            return Err(io::Error::other("it is not a file"));
        }
        let mut bytes = Vec::new();
        File::open(&real)?
            .take(MAX_FILE_BYTES + 1)
            .read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(io::Error::other(format!(
                "it is longer than {MAX_FILE_BYTES} bytes; divide it into several"
            )));
        }
        let text = String::from_utf8(bytes)
            .map_err(|_| io::Error::other("it is not UTF-8; save it as UTF-8"))?;
        Ok(Self { text, ..absent() })
    }

    /// Identifies the content, so that an edit of another content is noticed.
    pub(super) fn version(&self) -> String {
        version(&self.text)
    }

    /// Nothing, if its content is still the one of `version`.
    pub(super) fn check(&self, version: &str) -> Result<(), ApiError> {
        if self.version() == version {
            return Ok(());
        }
        Err(self.conflict())
    }

    /// That somebody else has changed it.
    pub(super) fn conflict(&self) -> ApiError {
        let message = format!(
            "{} has changed since you opened it; look at it as it is now and make your change again",
            self.name
        );
        ApiError::new(ErrorCode::Conflict, message)
    }
}

/// What identifies a content.
pub(super) fn version(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    let mut version = String::with_capacity(16);
    for byte in &digest[..8] {
        // Writing into a String cannot fail.
        let _ = write!(version, "{byte:02x}");
    }
    version
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| internal(&e))
}

/// Every line of the two texts, with what becomes of it.
pub(super) fn diff(before: &str, after: &str) -> Vec<DiffLine> {
    let diff = TextDiff::configure()
        .algorithm(Algorithm::Myers)
        .timeout(DIFF_WITHIN)
        .diff_lines(before, after);
    diff.iter_all_changes()
        .map(|change| DiffLine {
            change: match change.tag() {
                ChangeTag::Equal => DiffChange::Same,
                ChangeTag::Insert => DiffChange::Added,
                ChangeTag::Delete => DiffChange::Removed,
            },
            text: change.value().trim_end_matches(['\r', '\n']).to_owned(),
        })
        .collect()
}

/// Puts `text` in place of the file's content, whole or not at all, with the file's permissions and, where that is allowed,
/// its owner.
pub(super) fn replace(path: &Path, text: &str) -> io::Result<()> {
    // Through a link, so that the link stays one.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::other("it is not a file"));
    };
    // Hidden, so that it is no part of the configuration while it is written.
    let new = directory.join(format!(".{}.new", name.to_string_lossy()));
    let written = (|| {
        let mut file = create(&new)?;
        file.write_all(text.as_bytes())?;
        if let Ok(metadata) = fs::metadata(&path) {
            // Others may not give files away.
            let _ = fchown(&file, Some(metadata.uid()), Some(metadata.gid()));
            file.set_permissions(metadata.permissions())?;
        }
        file.sync_all()?;
        fs::rename(&new, &path)
    })();
    if written.is_err() {
        // The first error is the one to tell of.
        let _ = fs::remove_file(&new);
    }
    written?;
    File::open(directory)?.sync_all()
}

/// A file that was not there; one that a crash has left goes.
fn create(path: &Path) -> io::Result<File> {
    let make = || OpenOptions::new().write(true).create_new(true).open(path);
    match make() {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::remove_file(path)?;
            make()
        }
        made => made,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    #[test]
    fn another_content_is_another_version() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.yaml");
        let version = || {
            Target::read(path.clone(), "m.yaml".to_owned())
                .unwrap()
                .version()
        };
        let absent = version();
        fs::write(&path, "saltpeter_maintenance: {}\n").unwrap();
        assert_ne!(version(), absent);
    }

    #[test]
    fn a_file_is_replaced_whole_and_keeps_its_permissions() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.yaml");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        // What a crash has left.
        fs::write(dir.path().join(".m.yaml.new"), "half").unwrap();
        replace(&path, "new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o640
        );
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_link_is_followed_within_the_directory_and_not_out_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("config");
        fs::create_dir_all(config.join("..data")).unwrap();
        fs::write(config.join("..data/a.yaml"), "in").unwrap();
        fs::write(dir.path().join("b.yaml"), "out").unwrap();
        symlink("..data/a.yaml", config.join("a.yaml")).unwrap();
        symlink("../b.yaml", config.join("b.yaml")).unwrap();
        symlink("nowhere", config.join("c.yaml")).unwrap();
        fs::create_dir(config.join("d.yaml")).unwrap();
        let read = |name: &str| Target::read_within(&config, name);
        assert_eq!(read("a.yaml").unwrap().text, "in");
        assert_eq!(read("new.yaml").unwrap().text, "");
        assert!(read("b.yaml").unwrap_err().to_string().contains("outside"));
        read("c.yaml").unwrap_err();
        read("d.yaml").unwrap_err();
        replace(&config.join("a.yaml"), "new").unwrap();
        assert!(
            fs::symlink_metadata(config.join("a.yaml"))
                .unwrap()
                .is_symlink()
        );
        assert_eq!(read("a.yaml").unwrap().text, "new");
    }

    #[test]
    fn the_diff_shows_every_line_once() {
        let shown = diff("a\nb\n", "a\nc\n");
        let marks: Vec<(DiffChange, &str)> = shown
            .iter()
            .map(|line| (line.change, line.text.as_str()))
            .collect();
        assert_eq!(
            marks,
            [
                (DiffChange::Same, "a"),
                (DiffChange::Removed, "b"),
                (DiffChange::Added, "c")
            ]
        );
    }
}
