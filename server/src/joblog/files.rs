//! The files themselves, how they are put aside, and entries that are in them whole or not at all.

use super::WriteError;
use saltpeter_domain::Settings;
use saltpeter_protocol::JobName;
use std::io;
use std::path::{Path, PathBuf};
use tokio::fs::{self, File, OpenOptions};
use tokio::io::{AsyncWriteExt as _, BufWriter};

/// Where the files are, and how many of what size.
#[derive(Debug, Clone)]
pub struct LogFiles {
    /// Their directory.
    pub directory: PathBuf,
    /// Bytes after which a file is put aside before the next entry; `None`: never.
    pub size: Option<u64>,
    /// Files of each job that are kept aside, as `<job>.log.1` (the newest) and so on.
    pub count: u32,
}

impl LogFiles {
    /// As the settings have it.
    pub fn of(settings: &Settings) -> Self {
        Self {
            directory: PathBuf::from(&settings.logdir),
            size: settings.logfile_size,
            count: settings.logfile_count,
        }
    }

    /// Opens a job's file at its end. Anew for each entry, so that it may be moved away at any time.
    pub(super) async fn open(&self, job: &JobName) -> Result<LogFile, WriteError> {
        let path = self.directory.join(format!("{job}.log"));
        let opened = async {
            let mut options = OpenOptions::new();
            options.append(true).create(true);
            let file = match options.open(&path).await {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    fs::create_dir_all(&self.directory).await?;
                    options.open(&path).await?
                }
                other => other?,
            };
            let begin = file.metadata().await?.len();
            if self.size.is_none_or(|size| begin < size) {
                return Ok((file, begin));
            }
            self.put_aside(&path).await?;
            Ok((options.open(&path).await?, 0))
        };
        match opened.await {
            Ok((file, begin)) => Ok(LogFile {
                path,
                begin,
                file: BufWriter::new(file),
            }),
            Err(source) => Err(WriteError::File { path, source }),
        }
    }

    async fn put_aside(&self, path: &Path) -> io::Result<()> {
        if self.count == 0 {
            return fs::remove_file(path).await;
        }
        let aside = |number: u32| PathBuf::from(format!("{}.{number}", path.display()));
        for number in (1..self.count).rev() {
            match fs::rename(aside(number), aside(number + 1)).await {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::rename(path, aside(1)).await
    }
}

/// A file that an entry is being written to.
pub(super) struct LogFile {
    path: PathBuf,
    /// Its length before the entry.
    begin: u64,
    file: BufWriter<File>,
}

impl LogFile {
    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        let written = self.file.write_all(bytes).await;
        self.named(written)
    }

    /// Ends the entry; one that could not be written whole is taken out again.
    pub(super) async fn finish(
        mut self,
        written: Result<(), WriteError>,
    ) -> Result<(), WriteError> {
        let flushed = match written {
            Ok(()) => {
                let flushed = self.file.flush().await;
                self.named(flushed)
            }
            Err(error) => Err(error),
        };
        if flushed.is_err() {
            let file = self.file.get_mut();
            // What is on its way must have failed or landed before it is cut off.
            let _ = file.flush().await;
            if let Err(error) = file.set_len(self.begin).await {
                tracing::warn!(file = %self.path.display(), %error, "a job's log ends with part of an entry");
            }
        }
        flushed
    }

    fn named(&self, result: io::Result<()>) -> Result<(), WriteError> {
        result.map_err(|source| WriteError::File {
            path: self.path.clone(),
            source,
        })
    }
}
