//! The jobs' log files: `<logdir>/<job>.log`, for people with `tail` and `grep`.
//!
//! One task writes them all, entry by entry, so that the blocks of two machines never mix. Output is read from the
//! output log piece by piece. A log that cannot be written harms no run, and the server's own log says so. While the
//! disk is full or read-only entries wait; what is wrong with one file alone costs the entries of that file.

mod files;
mod format;
pub(crate) mod reduce;

use crate::store::output::{OutputError, OutputLog};
use files::LogFile;
pub use files::LogFiles;
use reduce::Reducer;
use saltpeter_domain::run::{LogEntry, LogEvent, MaintenanceScope};
use saltpeter_protocol::{
    Attempt, JobName, MachineId, MachineOutcome, RunId, RunOutcome, UnixMillis,
};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Entries that may wait to be written. Further ones are dropped, and the server's log says so.
const QUEUED_ENTRIES: usize = 65_536;

/// How long an entry waits for a disk that takes none before it is tried again.
const RETRY_EVERY: Duration = Duration::from_secs(1);

/// Takes entries for the jobs' log files; never waits. Clones write to the same files.
#[derive(Debug, Clone)]
pub struct JobLog {
    entries: mpsc::Sender<LogEntry>,
    /// How many were dropped since this was said last.
    dropped: Arc<AtomicU64>,
}

/// The task behind a [`JobLog`].
pub struct JobLogWriter {
    files: LogFiles,
    output: OutputLog,
    entries: mpsc::Receiver<LogEntry>,
    dropped: Arc<AtomicU64>,
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

impl WriteError {
    /// Whether no file can be written at the moment, rather than this one.
    fn is_of_disk(&self) -> bool {
        let Self::File { source, .. } = self else {
            return false;
        };
        matches!(
            source.kind(),
            io::ErrorKind::StorageFull
                | io::ErrorKind::QuotaExceeded
                | io::ErrorKind::ReadOnlyFilesystem
        )
    }
}

impl JobLog {
    /// A log in `files`, whose directory is made if need be, with the machines' output from `output`. The writer is to be
    /// run.
    pub fn new(files: LogFiles, output: OutputLog) -> (Self, JobLogWriter) {
        Self::with_room(QUEUED_ENTRIES, files, output)
    }

    fn with_room(room: usize, files: LogFiles, output: OutputLog) -> (Self, JobLogWriter) {
        let (sender, entries) = mpsc::channel(room);
        let dropped = Arc::<AtomicU64>::default();
        let writer = JobLogWriter {
            files,
            output,
            entries,
            dropped: Arc::clone(&dropped),
            failing: false,
        };
        let log = Self {
            entries: sender,
            dropped,
        };
        (log, writer)
    }

    /// Writes `entry`, some time soon.
    pub fn write(&self, entry: LogEntry) {
        if self.entries.try_send(entry).is_err()
            && self.dropped.fetch_add(1, Ordering::Relaxed) == 0
        {
            tracing::error!(
                "entries of the jobs' logs are being dropped: {QUEUED_ENTRIES} are waiting, or the server is ending"
            );
        }
    }
}

impl JobLogWriter {
    /// Writes until `stop` is cancelled and what was waiting then is written.
    pub async fn run(mut self, stop: CancellationToken) {
        if let Err(error) = tokio::fs::create_dir_all(&self.files.directory).await {
            self.failing = true;
            tracing::error!(
                directory = %self.files.directory.display(),
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
                Some(entry) => self.take(&entry, &stop).await,
                None => return,
            }
        }
        self.entries.close();
        while let Some(entry) = self.entries.recv().await {
            self.take(&entry, &stop).await;
        }
        self.tell_dropped();
    }

    /// Writes an entry, when that is possible again. What the server's end does not wait for is dropped.
    async fn take(&mut self, entry: &LogEntry, stop: &CancellationToken) {
        loop {
            match self.write(entry).await {
                Err(error) if error.is_of_disk() => self.hold(&error),
                written => return self.note(entry, written),
            }
            tokio::select! {
                () = stop.cancelled() => {
                    self.dropped.fetch_add(1, Ordering::Relaxed);
                    return;
                }
                () = tokio::time::sleep(RETRY_EVERY) => {}
            }
        }
    }

    fn hold(&mut self, error: &WriteError) {
        if !std::mem::replace(&mut self.failing, true) {
            tracing::error!(%error, "the jobs' logs cannot be written; up to {QUEUED_ENTRIES} entries wait until they can, and runs go on");
        }
    }

    fn tell_dropped(&self) {
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            tracing::error!("{dropped} entries of the jobs' logs were dropped");
        }
    }

    fn note(&mut self, entry: &LogEntry, written: Result<(), WriteError>) {
        match written {
            Ok(()) => {
                if std::mem::replace(&mut self.failing, false) {
                    tracing::info!("the jobs' logs can be written again");
                }
                self.tell_dropped();
            }
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
                scope: MaintenanceScope::Job(hold),
            } => {
                let text = format::held(&entry.job, *hold, at);
                self.lines(&entry.job, &text).await
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
        let mut file = self.files.open(job).await?;
        let written = file.write(text.as_bytes()).await;
        file.finish(written).await
    }

    async fn machine(&self, job: &JobName, block: Block<'_>) -> Result<(), WriteError> {
        let mut file = self.files.open(job).await?;
        let written = self.block(&mut file, block).await;
        file.finish(written).await
    }

    async fn block(&self, file: &mut LogFile, block: Block<'_>) -> Result<(), WriteError> {
        let Block {
            run,
            machine,
            attempt,
            next,
            outcome,
            at,
        } = block;
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
            .await
    }
}

#[cfg(test)]
mod tests;
