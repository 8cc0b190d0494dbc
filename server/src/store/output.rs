//! The output log: what the commands of all machines of all runs have written, byte for byte.
//!
//! Each attempt of a machine of a run has a *stream*, an append-only sequence of bytes addressed by offset. Pieces are checked and
//! put in order by the session that received them ([`OutputStream::submit`]), written by one task in group commits, and
//! published only after the commit: an offset that [`OutputStream::durable`] shows survives the death of the server.
//! Readers have connections of their own and never wait for the writer.

mod block;
mod delete;
mod ends;
mod error;
mod fingerprint;
mod fold;
mod insert;
mod intake;
mod part;
mod piece;
mod place;
mod read;
mod recent;
mod row;
mod spans;
mod stream;
mod writer;

pub use delete::Sealed;
pub use ends::End;
pub use error::{AppendError, OutputError};
pub use fingerprint::Fingerprint;
pub use part::Part;
pub use piece::Chunk;
pub use read::OutputReader;
pub use spans::Spans;
pub use stream::{Durable, Following, OutputStream};

use super::faults::Faults;
use super::health::{Commits, Health, Kept};
use super::open;
use fingerprint::Unknowns;
use fold::RESTART_PAGES;
use intake::Intake;
use place::Places;
use row::StreamRows;
use saltpeter_protocol::api::{OutputFrom, OutputLength, OutputSlice};
use saltpeter_protocol::{Attempt, MachineId, RunId};
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqlitePool;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use stream::Streams;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use writer::{Order, PAGE, Writer};

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations/output");

/// The log. Clones share it.
#[derive(Clone)]
pub struct OutputLog {
    inner: Arc<Inner>,
}

struct Inner {
    streams: Streams,
    readers: SqlitePool,
    intake: Arc<Intake>,
    closing: CancellationToken,
    ended: watch::Receiver<bool>,
}

impl OutputLog {
    /// Opens the log in the file `path`, creating it if need be, and starts its writer on the present runtime.
    pub async fn open(path: &Path) -> Result<Self, OutputError> {
        Self::open_with(path, Health::default(), Faults::default()).await
    }

    /// The same, reporting to `health` whether it can be written, and suffering `faults`.
    pub async fn open_with(
        path: &Path,
        health: Health,
        faults: Faults,
    ) -> Result<Self, OutputError> {
        let options = open::to_write(path)
            .page_size(PAGE)
            .pragma("wal_autocheckpoint", RESTART_PAGES);
        let unopened = |source| OutputError::Open {
            path: path.to_owned(),
            source,
        };
        let unusable = |reason| OutputError::Unusable {
            path: path.to_owned(),
            reason,
        };
        let refused = |source| match open::advice(&source, path) {
            Some(reason) => unusable(reason),
            None => unopened(source),
        };
        let damage = open::check(path).await.map_err(refused)?;
        if let Some(damage) = damage {
            return Err(unusable(open::damaged(path, &damage)));
        }
        let mut connection = options.connect().await.map_err(refused)?;
        MIGRATIONS.run(&mut connection).await.map_err(|source| {
            let advice = open::of_migration(&source).and_then(|error| open::advice(error, path));
            match advice {
                Some(reason) => unusable(reason),
                None => OutputError::Migrate {
                    path: path.to_owned(),
                    source,
                },
            }
        })?;
        let places = Places::load(&mut connection).await.map_err(refused)?;
        let rows = StreamRows::load(&mut connection).await.map_err(refused)?;
        let unknowns = Unknowns::load(&mut connection).await.map_err(refused)?;
        let readers = open::readers(path).await.map_err(refused)?;

        let (intake, inbox, enough) = Intake::new();
        let (end, ended) = watch::channel(false);
        let closing = CancellationToken::new();
        let fold = Arc::new(Notify::new());
        let folder = options.connect().await.map_err(refused)?;
        let folding = tokio::spawn(fold::fold(folder, fold.clone(), closing.clone()));
        let commits = Commits::new(Kept::Output, path, health, faults);
        let writer = Writer::new(
            connection,
            (places, rows),
            (inbox, enough),
            fold,
            closing.clone(),
            commits,
        );
        let no_more = closing.clone();
        let written = writer.on_its_own_thread().map_err(|e| refused(e.into()))?;
        tokio::spawn(async move {
            if written.await.is_err() {
                tracing::error!("the writer of the output log has failed; restart the server");
            }
            // Also when nobody has closed the log and all have let go of it.
            no_more.cancel();
            if let Err(error) = folding.await {
                tracing::warn!(%error, "the folding back of the output log ended early");
            }
            end.send_replace(true);
        });
        Ok(Self {
            inner: Arc::new(Inner {
                streams: Streams::new(unknowns),
                readers,
                intake: Arc::new(intake),
                closing,
                ended,
            }),
        })
    }

