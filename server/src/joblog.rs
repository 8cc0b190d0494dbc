//! The jobs' log files: `<logdir>/<job>.log`, for people with `tail` and `grep`.
//!
//! One task writes them all, entry by entry, so that the blocks of two machines never mix. Output is read from the
//! output log piece by piece. A log that cannot be written harms no run: the server's own log says so, and the next
//! entry tries again.

mod format;
pub(crate) mod reduce;

use crate::store::output::{OutputError, OutputLog};
use reduce::Reducer;
use saltpeter_domain::run::{LogEntry, LogEvent, MaintenanceScope};
use saltpeter_protocol::{
    Attempt, JobName, MachineId, MachineOutcome, RunId, RunOutcome, UnixMillis,
};
use std::io;
use std::path::{Path, PathBuf};
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncWriteExt as _, BufWriter};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Entries that may wait to be written. Further ones are dropped, and the server's log says so.
const QUEUED_ENTRIES: usize = 65_536;

/// Takes entries for the jobs' log files; never waits. Clones write to the same files.
#[derive(Debug, Clone)]
pub struct JobLog {
    entries: mpsc::Sender<LogEntry>,
}

/// The task behind a [`JobLog`].
pub struct JobLogWriter {
    directory: PathBuf,
    output: OutputLog,
    entries: mpsc::Receiver<LogEntry>,
    /// Whether the last entry could not be written, so that the server's log is not flooded.
    failing: bool,
}

/// What a log tells of one attempt of a machine.
struct Block<'a> {
    run: &'a RunId,
    machine: &'a MachineId,
    attempt: Attempt,
    /// The last attempt that there can be, and when the next one begins.
    next: Option<(Attempt, UnixMillis)>,
    outcome: &'a MachineOutcome,
    at: UnixMillis,
}

