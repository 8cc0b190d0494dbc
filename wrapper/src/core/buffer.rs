//! Output that is not yet durable on the server: the oldest in memory, what does not fit in the
//! spool, all of it in one order.

use super::chunk::{Chunk, ChunkError, Packer};
use saltpeter_protocol::UnixMillis;
use saltpeter_protocol::machine::Stream;
use saltpeter_protocol::machine::v2::{HEADER_LEN, MAX_CHUNK, WINDOW};
use std::collections::VecDeque;
use std::io;
use tokio_tungstenite::tungstenite::Bytes;

/// Encoded bytes kept in memory. At this bound the command waits, or the spool takes over.
pub const MEMORY_LIMIT: usize = 1024 * 1024;
/// What may come on top: pieces that were being gathered when the bound was reached.
const MEMORY_SLACK: usize = 2 * MAX_CHUNK;
/// Longest spool, unless the wrapper is told otherwise.
pub const SPOOL_LIMIT: u64 = 1024 * 1024 * 1024;
/// What a chunk costs beside its bytes, roughly.
const OVERHEAD: usize = 64;

/// Where chunks go that do not fit into memory: a row of bytes.
pub trait Spool {
    /// Writes all of `bytes` at `at`, which is where the last write ended, or 0.
    fn write(&mut self, at: u64, bytes: &[u8]) -> io::Result<()>;
    /// Fills `into` from `at`.
    fn read(&mut self, at: u64, into: &mut [u8]) -> io::Result<()>;
    /// Forgets everything.
    fn clear(&mut self);
}

/// Why the buffer cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum BufferError {
    /// The spool failed.
    #[error("the spool cannot be read: {0}")]
    Spool(#[from] io::Error),
    /// What was kept cannot be read.
    #[error(transparent)]
    Chunk(#[from] ChunkError),
    /// The server acknowledges what it was not sent.
    #[error("the server says that {said} bytes are durable, but only {sent} were sent")]
    AckBeyond {
        /// Durable, by the server's word.
        said: u64,
        /// What was sent.
        sent: u64,
    },
    /// The server has lost what it acknowledged.
    #[error(
        "the server has output up to {said} only, but bytes up to {durable} were acknowledged before and are gone"
    )]
    AckTakenBack {
        /// Durable, by the server's word now.
        said: u64,
        /// Durable, by its word before.
        durable: u64,
    },
}

/// Records in the spool: length (u32), frame.
#[derive(Debug, Default)]
struct Positions {
    /// Start of the first record that is not wholly durable.
    first: u64,
    /// Start of the next record to send.
    send: u64,
    /// Where the next record goes.
    end: u64,
}

/// See the module.
pub struct Buffer<S> {
    packer: Packer,
    memory: VecDeque<Chunk>,
    memory_bytes: usize,
    /// How many chunks of `memory` were sent on this connection.
    memory_sent: usize,
    spool: S,
    /// Length of the spool at which the command waits until all of it has been delivered.
    spool_limit: u64,
    at: Positions,
    /// Chunks that the spool refused (a full disk). While there are any, nothing more is read.
    stuck: VecDeque<Chunk>,
    durable: u64,
    sent: u64,
    end: u64,
}

impl<S: Spool> Buffer<S> {
    /// An empty one, whose spool may grow to `spool_limit` bytes.
    pub fn new(spool: S, spool_limit: u64) -> Self {
        Self {
            packer: Packer::new(),
            memory: VecDeque::new(),
            memory_bytes: 0,
            memory_sent: 0,
            spool,
            spool_limit,
            at: Positions::default(),
            stuck: VecDeque::new(),
            durable: 0,
            sent: 0,
            end: 0,
        }
    }

    /// Length of all output so far.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Output up to here is durable on the server.
    pub fn durable(&self) -> u64 {
        self.durable
    }

    /// Whether everything has been sent on this connection.
    pub fn all_sent(&self) -> bool {
        self.sent == self.end
    }

    /// Whether everything is durable.
    pub fn all_durable(&self) -> bool {
        self.durable == self.end
    }

    /// Whether more may be read from the command. `spooling`: memory alone is not to be relied on,
    /// since the server does not take anything at the moment.
    pub fn accepts(&self, spooling: bool) -> bool {
        if !self.stuck.is_empty() {
            false
        } else if self.spooled() == 0 {
            spooling || self.memory_bytes < MEMORY_LIMIT
        } else {
            self.at.end < self.spool_limit
        }
    }

    /// Bytes in the spool.
    pub fn spooled(&self) -> u64 {
        self.at.end - self.at.first
    }

    /// Takes a piece of output, 1 to `MAX_CHUNK` bytes. An error means that the spool failed; the piece is kept even so.
    pub fn push(&mut self, stream: Stream, at: UnixMillis, raw: &[u8]) -> io::Result<()> {
        let chunk = self.packer.pack(stream, self.end, at, raw);
        self.end = chunk.end();
        self.stuck.push_back(chunk);
        self.settle()
    }

