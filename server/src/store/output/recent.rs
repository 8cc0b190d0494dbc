//! What was written last, for those who follow it: they need not ask the database for what everybody has just had in hand.

use super::block::{Block, open};
use super::error::OutputError;
use bytes::Bytes;
use saltpeter_protocol::api::ChunkMark;
use saltpeter_protocol::machine::v2::Encoding;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes that are kept of a stream.
const OF_A_STREAM: usize = 128 * 1024;

/// Bytes that are kept of all streams together.
const OF_ALL: usize = 32 * 1024 * 1024;

/// What a block costs besides its payload.
const OVERHEAD: usize = 128;

/// A block that was committed not long ago.
pub(super) struct RecentBlock {
    pub(super) start: u64,
    pub(super) first_line: u64,
    pub(super) marks: Vec<ChunkMark>,
    raw_len: u64,
    encoding: Encoding,
    payload: Bytes,
}

impl RecentBlock {
    /// A copy of `block`.
    pub(super) fn of(block: &Block) -> Self {
        Self {
            start: block.start,
            first_line: block.first_line,
            marks: block.marks.clone(),
            raw_len: block.raw_len,
            encoding: block.encoding,
            payload: Bytes::copy_from_slice(&block.payload),
        }
    }

    /// Its raw bytes.
    pub(super) fn bytes(&self) -> Result<Cow<'_, [u8]>, OutputError> {
        open(self.start, self.encoding, &self.payload, self.raw_len)
    }

    fn weight(&self) -> usize {
        self.payload.len() + OVERHEAD
    }
}

/// The last blocks of one stream, kept while somebody follows it.
pub(super) struct Recent {
    followers: AtomicUsize,
    blocks: Mutex<Blocks>,
    /// Bytes that are kept of all streams.
    kept: Arc<AtomicUsize>,
}

#[derive(Default)]
struct Blocks {
    /// Each continues the one before.
    blocks: VecDeque<Arc<RecentBlock>>,
    bytes: usize,
}

impl Recent {
    /// Keeps nothing yet; counts what it keeps in `kept`, with all other streams.
    pub(super) fn new(kept: Arc<AtomicUsize>) -> Self {
        Self {
            followers: AtomicUsize::new(0),
            blocks: Mutex::default(),
            kept,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Blocks> {
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether what is written next is to be kept.
    pub(super) fn is_wanted(&self) -> bool {
        self.followers.load(Ordering::Relaxed) > 0
    }

    /// One more follows.
    pub(super) fn follow(&self) {
        self.followers.fetch_add(1, Ordering::Relaxed);
    }

    /// One less does; with the last goes what is kept.
    pub(super) fn unfollow(&self) {
        let mut kept = self.lock();
        if self.followers.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.clear(&mut kept);
        }
    }

    /// Keeps `blocks`, which continue those before. The oldest make room.
    pub(super) fn keep(&self, blocks: Vec<RecentBlock>) {
        let mut kept = self.lock();
        // Under the lock, under which the last follower clears: nothing stays that nobody wants.
        if !self.is_wanted() {
            self.clear(&mut kept);
            return;
        }
        for block in blocks {
            let weight = block.weight();
            kept.bytes += weight;
            let all = self.kept.fetch_add(weight, Ordering::Relaxed) + weight;
            kept.blocks.push_back(Arc::new(block));
            if all > OF_ALL {
                self.clear(&mut kept);
            }
            while kept.bytes > OF_A_STREAM
                && let Some(oldest) = kept.blocks.pop_front()
            {
                kept.bytes -= oldest.weight();
                self.kept.fetch_sub(oldest.weight(), Ordering::Relaxed);
            }
        }
    }

    /// The blocks from the one with the byte at `offset` on; `None` when that one is not kept.
    pub(super) fn from(&self, offset: u64) -> Option<Vec<Arc<RecentBlock>>> {
        if !self.is_wanted() {
            return None;
        }
        let kept = self.lock();
        let after = kept.blocks.partition_point(|block| block.start <= offset);
        let first = after.checked_sub(1)?;
        Some(kept.blocks.range(first..).cloned().collect())
    }

    fn clear(&self, kept: &mut Blocks) {
        self.kept.fetch_sub(kept.bytes, Ordering::Relaxed);
        *kept = Blocks::default();
    }
}

impl Drop for Recent {
    fn drop(&mut self) {
        let mut kept = std::mem::take(&mut *self.lock());
        self.clear(&mut kept);
    }
}
