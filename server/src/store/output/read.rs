//! Reading the log: by offset, by line, from the tail.

use super::block::BlockRow;
use super::error::OutputError;
use super::piece::line_feeds;
use super::place::Place;
use super::recent::RecentBlock;
use super::stream::{Cell, OutputStream};
use bytes::Bytes;
use futures::TryStreamExt as _;
use saltpeter_protocol::api::{ChunkMark, OutputFrom, OutputLength, OutputSlice};
use saltpeter_protocol::{Attempt, MachineId, RunId};
use sqlx::sqlite::SqlitePool;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Bytes that an [`OutputReader`] reads at a time.
const READER_STEP: usize = 256 * 1024;

/// The blocks of a stream from the one that holds a byte, up to a block's start.
pub(super) const BLOCKS: &str = "SELECT b.start, raw_len, first_line, encoding, marks, payload, checksum FROM output_place p \
     JOIN output_block b ON b.id = p.block WHERE p.stream = $1 AND p.start < $3 AND p.start >= \
     (SELECT start FROM output_place WHERE stream = $1 AND start <= $2 ORDER BY start DESC LIMIT 1) \
     ORDER BY p.start";

pub(super) const BLOCK: &str = "SELECT start, raw_len, first_line, encoding, marks, payload, checksum FROM output_block WHERE id = $1";

/// Where the block lies that holds a byte.
pub(super) const HOLDER: &str = "SELECT b.id, b.start, raw_len, first_line, line_feeds FROM output_place p \
     JOIN output_block b ON b.id = p.block WHERE p.stream = $1 AND p.start <= $2 \
     ORDER BY p.start DESC LIMIT 1";

pub(super) const HOLDER_IN_TAIL: &str =
    "SELECT id, start, raw_len, first_line, line_feeds FROM output_block WHERE id = $1";

pub(super) const LENGTHS: &str = "SELECT machine, attempt, b.start + raw_len, first_line + line_feeds FROM output_stream s \
     JOIN output_block b ON b.id = \
     (SELECT block FROM output_place WHERE stream = s.id ORDER BY start DESC LIMIT 1) WHERE s.run = $1";

/// Bytes of all of a run's streams, by the last block of each.
pub(super) const STORED: &str = "SELECT COALESCE(SUM(b.start + raw_len), 0) FROM output_stream s \
     JOIN output_block b ON b.id = \
     (SELECT block FROM output_place WHERE stream = s.id ORDER BY start DESC LIMIT 1) WHERE s.run = $1";

/// The lengths of a run's streams: what the last block of each says.
pub(super) async fn lengths(
    readers: &SqlitePool,
    run: &RunId,
) -> Result<BTreeMap<(MachineId, Attempt), OutputLength>, OutputError> {
    let rows: Vec<(String, u32, i64, i64)> = sqlx::query_as(LENGTHS)
        .bind(run.as_str())
        .fetch_all(readers)
        .await?;
    let known = rows
        .into_iter()
        .filter_map(|(machine, attempt, bytes, lines)| {
            let length = OutputLength {
                bytes: bytes as u64,
                lines: lines as u64,
            };
            let machine = MachineId::new(&machine).ok()?;
            Some(((machine, Attempt::try_from(attempt).ok()?), length))
        });
    Ok(known.collect())
}

/// Whole chunks of a stream from `from` on, up to `limit` bytes, at least one if there is any.
pub(super) async fn slice(
    readers: &SqlitePool,
    cell: &Cell,
    from: OutputFrom,
    limit: usize,
) -> Result<OutputSlice, OutputError> {
    let total = cell.durable().length;
    let mut slice = Slice::at_end(total);
    let Some(stream) = cell.row() else {
        return Ok(slice.done());
    };
    let blocks = Blocks::of(readers, stream, total, cell.tail());
    let wanted = match from {
        OutputFrom::Offset(offset) => offset,
        OutputFrom::Tail(bytes) => total.bytes.saturating_sub(bytes),
        OutputFrom::Line(line) => blocks.line_start(line).await?,
    };
    if wanted >= total.bytes {
        return Ok(slice.done());
    }
    match cell.recent.from(wanted) {
        Some(recent) => slice.take_recent(&recent, wanted, limit)?,
        None => blocks.read(wanted, limit, &mut slice).await?,
    }
    Ok(slice.done())
}

