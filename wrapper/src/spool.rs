//! The file that holds output which neither fits into memory nor reaches the server.

use crate::core::buffer::Spool;
use crate::dirs;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

/// A file without a name: it is made when it is needed, unlinked at once, and its space is free as
/// soon as its content is delivered or the wrapper is gone, however that happens.
pub(crate) struct SpoolFile {
    name: String,
    file: Option<File>,
}

impl SpoolFile {
    /// A spool that is not yet on disk. `name` is unique among the wrappers of this machine.
    pub(crate) fn new(name: String) -> Self {
        Self { name, file: None }
    }

    fn file(&mut self) -> io::Result<&File> {
        if self.file.is_none() {
            self.file = Some(create(
                &dirs::spool().map_err(io::Error::other)?.join(&self.name),
            )?);
        }
        self.file
            .as_ref()
            .ok_or_else(|| io::Error::other("no spool file"))
    }
}

fn create(path: &PathBuf) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    std::fs::remove_file(path)?;
    Ok(file)
}

impl Spool for SpoolFile {
    fn write(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.file()?.write_all_at(bytes, at)
    }

    fn read(&mut self, at: u64, into: &mut [u8]) -> io::Result<()> {
        self.file()?.read_exact_at(into, at)
    }

    fn clear(&mut self) {
        self.file = None;
    }
}
