//! Where standard error is, by what the blocks say of themselves: their bytes are not read.

use super::block::decode_marks;
use super::error::OutputError;
use super::read::Blocks;
use super::{OutputLog, Part};
use saltpeter_protocol::RunId;
use saltpeter_protocol::api::Reading;
use saltpeter_protocol::machine::Stream;
use sqlx::sqlite::SqlitePool;
use std::ops::Range;

/// Blocks that are asked at a time.
const BLOCKS_AT_ONCE: i64 = 4096;

pub(super) const MARKS_AFTER: &str = "SELECT first_line, line_feeds, marks FROM output_place p \
     JOIN output_block b ON b.id = p.block WHERE p.stream = $1 AND p.start < $3 AND p.start >= \
     COALESCE((SELECT start FROM output_place WHERE stream = $1 AND start <= $2 ORDER BY start DESC LIMIT 1), 0) \
     ORDER BY p.start LIMIT $4";

pub(super) const MARKS_BEFORE: &str = "SELECT first_line, line_feeds, marks FROM output_place p \
     JOIN output_block b ON b.id = p.block WHERE p.stream = $1 AND p.start < $2 \
     ORDER BY p.start DESC LIMIT $3";

/// Lines among which all are that have standard error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spans {
    /// Line numbers, in the order of reading; they do not overlap.
    pub lines: Vec<Range<u64>>,
    /// How far is known: with the next line to look at, or the one before which the next is.
    pub known: u64,
}

/// What a block says of itself.
#[derive(sqlx::FromRow)]
struct Row {
    first_line: i64,
    line_feeds: i64,
    marks: Vec<u8>,
}

impl Row {
    /// Its lines, the one that ends after it included.
    fn lines(&self) -> Range<u64> {
        self.first_line as u64..(self.first_line + self.line_feeds) as u64 + 1
    }

    fn has_stderr(&self) -> bool {
        // What cannot be read says so when it is read.
        decode_marks(&self.marks)
            .is_none_or(|marks| marks.iter().any(|mark| mark.stream == Stream::Stderr))
    }
}

impl OutputLog {
    /// Among which lines those with standard error are, before the line `from` or from it on. Looks at some thousand blocks;
    /// [`Spans::known`] says how far it came.
    pub async fn stderr_spans(
        &self,
        run: &RunId,
        part: impl Into<Part<'_>>,
        from: u64,
        reading: Reading,
    ) -> Result<Spans, OutputError> {
        let stream = self.stream(run, part).await?;
        let cell = stream.cell();
        let total = cell.durable().length;
        let Some(row) = cell.row() else {
            return Ok(Spans {
                lines: Vec::new(),
                known: match reading {
                    Reading::Before => 0,
                    Reading::After => from.max(1),
                },
            });
        };
        let search = Search {
            readers: &self.inner.readers,
            stream: row,
            end: total.lines + 1,
            blocks: Blocks::of(&self.inner.readers, row, total, cell.tail()),
        };
        match reading {
            Reading::Before => search.before(from).await,
            Reading::After => search.after(from).await,
        }
    }
}

struct Search<'r> {
    readers: &'r SqlitePool,
    stream: i64,
    /// The line after the last one, an unfinished one included.
    end: u64,
    blocks: Blocks<'r>,
}

impl Search<'_> {
    async fn before(&self, from: u64) -> Result<Spans, OutputError> {
        let from = from.min(self.end);
        let mut spans = Found {
            lines: Vec::new(),
            known: from,
        };
        // What the index lacks yet is not much, and not asked.
        let indexed = self.blocks.first_unindexed_line().await?;
        if let Some(line) = indexed.filter(|line| *line < from) {
            spans.take_before(line..from);
        }
        let offset = self.blocks.line_start(spans.known).await?;
        let rows: Vec<Row> = sqlx::query_as(MARKS_BEFORE)
            .bind(self.stream)
            .bind(offset.min(self.blocks.indexed()) as i64)
            .bind(BLOCKS_AT_ONCE)
            .fetch_all(self.readers)
            .await?;
        for marks in rows.iter().filter(|marks| marks.has_stderr()) {
            spans.take_before(marks.lines());
        }
        match rows.last() {
            Some(first) if rows.len() as i64 == BLOCKS_AT_ONCE => {
                // Its first line may have begun in a block that was not looked at.
                let line = first.lines().start;
                if spans.known > line + 1 {
                    spans.known = line + 1;
                }
                if spans.known >= from {
                    // One line fills all these blocks.
                    spans.take_before(line..from);
                }
            }
            _ => spans.known = 0,
        }
        Ok(spans.done())
    }

    async fn after(&self, from: u64) -> Result<Spans, OutputError> {
        let mut spans = Found {
            lines: Vec::new(),
            known: from,
        };
        let indexed = self.blocks.first_unindexed_line().await?;
        let offset = self.blocks.line_start(from).await?;
        let mut rows: Vec<Row> = Vec::new();
        if offset < self.blocks.indexed() {
            rows = sqlx::query_as(MARKS_AFTER)
                .bind(self.stream)
                .bind(offset as i64)
                .bind(self.blocks.indexed() as i64)
                .bind(BLOCKS_AT_ONCE)
                .fetch_all(self.readers)
                .await?;
        }
        for marks in rows.iter().filter(|marks| marks.has_stderr()) {
            spans.take_after(marks.lines());
        }
        match rows.last() {
            Some(last) if rows.len() as i64 == BLOCKS_AT_ONCE => {
                // Its last line may go on in a block that was not looked at.
                spans.known = spans.known.max(last.lines().end - 1);
                if spans.known <= from {
                    spans.take_after(from..from + 1);
                }
            }
            _ => {
                if let Some(line) = indexed {
                    spans.take_after(line..self.end);
                }
                spans.known = spans.known.max(self.end);
            }
        }
        Ok(spans.done())
    }
}

/// Spans in the making.
struct Found {
    lines: Vec<Range<u64>>,
    known: u64,
}

impl Found {
    /// Adds what of `lines` is before all that is known.
    fn take_before(&mut self, lines: Range<u64>) {
        let lines = lines.start..lines.end.min(self.known);
        if lines.start < lines.end {
            self.known = lines.start;
            self.lines.push(lines);
        }
    }

    /// Adds what of `lines` is after all that is known.
    fn take_after(&mut self, lines: Range<u64>) {
        let lines = lines.start.max(self.known)..lines.end;
        if lines.start < lines.end {
            self.known = lines.end;
            self.lines.push(lines);
        }
    }

    fn done(self) -> Spans {
        Spans {
            lines: self.lines,
            known: self.known,
        }
    }
}
