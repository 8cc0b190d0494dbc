//! Reading the log: by offset, by line, from the tail.

use super::block::BlockRow;
use super::error::OutputError;
use super::piece::line_feeds;
use super::stream::{Cell, OutputStream};
use bytes::Bytes;
use futures::TryStreamExt as _;
use saltpeter_protocol::api::{ChunkMark, OutputFrom, OutputLength, OutputSlice};
use saltpeter_protocol::{Attempt, MachineId, RunId};
use sqlx::sqlite::SqlitePool;
use std::collections::BTreeMap;

/// Bytes that an [`OutputReader`] reads at a time.
const READER_STEP: usize = 256 * 1024;

const BLOCKS_FROM: &str = "SELECT start, raw_len, first_line, encoding, marks, payload FROM output_block \
     WHERE stream = $1 AND start >= $2 AND start < $3 ORDER BY start";

const LENGTHS: &str = "SELECT machine, attempt, start + raw_len, first_line + line_feeds FROM output_stream s \
     JOIN output_block b ON b.id = \
     (SELECT id FROM output_block WHERE stream = s.id ORDER BY start DESC LIMIT 1) WHERE s.run = $1";

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
    let wanted = match from {
        OutputFrom::Offset(offset) => offset,
        OutputFrom::Tail(bytes) => total.bytes.saturating_sub(bytes),
        OutputFrom::Line(line) => line_start(readers, stream, total, line).await?,
    };
    if wanted >= total.bytes {
        return Ok(slice.done());
    }
    let first = block_start(readers, stream, wanted).await?;
    let mut rows = sqlx::query_as::<_, BlockRow>(BLOCKS_FROM)
        .bind(stream)
        .bind(first)
        .bind(total.bytes as i64)
        .fetch(readers);
    while let Some(row) = rows.try_next().await? {
        let (marks, bytes) = row.open()?;
        let mut at = Place {
            offset: row.start as u64,
            line: row.first_line as u64,
        };
        let mut rest: &[u8] = &bytes;
        for mark in marks {
            let (chunk, after) = rest.split_at(mark.len as usize);
            rest = after;
            let end = at.offset + chunk.len() as u64;
            if end > wanted {
                if !slice.add(at, mark, chunk, limit) {
                    return Ok(slice.done());
                }
                at.offset = end;
            } else {
                at.offset = end;
                at.line += line_feeds(chunk);
            }
        }
    }
    Ok(slice.done())
}

#[derive(Clone, Copy)]
struct Place {
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

    /// Adds a chunk, if it still fits.
    fn add(&mut self, at: Place, mark: ChunkMark, chunk: &[u8], limit: usize) -> bool {
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

/// Start of the block that holds the byte at `offset`.
async fn block_start(readers: &SqlitePool, stream: i64, offset: u64) -> Result<i64, OutputError> {
    let start: i64 = sqlx::query_scalar(
        "SELECT start FROM output_block WHERE stream = $1 AND start <= $2 ORDER BY start DESC LIMIT 1",
    )
    .bind(stream)
    .bind(offset as i64)
    .fetch_one(readers)
    .await?;
    Ok(start)
}

/// Offset at which `line` begins, counted from 0; the end for a line that is not there yet.
///
/// Bisects over the blocks' starts for the one that holds the line feed before the line.
async fn line_start(
    readers: &SqlitePool,
    stream: i64,
    total: OutputLength,
    line: u64,
) -> Result<u64, OutputError> {
    if line == 0 {
        return Ok(0);
    }
    if line > total.lines {
        return Ok(total.bytes);
    }
    // The block that is looked for starts in `low..high`.
    let (mut low, mut high) = (0, total.bytes);
    let block = loop {
        let middle = low + (high - low) / 2;
        let block = sqlx::query_as::<_, BlockPlace>(
            "SELECT start, raw_len, first_line, line_feeds FROM output_block \
             WHERE stream = $1 AND start <= $2 ORDER BY start DESC LIMIT 1",
        )
        .bind(stream)
        .bind(middle as i64)
        .fetch_one(readers)
        .await?;
        if line <= block.first_line as u64 {
            high = block.start as u64;
        } else if line > (block.first_line + block.line_feeds) as u64 {
            low = (block.start + block.raw_len) as u64;
        } else {
            break block;
        }
        if low >= high {
            return Err(OutputError::Damaged {
                offset: low,
                problem: format!("line {line} is missing"),
            });
        }
    };
    let row = sqlx::query_as::<_, BlockRow>(BLOCKS_FROM)
        .bind(stream)
        .bind(block.start)
        .bind(block.start + 1)
        .fetch_one(readers)
        .await?;
    let (_, bytes) = row.open()?;
    let nth = (line - block.first_line as u64 - 1) as usize;
    let feed = memchr::memchr_iter(b'\n', &bytes).nth(nth);
    let feed = feed.ok_or_else(|| OutputError::Damaged {
        offset: block.start as u64,
        problem: format!("line {line} is missing"),
    })?;
    Ok(block.start as u64 + feed as u64 + 1)
}

/// Where a block lies.
#[derive(sqlx::FromRow)]
struct BlockPlace {
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