    /// Moves what is stuck into memory or spool.
    fn settle(&mut self) -> io::Result<()> {
        while let Some(chunk) = self.stuck.front() {
            let cost = chunk.frame.len() + OVERHEAD;
            if self.spooled() == 0 && self.memory_bytes + cost <= MEMORY_LIMIT + MEMORY_SLACK {
                self.memory_bytes += cost;
                self.memory.extend(self.stuck.pop_front());
            } else {
                let len = u32::try_from(chunk.frame.len()).unwrap_or(u32::MAX);
                let mut record = Vec::with_capacity(4 + chunk.frame.len());
                record.extend_from_slice(&len.to_le_bytes());
                record.extend_from_slice(&chunk.frame);
                if let Err(e) = self.spool.write(self.at.end, &record) {
                    if self.at.end == 0 {
                        // What little was written may be all that fills the disk.
                        self.spool.clear();
                    }
                    return Err(e);
                }
                self.at.end += record.len() as u64;
                self.stuck.pop_front();
            }
        }
        Ok(())
    }

    /// Whether [`Self::next_frame`] has one: something is unsent, and the window is not full.
    pub fn has_frame(&self) -> bool {
        let in_flight = self.sent - self.durable;
        let unsent = self.memory_sent < self.memory.len() || self.at.send < self.at.end;
        unsent && in_flight + MAX_CHUNK as u64 <= WINDOW
    }

    /// The next frame to send.
    pub fn next_frame(&mut self) -> Result<Option<Bytes>, BufferError> {
        if !self.has_frame() {
            return Ok(None);
        }
        let chunk = if let Some(chunk) = self.memory.get(self.memory_sent) {
            let chunk = chunk.from(self.sent.max(chunk.offset))?;
            self.memory_sent += 1;
            chunk
        } else {
            let (chunk, len) = self.record(self.at.send)?;
            let chunk = chunk.from(self.sent.max(chunk.offset))?;
            self.at.send += len;
            chunk
        };
        self.sent = chunk.end();
        Ok(Some(chunk.frame))
    }

    /// The record at `at` and its length in the spool.
    fn record(&mut self, at: u64) -> Result<(Chunk, u64), BufferError> {
        let mut len = [0; 4];
        self.spool.read(at, &mut len)?;
        let len = u32::from_le_bytes(len) as usize;
        if len > HEADER_LEN + MAX_CHUNK {
            let damaged = io::Error::new(io::ErrorKind::InvalidData, "a record is too long");
            return Err(damaged.into());
        }
        let mut frame = vec![0; len];
        self.spool.read(at + 4, &mut frame)?;
        Ok((Chunk::from_frame(frame.into())?, 4 + len as u64))
    }

    /// The server has made everything up to `durable` durable.
    pub fn ack(&mut self, durable: u64) -> Result<(), BufferError> {
        if durable > self.sent {
            return Err(BufferError::AckBeyond {
                said: durable,
                sent: self.sent,
            });
        }
        if durable <= self.durable {
            return Ok(());
        }
        self.forget(durable)
    }

    /// A new connection: the server wants what follows `durable`.
    pub fn resume(&mut self, durable: u64) -> Result<(), BufferError> {
        if durable > self.end {
            return Err(BufferError::AckBeyond {
                said: durable,
                sent: self.end,
            });
        }
        if durable < self.durable {
            return Err(BufferError::AckTakenBack {
                said: durable,
                durable: self.durable,
            });
        }
        self.forget(durable)?;
        self.memory_sent = 0;
        self.at.send = self.at.first;
        self.sent = durable;
        Ok(())
    }

    fn forget(&mut self, durable: u64) -> Result<(), BufferError> {
        self.durable = durable;
        while let Some(chunk) = self.memory.front()
            && chunk.end() <= durable
        {
            self.memory_bytes -= chunk.frame.len() + OVERHEAD;
            self.memory_sent = self.memory_sent.saturating_sub(1);
            self.memory.pop_front();
        }
        if self.memory.is_empty() {
            while self.at.first < self.at.end {
                let (chunk, len) = self.record(self.at.first)?;
                if chunk.end() > durable {
                    break;
                }
                self.at.first += len;
            }
            self.at.send = self.at.send.max(self.at.first);
            if self.at.end > 0 && self.at.first == self.at.end {
                self.spool.clear();
                self.at = Positions::default();
            }
        }
        while let Some(chunk) = self.stuck.front()
            && chunk.end() <= durable
        {
            self.stuck.pop_front();
        }
        // A spool that still fails leaves things as they are; the next ack tries again.
        let _ = self.settle();
        Ok(())
    }

    /// Throws everything away: nobody wants it any more.
    pub fn discard(&mut self) {
        self.memory.clear();
        self.memory_bytes = 0;
        self.memory_sent = 0;
        self.stuck.clear();
        self.spool.clear();
        self.at = Positions::default();
        self.sent = self.end;
        self.durable = self.end;
    }
}

#[cfg(test)]
mod tests;
