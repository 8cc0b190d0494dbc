//! Streams: where the next byte goes, and how far the log is durable.

use super::error::{AppendError, OutputError};
use super::fingerprint::{Fingerprint, Unknowns};
use super::intake::Intake;
use super::part::Part;
use super::piece::{Body, Chunk, Piece};
use super::place::Place;
use super::recent::Recent;
use super::writer::Order;
use saltpeter_protocol::api::{ChunkMark, OutputLength};
use saltpeter_protocol::{Attempt, MachineId, RunId};
use sqlx::Row as _;
use sqlx::sqlite::SqlitePool;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use tokio::sync::watch;

/// How far a stream is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Durable {
    /// Bytes and lines.
    pub length: OutputLength,
    /// The last number of a version 1 wrapper's messages; `None` when there was none.
    pub v1_seq: Option<u64>,
    /// Of all bytes.
    pub fingerprint: Fingerprint,
}

type Key = (RunId, MachineId, Attempt);

/// One stream's state in memory, shared by everyone who has to do with it.
pub(super) struct Cell {
    pub(super) run: RunId,
    pub(super) machine: MachineId,
    pub(super) attempt: Attempt,
    /// Up to where pieces have been taken; ahead of `durable` by what waits for the writer.
    accepted: Mutex<Durable>,
    durable: watch::Sender<Durable>,
    /// Row of the stream; absent until its first commit.
    row: OnceLock<i64>,
    /// The newest blocks, which the index lacks yet. The writer alone changes it.
    tail: Mutex<Vec<Place>>,
    unknowns: Unknowns,
    /// The newest blocks themselves, for followers.
    pub(super) recent: Recent,
}

impl Cell {
    pub(super) fn row(&self) -> Option<i64> {
        self.row.get().copied()
    }

    pub(super) fn durable(&self) -> Durable {
        *self.durable.borrow()
    }

    /// Makes a commit known: the stream has its row, and is durable so far.
    pub(super) fn committed(&self, row: i64, durable: Durable) {
        // The row of a stream never changes: a second value is the same one.
        let _ = self.row.set(row);
        self.durable.send_replace(durable);
    }

    /// How it stands when `body` is added to `before`.
    fn after(&self, before: &Durable, body: &Body) -> Durable {
        let added = u64::from(body.raw_len);
        let of_all = self
            .unknowns
            .join(before.fingerprint, body.fingerprint, added);
        Durable {
            length: OutputLength {
                bytes: before.length.bytes + added,
                lines: before.length.lines + body.line_feeds,
            },
            v1_seq: before.v1_seq,
            fingerprint: of_all,
        }
    }

    /// The durable blocks that the index lacks. To be asked for before the index is: what is missing here is there.
    pub(super) fn tail(&self) -> Vec<Place> {
        self.lock_tail().clone()
    }

    /// Adds blocks to the tail. True when there was none.
    pub(super) fn extend_tail(&self, places: impl Iterator<Item = Place>) -> bool {
        let mut tail = self.lock_tail();
        let first = tail.is_empty();
        tail.extend(places);
        first
    }

    /// The index has the whole tail.
    pub(super) fn clear_tail(&self) {
        self.lock_tail().clear();
    }

