//! Searching a machine's output, in steps that are short and hold little.

use super::{OutputError, Outputs, lines};
use bytes::Bytes;
use saltpeter_domain::search::{Pattern, Scan, Wanted};
use saltpeter_protocol::api::{OutputFrom, OutputLength, OutputSlice, SearchStep};
use saltpeter_protocol::{Attempt, MachineId, RunId};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Searches that go on at a time; more wait. Fewer than there are connections that read, and no more than leave
/// the writer a processor.
pub(super) const AT_ONCE: usize = 2;

/// How much a search does at a time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Bytes that are read at a time. A search holds two such pieces and one line.
    pub(super) batch: usize,
    /// How long a step lasts: then it says what it has.
    pub(super) step: Duration,
    /// How long it lasts once there is something to say.
    pub(super) first: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            batch: 1024 * 1024,
            step: Duration::from_millis(500),
            first: Duration::from_millis(100),
        }
    }
}

/// When a step of a search ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// When its time is up.
    Time,
    /// When all the hits that are wanted have been found, or its time is up.
    Hits,
}

impl Outputs {
    /// Searches a machine's output from `line` on, counted from 0, for some time. When nobody waits for the answer any more,
    /// the search ends with the piece in hand.
    pub async fn search(
        &self,
        run: &RunId,
        part: (&MachineId, Attempt),
        pattern: Arc<Pattern>,
        line: u64,
        wanted: Wanted,
        until: Until,
    ) -> Result<SearchStep, OutputError> {
        let pace = self.pace;
        // It is never closed.
        let _turn = self.searches.acquire().await;
        // Held, so that it is not looked up for each piece.
        let _stream = self.log.stream(run, part).await?;
        let read = async |from| -> Result<Piece, OutputError> {
            let slice = self.log.read(run, part, from, pace.batch).await?;
            Ok(Piece::of(slice, from))
        };
        let begun = Instant::now();
        let mut scan = Scan::new(pattern, line, wanted);
        let mut piece = read(OutputFrom::Line(line)).await?;
        let mut searched;
        let next = loop {
            searched = piece.end;
            if piece.is_last() {
                scan = feed(scan, piece.bytes.clone()).await?;
                scan.finish();
                break None;
            }
            let ahead = read(OutputFrom::Offset(piece.end));
            let (fed, ahead) = tokio::join!(feed(scan, piece.bytes.clone()), ahead);
            (scan, piece) = (fed?, ahead?);
            if scan.is_skipping() {
                // The rest of a line that is too long is not read.
                scan.leave_line();
                piece = read(OutputFrom::Line(scan.line())).await?;
            }
            let enough = (until == Until::Hits && scan.has_wanted())
                || begun.elapsed() >= pace.step
                || (scan.count() > 0 && begun.elapsed() >= pace.first);
            // At least one line a step, or it would be begun for ever.
            if enough && scan.line() > line {
                break Some(scan.line());
            }
        };
        Ok(SearchStep {
            next,
            count: scan.count(),
            searched,
            total: piece.total,
            long_lines: scan.long_lines(),
            hits: scan.into_hits(),
        })
    }
}

/// Bytes that are to be searched.
struct Piece {
    bytes: Bytes,
    /// Offset after the last of them.
    end: u64,
    /// How long the output was when they were read.
    total: OutputLength,
}

impl Piece {
    /// What `slice` has from the place `from` on.
    fn of(slice: OutputSlice, from: OutputFrom) -> Self {
        let end = slice.offset + slice.bytes.len() as u64;
        let skip = match from {
            OutputFrom::Line(line) => lines::start_of(&slice, line),
            OutputFrom::Offset(offset) => offset.saturating_sub(slice.offset) as usize,
            OutputFrom::Tail(_) => 0,
        };
        let bytes = Bytes::from(slice.bytes);
        Self {
            bytes: bytes.slice(skip.min(bytes.len())..),
            end,
            total: slice.total,
        }
    }

    fn is_last(&self) -> bool {
        self.bytes.is_empty() || self.end >= self.total.bytes
    }
}

/// Searches a piece where it holds nobody up.
async fn feed(mut scan: Scan, bytes: Bytes) -> Result<Scan, OutputError> {
    let fed = tokio::task::spawn_blocking(move || {
        scan.feed(&bytes);
        scan
    });
    // It ends early only when the server does.
    fed.await.map_err(|_| OutputError::Closed)
}
