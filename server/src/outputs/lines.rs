//! Whole lines of a machine's output, by number.

use super::{OutputError, Outputs};
use saltpeter_protocol::api::{OutputFrom, OutputSlice};
use saltpeter_protocol::machine::Stream;
use saltpeter_protocol::{Attempt, MachineId, RunId, UnixMillis};
use std::ops::Range;

/// What is told of a line, in bytes; the rest is not read.
const MAX_TEXT: usize = 8 * 1024;

/// Bytes that are read at a time.
const STEP: usize = 64 * 1024;

/// A line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OneLine {
    pub(super) number: u64,
    /// When its first byte was written.
    pub(super) at: UnixMillis,
    /// Whether any of it came from standard error.
    pub(super) stderr: bool,
    pub(super) bytes: Vec<u8>,
    /// Whether it is longer than this.
    pub(super) cut: bool,
    /// Whether its line feed has come.
    pub(super) ended: bool,
}

/// Where `line` begins in a slice that was read from that line on.
pub(super) fn start_of(slice: &OutputSlice, line: u64) -> usize {
    match line.checked_sub(slice.line + 1) {
        None => 0,
        Some(before) => memchr::memchr_iter(b'\n', &slice.bytes)
            .nth(before as usize)
            .map_or(slice.bytes.len(), |feed| feed + 1),
    }
}

impl Outputs {
    /// The lines of `range` that there are. Of the last one the line feed may not have come.
    pub(super) async fn lines(
        &self,
        run: &RunId,
        part: (&MachineId, Attempt),
        range: Range<u64>,
    ) -> Result<Vec<OneLine>, OutputError> {
        let mut reading = Lines {
            range: range.clone(),
            done: Vec::new(),
            line: None,
        };
        let mut from = OutputFrom::Line(range.start);
        loop {
            let slice = self.log.read(run, part, from, STEP).await?;
            if slice.bytes.is_empty() {
                break;
            }
            let skip = match from {
                OutputFrom::Line(line) => start_of(&slice, line),
                OutputFrom::Offset(offset) => (offset.saturating_sub(slice.offset)) as usize,
                OutputFrom::Tail(_) => 0,
            };
            reading.take(&slice, skip);
            if reading.next() >= range.end {
                break;
            }
            from = match &reading.line {
                Some(line) if line.cut => {
                    let next = OutputFrom::Line(line.number + 1);
                    reading.end_line(slice.total.lines);
                    next
                }
                _ => OutputFrom::Offset(slice.offset + slice.bytes.len() as u64),
            };
        }
        reading.done.extend(reading.line);
        Ok(reading.done)
    }
}

/// Lines in the making.
struct Lines {
    range: Range<u64>,
    done: Vec<OneLine>,
    /// The one whose end has not come.
    line: Option<OneLine>,
}

impl Lines {
    /// Number of the line that the next byte belongs to.
    fn next(&self) -> u64 {
        self.range.start + self.done.len() as u64
    }

    /// Takes what a slice has after its first `skip` bytes.
    fn take(&mut self, slice: &OutputSlice, skip: usize) {
        let mut rest = slice.bytes.as_slice();
        let mut skip = skip;
        for mark in &slice.chunks {
            let (chunk, after) = rest.split_at(rest.len().min(mark.len as usize));
            rest = after;
            let skipped = skip.min(chunk.len());
            skip -= skipped;
            let mut fresh = &chunk[skipped..];
            while !fresh.is_empty() && self.next() < self.range.end {
                let feed = memchr::memchr(b'\n', fresh);
                let (text, after) = fresh.split_at(feed.unwrap_or(fresh.len()));
                let number = self.next();
                let line = self.line.get_or_insert_with(|| OneLine {
                    number,
                    at: mark.at,
                    stderr: false,
                    bytes: Vec::new(),
                    cut: false,
                    ended: false,
                });
                line.stderr |= mark.stream == Stream::Stderr;
                let room = MAX_TEXT - line.bytes.len();
                line.bytes.extend_from_slice(&text[..text.len().min(room)]);
                line.cut |= text.len() > room;
                fresh = after;
                if let Some((_, after)) = fresh.split_first() {
                    fresh = after;
                    self.end_line(u64::MAX);
                }
            }
        }
    }

    /// The next byte is the next line's; there are `lines` line feeds in all.
    fn end_line(&mut self, lines: u64) {
        if let Some(mut line) = self.line.take() {
            line.ended = line.number < lines;
            self.done.push(line);
        }
    }
}