/// A stream's blocks: those in the index, and after them those that it lacks yet.
pub(super) struct Blocks<'r> {
    readers: &'r SqlitePool,
    stream: i64,
    total: OutputLength,
    tail: Vec<Place>,
}

impl<'r> Blocks<'r> {
    /// Those of the stream with the row `stream`, which was `total` long before its `tail` was asked for.
    pub(super) fn of(
        readers: &'r SqlitePool,
        stream: i64,
        total: OutputLength,
        tail: Vec<Place>,
    ) -> Self {
        Self {
            readers,
            stream,
            total,
            tail,
        }
    }

    /// Offset up to which the index has all blocks.
    pub(super) fn indexed(&self) -> u64 {
        let indexed = self.tail.first().map_or(self.total.bytes, |p| p.start);
        indexed.min(self.total.bytes)
    }

    /// The first line of which a part may lie in a block that the index lacks; `None` when it has them all.
    pub(super) async fn first_unindexed_line(&self) -> Result<Option<u64>, OutputError> {
        let Some(first) = self.tail.first() else {
            return Ok(None);
        };
        let block: Option<BlockPlace> = sqlx::query_as(HOLDER_IN_TAIL)
            .bind(first.block)
            .fetch_optional(self.readers)
            .await?;
        Ok(block.map(|block| block.first_line as u64))
    }

    /// Fills `slice` from the chunk with the byte at `wanted` on.
    async fn read(&self, wanted: u64, limit: usize, slice: &mut Slice) -> Result<(), OutputError> {
        let indexed = self.indexed();
        if wanted < indexed {
            let mut rows = sqlx::query_as::<_, BlockRow>(BLOCKS)
                .bind(self.stream)
                .bind(wanted as i64)
                .bind(indexed as i64)
                .fetch(self.readers);
            while let Some(row) = rows.try_next().await? {
                if !slice.take(&row, wanted, limit)? {
                    return Ok(());
                }
            }
        }
        let first = self.tail.partition_point(|place| place.start <= wanted);
        for place in &self.tail[first.saturating_sub(1)..] {
            if place.start >= self.total.bytes {
                break;
            }
            let row = sqlx::query_as::<_, BlockRow>(BLOCK)
                .bind(place.block)
                .fetch_optional(self.readers)
                .await?;
            // None when it has been deleted meanwhile.
            let Some(row) = row else { break };
            if !slice.take(&row, wanted, limit)? {
                break;
            }
        }
        Ok(())
    }

    /// Where the block lies that holds the byte at `offset`.
    async fn holder(&self, offset: u64) -> Result<BlockPlace, OutputError> {
        let in_tail = self.tail.partition_point(|place| place.start <= offset);
        let query = match in_tail.checked_sub(1) {
            Some(last) => sqlx::query_as(HOLDER_IN_TAIL).bind(self.tail[last].block),
            None => sqlx::query_as(HOLDER).bind(self.stream).bind(offset as i64),
        };
        Ok(query.fetch_one(self.readers).await?)
    }

    /// Offset at which `line` begins, counted from 0; the end for a line that is not there yet.
    ///
    /// Bisects over the blocks' starts for the one that holds the line feed before the line.
    pub(super) async fn line_start(&self, line: u64) -> Result<u64, OutputError> {
        if line == 0 {
            return Ok(0);
        }
        if line > self.total.lines {
            return Ok(self.total.bytes);
        }
        let missing = |offset| OutputError::Damaged {
            offset,
            problem: format!("line {line} is missing"),
        };
        // The block that is looked for starts in `low..high`.
        let (mut low, mut high) = (0, self.total.bytes);
        let block = loop {
            let block = self.holder(low + (high - low) / 2).await?;
            if line <= block.first_line as u64 {
                high = block.start as u64;
            } else if line > (block.first_line + block.line_feeds) as u64 {
                low = (block.start + block.raw_len) as u64;
            } else {
                break block;
            }
            if low >= high {
                return Err(missing(low));
            }
        };
        let row = sqlx::query_as::<_, BlockRow>(BLOCK)
            .bind(block.id)
            .fetch_one(self.readers)
            .await?;
        let (_, bytes) = row.open()?;
        let nth = (line - block.first_line as u64 - 1) as usize;
        let feed = memchr::memchr_iter(b'\n', &bytes).nth(nth);
        let feed = feed.ok_or_else(|| missing(block.start as u64))?;
        Ok(block.start as u64 + feed as u64 + 1)
    }
}