    fn lock_tail(&self) -> MutexGuard<'_, Vec<Place>> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accepted(&self) -> MutexGuard<'_, Durable> {
        // What is kept under the lock is whole at every step.
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The streams that somebody holds.
pub(super) struct Streams {
    live: Mutex<Live>,
    /// Held while a stream is loaded, so that no second copy of its state can come up.
    loading: tokio::sync::Mutex<()>,
    /// Bytes that all of them keep for followers.
    kept: Arc<AtomicUsize>,
    unknowns: Unknowns,
}

#[derive(Default)]
struct Live {
    cells: HashMap<Key, Weak<Cell>>,
    /// Runs that are being deleted: nobody gets hold of their streams.
    sealed: HashSet<RunId>,
    /// Size at which entries that nobody holds are swept out.
    sweep_at: usize,
}

impl Streams {
    pub(super) fn new(unknowns: Unknowns) -> Self {
        Self {
            live: Mutex::default(),
            loading: tokio::sync::Mutex::default(),
            kept: Arc::default(),
            unknowns,
        }
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn held(&self, key: &Key) -> Option<Arc<Cell>> {
        self.live().cells.get(key).and_then(Weak::upgrade)
    }

    /// The stream of `part` of `run`, loaded if nobody holds it.
    pub(super) async fn get(
        &self,
        readers: &SqlitePool,
        run: &RunId,
        part: Part<'_>,
    ) -> Result<Arc<Cell>, OutputError> {
        let key = (run.clone(), part.machine.clone(), part.attempt);
        if let Some(cell) = self.held(&key) {
            return Ok(cell);
        }
        let _loading = self.loading.lock().await;
        if let Some(cell) = self.held(&key) {
            return Ok(cell);
        }
        if self.live().sealed.contains(run) {
            return Err(OutputError::Deleted);
        }
        let recent = Recent::new(Arc::clone(&self.kept));
        let cell = Arc::new(load(readers, run, part, recent, self.unknowns).await?);
        let mut live = self.live();
        if live.cells.len() >= live.sweep_at {
            live.cells.retain(|_, cell| cell.strong_count() > 0);
            live.sweep_at = (live.cells.len() * 2).max(1024);
        }
        live.cells.insert(key, Arc::downgrade(&cell));
        Ok(cell)
    }

    /// The streams of a run that somebody holds.
    pub(super) fn held_of(&self, run: &RunId) -> Vec<Arc<Cell>> {
        let live = self.live();
        let of_run = live.cells.iter().filter(|((of, ..), _)| of == run);
        of_run.filter_map(|(_, cell)| cell.upgrade()).collect()
    }

    /// Has nobody get hold of the run's streams from now on; false when somebody has.
    pub(super) async fn seal(&self, run: &RunId) -> bool {
        let _loading = self.loading.lock().await;
        if !self.held_of(run).is_empty() {
            return false;
        }
        let mut live = self.live();
        live.cells.retain(|(of, ..), _| of != run);
        live.sealed.insert(run.clone());
        true
    }

    pub(super) fn unseal(&self, run: &RunId) {
        self.live().sealed.remove(run);
    }
}

async fn load(
    readers: &SqlitePool,
    run: &RunId,
    part: Part<'_>,
    recent: Recent,
    unknowns: Unknowns,
) -> Result<Cell, OutputError> {
    let mut durable = Durable::default();
    let row = OnceLock::new();
    let stream = sqlx::query(
        "SELECT id, v1_seq FROM output_stream WHERE run = $1 AND machine = $2 AND attempt = $3",
    )
    .bind(run.as_str())
    .bind(part.machine.as_str())
    .bind(part.attempt.get())
    .fetch_optional(readers)
    .await?;
    if let Some(stream) = stream {
        let id: i64 = stream.try_get("id")?;
        let seq: Option<i64> = stream.try_get("v1_seq")?;
        durable.v1_seq = seq.map(|seq| seq as u64);
        let last = sqlx::query(
            "SELECT b.start, raw_len, first_line, line_feeds, fingerprint FROM output_place p \
             JOIN output_block b ON b.id = p.block WHERE p.stream = $1 ORDER BY p.start DESC LIMIT 1",
        )
        .bind(id)
        .fetch_optional(readers)
        .await?;
        if let Some(last) = last {
            let start: i64 = last.try_get("start")?;
            let raw_len: i64 = last.try_get("raw_len")?;
            let first_line: i64 = last.try_get("first_line")?;
            let line_feeds: i64 = last.try_get("line_feeds")?;
            durable.length = OutputLength {
                bytes: (start + raw_len) as u64,
                lines: (first_line + line_feeds) as u64,
            };
            let fingerprint: Option<Vec<u8>> = last.try_get("fingerprint")?;
            durable.fingerprint = Fingerprint::from_row(fingerprint.as_deref());
        }
        let _ = row.set(id);
    }
    Ok(Cell {
        run: run.clone(),
        machine: part.machine.clone(),
        attempt: part.attempt,
        accepted: Mutex::new(durable),
        durable: watch::Sender::new(durable),
        row,
        tail: Mutex::default(),
        unknowns,
        recent,
    })
}

/// The output of one machine's attempt in a run, for whoever appends to it or follows it.
#[derive(Clone)]
pub struct OutputStream {
    cell: Arc<Cell>,
    intake: Arc<Intake>,
}

impl OutputStream {
    pub(super) fn new(cell: Arc<Cell>, intake: Arc<Intake>) -> Self {
        Self { cell, intake }
    }

    pub(super) fn cell(&self) -> &Arc<Cell> {
        &self.cell
    }

    /// How far the stream is durable.
    pub fn durable(&self) -> Durable {
        self.cell.durable()
    }

    /// Follows how far the stream is durable, as long as this stream is held.
    pub fn watch(&self) -> watch::Receiver<Durable> {
        self.cell.durable.subscribe()
    }

    /// Has what is written from now on be kept in memory for a while, as long as the answer is held.
    pub fn follow(&self) -> Following {
        self.cell.recent.follow();
        Following(Arc::clone(&self.cell))
    }

    /// Waits until the first `end` bytes are durable. Returns the durable length then.
    pub async fn wait_durable(&self, end: u64) -> Result<u64, AppendError> {
        let mut watch = self.watch();
        tokio::select! {
            durable = watch.wait_for(|durable| durable.length.bytes >= end) => match durable {
                Ok(durable) => Ok(durable.length.bytes),
                Err(_) => Err(OutputError::Closed.into()),
            },
            () = self.intake.closed() => Err(OutputError::Closed.into()),
        }
    }

    /// Takes a chunk that continues the stream and hands it to the writer; waits only while too much is queued there.
    /// What is already known of it is left out. Returns the offset up to which the stream will be durable; when it is,
    /// [`OutputStream::watch`] tells.
    pub async fn submit(&self, chunk: Chunk) -> Result<u64, AppendError> {
        let end = chunk.offset.saturating_add(u64::from(chunk.raw_len));
        loop {
            let next = self.cell.accepted().length.bytes;
            if chunk.offset > next {
                return Err(AppendError::OutOfOrder {
                    expected: next,
                    received: chunk.offset,
                });
            }
            if end <= next {
                return Ok(next);
            }
            let known = (next - chunk.offset) as u32;
            let body = chunk.open_after(known, &self.cell.unknowns)?;
            let mark = ChunkMark {
                len: body.raw_len,
                stream: chunk.stream,
                at: chunk.at,
            };
            let room = self.intake.reserve(body.payload.len()).await?;
            let mut accepted = self.cell.accepted();
            if accepted.length.bytes != next {
                // Another connection of the same machine was faster: look again.
                continue;
            }
            let next = self.cell.after(&accepted, &body);
            self.queue(&mut accepted, next, mark, Some(body), None, room)?;
            return Ok(end);
        }
    }

    /// Takes the text of a version 1 output message. With a number it must be the next one; one that is known is left
    /// out. Returns whether the text was new.
    pub async fn submit_v1(&self, seq: Option<u64>, chunk: Chunk) -> Result<bool, AppendError> {
        let body = if chunk.raw_len == 0 {
            None
        } else {
            Some(chunk.open(&self.cell.unknowns)?)
        };
        let bytes = body.as_ref().map_or(0, |body| body.payload.len());
        let room = self.intake.reserve(bytes).await?;
        let mut accepted = self.cell.accepted();
        if let Some(seq) = seq {
            let expected = accepted.v1_seq.map_or(0, |last| last + 1);
            if seq < expected {
                return Ok(false);
            }
            if seq > expected {
                return Err(AppendError::OutOfOrder {
                    expected,
                    received: seq,
                });
            }
        }
        let mut next = match &body {
            Some(body) => self.cell.after(&accepted, body),
            None => *accepted,
        };
        next.v1_seq = seq.or(accepted.v1_seq);
        let mark = ChunkMark {
            len: chunk.raw_len,
            stream: chunk.stream,
            at: chunk.at,
        };
        self.queue(&mut accepted, next, mark, body, seq, room)?;
        Ok(true)
    }

    /// Up to where pieces have been taken, durable or on their way.
    pub fn taken(&self) -> Durable {
        *self.cell.accepted()
    }

    /// Fixes a piece's place. The lock on `accepted` is held, so that pieces reach the writer in order.
    fn queue(
        &self,
        accepted: &mut Durable,
        next: Durable,
        mark: ChunkMark,
        body: Option<Body>,
        v1_seq: Option<u64>,
        room: tokio::sync::OwnedSemaphorePermit,
    ) -> Result<(), AppendError> {
        let piece = Piece {
            cell: self.cell.clone(),
            start: accepted.length.bytes,
            first_line: accepted.length.lines,
            mark,
            fingerprint: next.fingerprint,
            body,
            v1_seq,
            _room: room,
        };
        self.intake.send(Order::Write(piece))?;
        *accepted = next;
        Ok(())
    }
}

/// Somebody follows a stream, as long as this is held: see [`OutputStream::follow`].
pub struct Following(Arc<Cell>);

impl Drop for Following {
    fn drop(&mut self) {
        self.0.recent.unfollow();
    }
}