#[derive(Debug, thiserror::Error)]
enum WriteError {
    #[error("{path}: {source}", path = .path.display())]
    File { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Output(#[from] OutputError),
}

impl JobLog {
    /// A log in `directory`, which is made if need be, with the machines' output from `output`. The writer is to be run.
    pub fn new(directory: &Path, output: OutputLog) -> (Self, JobLogWriter) {
        let (sender, entries) = mpsc::channel(QUEUED_ENTRIES);
        let writer = JobLogWriter {
            directory: directory.to_owned(),
            output,
            entries,
            failing: false,
        };
        (Self { entries: sender }, writer)
    }

    /// Writes `entry`, some time soon.
    pub fn write(&self, entry: LogEntry) {
        if let Err(refused) = self.entries.try_send(entry) {
            let entry = refused.into_inner();
            tracing::error!(job = %entry.job, event = ?entry.event, "an entry of a job's log was dropped: too many are waiting, or the server is ending");
        }
    }
}

impl JobLogWriter {
    /// Writes until `stop` is cancelled and what was waiting then is written.
    pub async fn run(mut self, stop: CancellationToken) {
        if let Err(error) = tokio::fs::create_dir_all(&self.directory).await {
            self.failing = true;
            tracing::error!(
                directory = %self.directory.display(),
                %error,
                "the directory of the jobs' logs cannot be made; jobs run, and no log is written. Set `logdir` to a directory that this user may write"
            );
        }
        loop {
            let entry = tokio::select! {
                entry = self.entries.recv() => entry,
                () = stop.cancelled() => break,
            };
            match entry {
                Some(entry) => self.take(&entry).await,
                None => return,
            }
        }
        self.entries.close();
        while let Some(entry) = self.entries.recv().await {
            self.take(&entry).await;
        }
    }

    async fn take(&mut self, entry: &LogEntry) {
        match self.write(entry).await {
            Ok(()) if self.failing => {
                self.failing = false;
                tracing::info!("the jobs' logs can be written again");
            }
            Ok(()) => {}
            Err(error) if self.failing => {
                tracing::debug!(%error, job = %entry.job, "no log written");
            }
            Err(error) => {
                self.failing = true;
                tracing::error!(%error, job = %entry.job, "a job's log cannot be written; runs go on without");
            }
        }
    }

    async fn write(&self, entry: &LogEntry) -> Result<(), WriteError> {
        let at = entry.at;
        match &entry.event {
            LogEvent::RunStarted { run } => self.lines(&entry.job, &format::started(run, at)).await,
            LogEvent::RunFinished { run, outcome, .. } => {
                let mut text = String::new();
                if let RunOutcome::ResolveFailed { message } = outcome {
                    text = format::unresolved(run, message, at);
                }
                text.push_str(&format::finished(run, at));
                self.lines(&entry.job, &text).await
            }
            LogEvent::Overlap { active } => {
                self.lines(&entry.job, &format::overlap(active, at)).await
            }
            LogEvent::NoTargets { run } => self.lines(&entry.job, &format::no_targets(run)).await,
            LogEvent::Maintenance {
                scope: MaintenanceScope::Global,
            } => {
                self.lines(&entry.job, &format::global_maintenance(&entry.job, at))
                    .await
            }
            LogEvent::Maintenance {
                scope: MaintenanceScope::Machines { run, machines },
            } => {
                self.lines(&entry.job, &format::maintenance(run, machines, at))
                    .await
            }
            // The block of its end tells all of it; a line here would come between those of others.
            LogEvent::MachineStarted { .. } => Ok(()),
            LogEvent::MachineEnded {
                run,
                machine,
                attempt,
                outcome,
            } => {
                let block = Block {
                    run,
                    machine,
                    attempt: *attempt,
                    next: None,
                    outcome,
                    at,
                };
                self.machine(&entry.job, block).await
            }
            LogEvent::AttemptEnded {
                run,
                machine,
                attempt,
                last,
                outcome,
                next,
            } => {
                let block = Block {
                    run,
                    machine,
                    attempt: *attempt,
                    next: Some((*last, *next)),
                    outcome,
                    at,
                };
                self.machine(&entry.job, block).await
            }
            LogEvent::RetriesGivenUp { run, machine, .. } => {
                self.lines(&entry.job, &format::retries_given_up(run, machine))
                    .await
            }
            LogEvent::RunStopped {
                run,
                failures,
                not_attempted,
            } => {
                let text = format::stopped(run, *failures, *not_attempted, at);
                self.lines(&entry.job, &text).await
            }
            LogEvent::MachineReturned {
                run,
                machine,
                replaced,
            } => {
                let text = format::returned(run, machine, replaced, at);
                self.lines(&entry.job, &text).await
            }
            LogEvent::KillUnconfirmed { run, machine, by } => {
                let text = format::kill_unconfirmed(run, machine, by, at);
                self.lines(&entry.job, &text).await
            }
        }
    }

    async fn lines(&self, job: &JobName, text: &str) -> Result<(), WriteError> {
        let mut file = self.open(job).await?;
        file.write(text.as_bytes()).await?;
        file.finish().await
    }

    async fn machine(&self, job: &JobName, block: Block<'_>) -> Result<(), WriteError> {
        let Block {
            run,
            machine,
            attempt,
            next,
            outcome,
            at,
        } = block;
        let mut file = self.open(job).await?;
        file.write(format::machine_head(run, machine, outcome).as_bytes())
            .await?;
        let mut reader = self.output.reader(run, (machine, attempt), 0).await?;
        let mut reducer = Reducer::default();
        let mut lines = Vec::new();
        while let Some(bytes) = reader.next().await? {
            reducer.take(&bytes, &mut lines);
            file.write(&lines).await?;
            lines.clear();
        }
        reducer.finish(&mut lines);
        file.write(&lines).await?;
        file.write(format::attempt(attempt, next).as_bytes())
            .await?;
        file.write(format::machine_foot(run, machine, outcome, at).as_bytes())
            .await?;
        file.finish().await
    }

    /// Opens a job's file at its end. Anew for each entry, so that it may be moved away at any time.
    async fn open(&self, job: &JobName) -> Result<LogFile, WriteError> {
        let path = self.directory.join(format!("{job}.log"));
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        let file = match options.open(&path).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                match tokio::fs::create_dir_all(&self.directory).await {
                    Ok(()) => options.open(&path).await,
                    Err(error) => Err(error),
                }
            }
            other => other,
        };
        match file {
            Ok(file) => Ok(LogFile {
                path,
                file: BufWriter::new(file),
            }),
            Err(source) => Err(WriteError::File { path, source }),
        }
    }
}

struct LogFile {
    path: PathBuf,
    file: BufWriter<File>,
}

impl LogFile {
    async fn write(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        let written = self.file.write_all(bytes).await;
        self.named(written)
    }

    async fn finish(mut self) -> Result<(), WriteError> {
        let flushed = self.file.flush().await;
        self.named(flushed)
    }

    fn named(&self, result: io::Result<()>) -> Result<(), WriteError> {
        result.map_err(|source| WriteError::File {
            path: self.path.clone(),
            source,
        })
    }
}

#[cfg(test)]
mod tests;
