//! The wrappers that this server can give to machines, and where machines fetch them from.

use super::script::Expected;
use crate::executor::beside::{WRAPPER, beside};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// The directory within Salt's file root.
const SERVED_IN: &str = "saltpeter";
/// How the names of the files there begin.
const SERVED_AS: &str = "wrapper-";
/// So many of the files there are kept, the newest: a machine may be fetching one that was replaced just now, and another
/// server may offer its own.
const KEPT: usize = 8;

/// A wrapper for one kind of machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Binary {
    /// What a machine is to find.
    pub(super) expected: Expected,
    /// The file.
    pub(super) path: PathBuf,
}

/// Where wrappers come from.
#[derive(Debug)]
pub(super) struct Binaries {
    /// Holds `<kernel>-<cpuarch>/saltpeter-wrapper` for each kind of machine; `None`: the one beside the server is all.
    dir: Option<PathBuf>,
    /// Salt's file root, where this server may write to it.
    file_root: Option<PathBuf>,
    /// What has been read: a file is read again only when it has changed.
    known: Mutex<HashMap<PathBuf, (Stamp, String)>>,
}

/// What tells one state of a file from another.
type Stamp = (SystemTime, u64);

impl Binaries {
    /// Wrappers from `dir`, or the one beside the server; they are offered in `file_root`.
    pub(super) fn new(dir: Option<PathBuf>, file_root: Option<PathBuf>) -> Arc<Self> {
        Arc::new(Self {
            dir,
            file_root,
            known: Mutex::default(),
        })
    }

    /// What there is at this moment, by kind. To be called where blocking is allowed.
    pub(super) fn find(&self) -> Vec<Binary> {
        let mut found: Vec<Binary> = self
            .places()
            .into_iter()
            .filter_map(|(kind, path)| match self.hash(&path) {
                Ok(hash) => Some(Binary {
                    expected: Expected { kind, hash },
                    path,
                }),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => {
                    tracing::warn!("the wrapper {} cannot be read: {error}", path.display());
                    None
                }
            })
            .collect();
        found.sort_by(|a, b| a.expected.kind.cmp(&b.expected.kind));
        found
    }

    fn places(&self) -> Vec<(String, PathBuf)> {
        let Some(dir) = &self.dir else {
            let server = std::env::current_exe().ok();
            let path = beside(server.as_deref());
            return path.map(|path| (own_kind(), path)).into_iter().collect();
        };
        let entries = match fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(error) => {
                tracing::warn!("wrappers_dir {} cannot be read: {error}", dir.display());
                return Vec::new();
            }
        };
        entries
            .filter_map(Result::ok)
            .filter_map(|entry| {
                let kind = entry.file_name().into_string().ok()?;
                is_kind(&kind).then(|| (kind, entry.path().join(WRAPPER)))
            })
            .collect()
    }

    fn hash(&self, path: &Path) -> io::Result<String> {
        let found = fs::metadata(path)?;
        let stamp = (found.modified()?, found.len());
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((then, hash)) = known().get(path)
            && *then == stamp
        {
            return Ok(hash.clone());
        }
        let hash = hash(&fs::read(path)?);
        known().insert(path.to_owned(), (stamp, hash.clone()));
        Ok(hash)
    }

    /// Offers `binary` through Salt's file server, under a name that says what it is: the file server may serve old
    /// bytes under an old name. False where the file root is not ours to write to. To be called where blocking is
    /// allowed.
    pub(super) fn publish(&self, binary: &Binary) -> bool {
        let Some(root) = &self.file_root else {
            return false;
        };
        let dir = root.join(SERVED_IN);
        let name = format!("{SERVED_AS}{}", binary.expected.hash);
        match write(binary, &dir, &name) {
            Ok(Written::Before) => true,
            Ok(Written::Now) => {
                if let Err(error) = remove_old(&dir, &name) {
                    tracing::warn!("old wrappers in {} stay there: {error}", dir.display());
                }
                true
            }
            Err(error) => {
                tracing::warn!(
                    "the wrapper cannot be offered in {}: {error}; it is handed over in pieces instead",
                    dir.display()
                );
                false
            }
        }
    }
}

/// When a file was written.
enum Written {
    Before,
    Now,
}