#[derive(Clone, Copy)]
struct At {
    offset: u64,
    line: u64,
}

/// A slice in the making.
struct Slice(OutputSlice);

impl Slice {
    fn at_end(total: OutputLength) -> Self {
        Self(OutputSlice {
            offset: total.bytes,
            line: total.lines,
            total,
            chunks: Vec::new(),
            bytes: Vec::new(),
        })
    }

    /// Adds chunks of blocks that are kept in memory, up to what was durable when the slice was begun.
    fn take_recent(
        &mut self,
        blocks: &[Arc<RecentBlock>],
        wanted: u64,
        limit: usize,
    ) -> Result<(), OutputError> {
        for block in blocks {
            let at = At {
                offset: block.start,
                line: block.first_line,
            };
            if block.start >= self.0.total.bytes
                || !self.take_chunks(at, &block.marks, &block.bytes()?, wanted, limit)
            {
                break;
            }
        }
        Ok(())
    }

    /// Adds a block's chunks from the one with the byte at `wanted` on. False when the slice is full.
    fn take(&mut self, row: &BlockRow, wanted: u64, limit: usize) -> Result<bool, OutputError> {
        let (marks, bytes) = row.open()?;
        let at = At {
            offset: row.start as u64,
            line: row.first_line as u64,
        };
        Ok(self.take_chunks(at, &marks, &bytes, wanted, limit))
    }

    fn take_chunks(
        &mut self,
        mut at: At,
        marks: &[ChunkMark],
        bytes: &[u8],
        wanted: u64,
        limit: usize,
    ) -> bool {
        let mut rest = bytes;
        for mark in marks {
            let (chunk, after) = rest.split_at(mark.len as usize);
            rest = after;
            let end = at.offset + chunk.len() as u64;
            if end > wanted {
                if !self.add(at, *mark, chunk, limit) {
                    return false;
                }
            } else {
                at.line += line_feeds(chunk);
            }
            at.offset = end;
        }
        true
    }

    /// Adds a chunk, if it still fits.
    fn add(&mut self, at: At, mark: ChunkMark, chunk: &[u8], limit: usize) -> bool {
        let slice = &mut self.0;
        if slice.chunks.is_empty() {
            slice.offset = at.offset;
            slice.line = at.line;
        } else if slice.bytes.len() + chunk.len() > limit {
            return false;
        }
        slice.chunks.push(mark);
        slice.bytes.extend_from_slice(chunk);
        true
    }

    fn done(self) -> OutputSlice {
        self.0
    }
}

/// Where a block lies.
#[derive(sqlx::FromRow)]
struct BlockPlace {
    id: i64,
    start: i64,
    raw_len: i64,
    first_line: i64,
    line_feeds: i64,
}

/// Reads a stream's bytes one piece after the other, up to what was durable when it was made. Holds one piece at a time.
pub struct OutputReader {
    readers: SqlitePool,
    stream: OutputStream,
    next: u64,
    end: u64,
}

impl OutputReader {
    pub(super) fn new(readers: SqlitePool, stream: OutputStream, offset: u64) -> Self {
        let end = stream.durable().length.bytes;
        Self {
            readers,
            stream,
            next: offset,
            end,
        }
    }

    /// Bytes that are still to come.
    pub fn len(&self) -> u64 {
        self.end.saturating_sub(self.next)
    }

    /// Whether nothing is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The next piece; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, OutputError> {
        if self.next >= self.end {
            return Ok(None);
        }
        let from = OutputFrom::Offset(self.next);
        let slice = slice(&self.readers, self.stream.cell(), from, READER_STEP).await?;
        let read_to = slice.offset + slice.bytes.len() as u64;
        if read_to <= self.next {
            // Deleted meanwhile.
            self.next = self.end;
            return Ok(None);
        }
        let skip = (self.next - slice.offset) as usize;
        let keep = (read_to.min(self.end) - slice.offset) as usize;
        self.next = read_to;
        Ok(Some(Bytes::from(slice.bytes).slice(skip..keep)))
    }

    /// The pieces as a stream, for the body of an answer.
    pub fn into_stream(self) -> impl futures::Stream<Item = Result<Bytes, OutputError>> + Send {
        futures::stream::try_unfold(self, |mut reader| async move {
            Ok(reader.next().await?.map(|bytes| (bytes, reader)))
        })
    }
}
