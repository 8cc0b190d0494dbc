//! The output of all machines of all runs, for whoever shows it.

mod archive;
mod lines;
mod merge;
mod same;
mod search;

#[cfg(test)]
mod proptests;

use crate::store::output::{Durable, Following, OutputLog};
use saltpeter_protocol::api::{OutputFrom, OutputLength, OutputSlice};
use saltpeter_protocol::{Attempt, MachineId, RunId};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::{Semaphore, watch};

pub use crate::store::output::{OutputError, OutputReader};
pub use archive::{ArchiveError, Entry};
pub use merge::{MAX_LINES, MAX_MACHINES, Merge};
pub use search::Until;

/// The most that a [`Follower`] gives at once, in bytes.
pub const SLICE: usize = 256 * 1024;

/// A way to read output. Clones share it.
#[derive(Clone)]
pub struct Outputs {
    log: OutputLog,
    /// One for each search that may go on.
    searches: Arc<Semaphore>,
    pace: search::Pace,
    /// One for each page of lines that may be read.
    merges: Arc<Semaphore>,
}

impl Outputs {
    /// Over the output log.
    pub fn new(log: OutputLog) -> Self {
        Self {
            log,
            searches: Arc::new(Semaphore::new(search::AT_ONCE)),
            pace: search::Pace::default(),
            merges: Arc::new(Semaphore::new(merge::AT_ONCE)),
        }
    }

    /// How much there is of each attempt of a run's machines; those without any are left out.
    pub async fn lengths(
        &self,
        run: &RunId,
    ) -> Result<BTreeMap<(MachineId, Attempt), OutputLength>, OutputError> {
        self.log.lengths(run).await
    }

    /// Whole chunks from `from` on: as many as fit into `limit` bytes, and one if there is any.
    pub async fn read(
        &self,
        run: &RunId,
        part: (&MachineId, Attempt),
        from: OutputFrom,
        limit: usize,
    ) -> Result<OutputSlice, OutputError> {
        self.log.read(run, part, from, limit).await
    }

    /// A machine's output from the byte at `offset` to its present end, piece by piece.
    pub async fn reader(
        &self,
        run: &RunId,
        part: (&MachineId, Attempt),
        offset: u64,
    ) -> Result<OutputReader, OutputError> {
        self.log.reader(run, part, offset).await
    }

    /// Follows a machine's output from the byte at `offset` on.
    pub async fn follow(
        &self,
        run: &RunId,
        part: (&MachineId, Attempt),
        offset: u64,
    ) -> Result<Follower, OutputError> {
        let stream = self.log.stream(run, part).await?;
        let mut durable = stream.watch();
        durable.mark_changed();
        Ok(Follower {
            log: self.log.clone(),
            run: run.clone(),
            machine: part.0.clone(),
            attempt: part.1,
            next: offset,
            durable,
            _following: stream.follow(),
        })
    }
}

/// Gives a machine's output as it grows.
pub struct Follower {
    log: OutputLog,
    run: RunId,
    machine: MachineId,
    attempt: Attempt,
    /// Offset of the next byte.
    next: u64,
    durable: watch::Receiver<Durable>,
    /// Held, so that whoever appends tells the same stream, and keeps what it writes at hand.
    _following: Following,
}

impl Follower {
    /// Waits for output that has not been looked at; at first there may be some at once. False when there will be none any more.
    pub async fn grown(&mut self) -> bool {
        self.durable.changed().await.is_ok()
    }

    /// Whether there is output that has not been given.
    pub fn has_more(&mut self) -> bool {
        self.next < self.durable.borrow_and_update().length.bytes
    }

    /// The next output, up to [`SLICE`] bytes of it or one chunk; `None` when there is none, or it has been deleted.
    pub async fn next(&mut self) -> Result<Option<OutputSlice>, OutputError> {
        let from = OutputFrom::Offset(self.next);
        let part = (&self.machine, self.attempt);
        let slice = self.log.read(&self.run, part, from, SLICE).await?;
        let slice = trim(slice, self.next);
        if slice.bytes.is_empty() {
            return Ok(None);
        }
        self.next = slice.offset + slice.bytes.len() as u64;
        Ok(Some(slice))
    }
}

/// Cuts off what lies before `from`: the log gives whole chunks.
fn trim(mut slice: OutputSlice, from: u64) -> OutputSlice {
    let mut excess = usize::try_from(from.saturating_sub(slice.offset)).unwrap_or(usize::MAX);
    excess = excess.min(slice.bytes.len());
    if excess == 0 {
        return slice;
    }
    let cut: Vec<u8> = slice.bytes.drain(..excess).collect();
    slice.line += memchr::memchr_iter(b'\n', &cut).count() as u64;
    slice.offset += excess as u64;
    let mut left = excess;
    slice.chunks.retain_mut(|chunk| {
        let gone = left.min(chunk.len as usize);
        left -= gone;
        chunk.len -= gone as u32;
        chunk.len > 0
    });
    slice
}

#[cfg(test)]
mod tests {
    use super::*;
    use saltpeter_protocol::UnixMillis;
    use saltpeter_protocol::api::{ChunkMark, OutputLength};
    use saltpeter_protocol::machine::Stream;

    #[test]
    fn a_slice_begins_exactly_where_it_was_asked_to() {
        let chunk = |len| ChunkMark {
            len,
            stream: Stream::Stdout,
            at: UnixMillis(0),
        };
        let slice = OutputSlice {
            offset: 10,
            line: 3,
            total: OutputLength {
                bytes: 18,
                lines: 6,
            },
            chunks: vec![chunk(2), chunk(4), chunk(2)],
            bytes: b"a\nbc\ndef".to_vec(),
        };
        assert_eq!(trim(slice.clone(), 10), slice);
        assert_eq!(trim(slice.clone(), 4), slice);
        let cut = trim(slice.clone(), 15);
        assert_eq!(
            (cut.offset, cut.line, cut.bytes.as_slice()),
            (15, 5, &b"def"[..])
        );
        assert_eq!(cut.chunks, [chunk(1), chunk(2)]);
        assert!(trim(slice, 99).bytes.is_empty());
    }
}