    /// The stream of one machine of a run, or of one attempt of it. Whoever appends keeps it, so that its state is looked up once.
    pub async fn stream(
        &self,
        run: &RunId,
        part: impl Into<Part<'_>>,
    ) -> Result<OutputStream, OutputError> {
        let cell = self
            .inner
            .streams
            .get(&self.inner.readers, run, part.into())
            .await?;
        Ok(OutputStream::new(cell, Arc::clone(&self.inner.intake)))
    }

    /// Appends a chunk and waits until it is durable. Returns the durable length in bytes.
    pub async fn append(
        &self,
        run: &RunId,
        part: impl Into<Part<'_>>,
        chunk: Chunk,
    ) -> Result<u64, AppendError> {
        let stream = self.stream(run, part).await?;
        let end = stream.submit(chunk).await?;
        stream.wait_durable(end).await
    }

    /// How much output of each attempt of a run's machines is durable; those without any are left out.
    pub async fn lengths(
        &self,
        run: &RunId,
    ) -> Result<BTreeMap<(MachineId, Attempt), OutputLength>, OutputError> {
        // First those in memory, since the index may lack some of theirs.
        let held = self.inner.streams.held_of(run);
        let mut lengths = read::lengths(&self.inner.readers, run).await?;
        for cell in held {
            let length = cell.durable().length;
            if length.bytes > 0 {
                lengths.insert((cell.machine.clone(), cell.attempt), length);
            }
        }
        Ok(lengths)
    }

    /// Reads whole chunks from `from` on: as many as fit into `limit` bytes, and one if there is any. At the end of the
    /// output, and past it, the slice is empty and its offset is the output's length.
    pub async fn read(
        &self,
        run: &RunId,
        part: impl Into<Part<'_>>,
        from: OutputFrom,
        limit: usize,
    ) -> Result<OutputSlice, OutputError> {
        let stream = self.stream(run, part).await?;
        read::slice(&self.inner.readers, stream.cell(), from, limit).await
    }

    /// Reads a machine's output from the byte at `offset` up to what is durable now, piece by piece.
    pub async fn reader(
        &self,
        run: &RunId,
        part: impl Into<Part<'_>>,
        offset: u64,
    ) -> Result<OutputReader, OutputError> {
        let stream = self.stream(run, part).await?;
        Ok(OutputReader::new(
            self.inner.readers.clone(),
            stream,
            offset,
        ))
    }

    /// Waits until the writer has ended. Before [`OutputLog::close`] it does so only by a fault.
    pub async fn writer_ended(&self) {
        let mut ended = self.inner.ended.clone();
        // Whoever would tell is gone, which is the same.
        let _ = ended.wait_for(|ended| *ended).await;
    }

    /// Writes what has been submitted, and ends the writer. Later submissions are refused. Returns when the file is closed.
    pub async fn close(&self) {
        // A writer that has already ended has nothing left to write.
        let _ = self.inner.intake.send(Order::Close);
        self.inner.closing.cancel();
        self.writer_ended().await;
        self.inner.readers.close().await;
    }
}

#[cfg(test)]
mod tests;
