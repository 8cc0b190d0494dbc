//! Whether the site was made from just these inputs, and is still as it was made.

use crate::files;
use anyhow::{Context, Result};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What the site depends on, what it consists of, and where that is noted down.
pub(crate) struct Stamp {
    /// The note.
    pub(crate) file: PathBuf,
    /// How the site is made.
    pub(crate) mode: String,
    /// Files and directories that it is made from.
    pub(crate) inputs: Vec<PathBuf>,
    /// Files and directories that are made. Others write there too (`cargo leptos`), so they count.
    pub(crate) outputs: Vec<PathBuf>,
}

impl Stamp {
    /// Whether nothing has changed since [`Stamp::write`].
    pub(crate) fn is_fresh(&self) -> bool {
        match (fs::read_to_string(&self.file), self.fingerprint()) {
            (Ok(noted), Ok(now)) => noted == now,
            _ => false,
        }
    }

    /// Notes the present state down.
    pub(crate) fn write(&self) -> Result<()> {
        fs::write(&self.file, self.fingerprint()?)
            .with_context(|| format!("cannot write {}", self.file.display()))
    }

    fn fingerprint(&self) -> Result<String> {
        let mut hasher = DefaultHasher::new();
        self.mode.hash(&mut hasher);
        for path in self.inputs.iter().chain(&self.outputs) {
            for file in files::list(path)? {
                seen(&file)?.hash(&mut hasher);
            }
        }
        Ok(format!("{:016x}", hasher.finish()))
    }
}

/// What tells a changed file without reading it.
fn seen(file: &Path) -> Result<(PathBuf, u64, SystemTime)> {
    let meta = fs::metadata(file).with_context(|| format!("cannot look at {}", file.display()))?;
    Ok((file.to_owned(), meta.len(), meta.modified()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_on_either_side_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("in"), "1").unwrap();
        fs::write(at("out"), "1").unwrap();
        let stamp = Stamp {
            file: at("stamp"),
            mode: "dev".into(),
            inputs: vec![at("in")],
            outputs: vec![at("out")],
        };
        assert!(!stamp.is_fresh());
        stamp.write().unwrap();
        assert!(stamp.is_fresh());
        fs::write(at("out"), "22").unwrap();
        assert!(!stamp.is_fresh());
        stamp.write().unwrap();
        fs::write(at("in"), "22").unwrap();
        assert!(!stamp.is_fresh());
    }
}