/// Puts a copy of `binary` into `dir` as `name`, whole or not at all.
fn write(binary: &Binary, dir: &Path, name: &str) -> io::Result<Written> {
    let target = dir.join(name);
    if let Ok(found) = fs::metadata(&target)
        && found.len() == fs::metadata(&binary.path)?.len()
    {
        return Ok(Written::Before);
    }
    if !dir.is_dir() {
        fs::create_dir(dir)?;
    }
    let bytes = fs::read(&binary.path)?;
    if hash(&bytes) != binary.expected.hash {
        return Err(io::Error::other("the wrapper has just been replaced"));
    }
    let new = dir.join(format!(".{name}.{:016x}", rand::random::<u64>()));
    let written = File::create(&new).and_then(|mut file| {
        file.write_all(&bytes)?;
        file.set_permissions(fs::Permissions::from_mode(0o644))?;
        file.sync_all()?;
        fs::rename(&new, &target)
    });
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written.map(|()| Written::Now)
}

/// Removes what was offered in `dir` before the newest few, but never `current`.
fn remove_old(dir: &Path, current: &str) -> io::Result<()> {
    let mut others = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let ours = name
            .to_str()
            .is_some_and(|name| name.starts_with(SERVED_AS) && name != current);
        if ours {
            others.push((entry.metadata()?.modified()?, entry.path()));
        }
    }
    others.sort_unstable_by(|one, other| other.cmp(one));
    for (_, path) in others.into_iter().skip(KEPT - 1) {
        fs::remove_file(path)?;
    }
    Ok(())
}

/// Whether a directory's name is a kind of machine. It goes into scripts as it is.
fn is_kind(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    name.contains('-') && name.chars().all(plain)
}

/// This host's kind, in Salt's words.
fn own_kind() -> String {
    format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH)
}

fn hash(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        // Writing to a text does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(dir: &Path, kind: &str, text: &str) {
        fs::create_dir_all(dir.join(kind)).unwrap();
        fs::write(dir.join(kind).join(WRAPPER), text).unwrap();
    }

    #[test]
    fn every_directory_is_a_kind_of_machine() {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), "linux-x86_64", "one");
        put(dir.path(), "linux-aarch64", "two");
        put(dir.path(), "$(reboot)-x", "three");
        fs::create_dir(dir.path().join("linux-mips")).unwrap();
        let binaries = Binaries::new(Some(dir.path().to_owned()), None);
        let kinds = |found: &[Binary]| -> Vec<String> {
            found.iter().map(|one| one.expected.kind.clone()).collect()
        };
        let found = binaries.find();
        assert_eq!(kinds(&found), ["linux-aarch64", "linux-x86_64"]);
        assert_eq!(found[1].expected.hash, hash(b"one"));
        put(dir.path(), "linux-x86_64", "another");
        assert_eq!(binaries.find()[1].expected.hash, hash(b"another"));
        assert!(!binaries.publish(&found[0]), "there is no file root");
    }

    #[test]
    fn a_wrapper_is_offered_under_its_hash() {
        let dir = tempfile::tempdir().unwrap();
        let root = tempfile::tempdir().unwrap();
        put(dir.path(), "linux-x86_64", "one");
        let file_root = Some(root.path().to_owned());
        let binaries = Binaries::new(Some(dir.path().to_owned()), file_root);
        let found = binaries.find();
        for _ in 0..2 {
            assert!(binaries.publish(&found[0]));
            let name = format!("saltpeter/wrapper-{}", hash(b"one"));
            assert_eq!(fs::read(root.path().join(name)).unwrap(), b"one");
            assert_eq!(
                fs::read_dir(root.path().join(SERVED_IN)).unwrap().count(),
                1
            );
        }
        // Ever newer ones: the oldest go, and what is not ours stays.
        fs::write(root.path().join("saltpeter/README"), "").unwrap();
        for n in 0..2 * KEPT {
            put(dir.path(), "linux-x86_64", &"x".repeat(n + 1));
            assert!(binaries.publish(&binaries.find()[0]));
            let name = format!("saltpeter/wrapper-{}", hash("x".repeat(n + 1).as_bytes()));
            let file = File::open(root.path().join(name)).unwrap();
            let then = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(n as u64);
            file.set_modified(then).unwrap();
        }
        let count = fs::read_dir(root.path().join(SERVED_IN)).unwrap().count();
        assert_eq!(count, KEPT + 1);
        let newest = hash("x".repeat(2 * KEPT).as_bytes());
        let served = root.path().join(SERVED_IN);
        assert!(served.join(format!("wrapper-{newest}")).exists());
        assert!(served.join("README").exists());
        put(dir.path(), "linux-x86_64", "replaced meanwhile");
        fs::remove_dir_all(root.path().join(SERVED_IN)).unwrap();
        assert!(!binaries.publish(&found[0]));
        assert!(!Binaries::new(None, Some("/no/such/root".into())).publish(&found[0]));
    }
}
