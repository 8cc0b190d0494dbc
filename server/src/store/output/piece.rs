//! A chunk as it came, and the piece of the log that is made of it.

use super::error::AppendError;
use super::fingerprint::{Fingerprint, Unknowns};
use super::stream::Cell;
use bytes::Bytes;
use saltpeter_protocol::api::ChunkMark;
use saltpeter_protocol::machine::Stream;
use saltpeter_protocol::machine::v2::{Encoding, MAX_CHUNK, MAX_FRAME};
use saltpeter_protocol::time::UnixMillis;
use std::cell::RefCell;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;

/// Output as a wrapper sent it.
#[derive(Debug, Clone)]
pub struct Chunk {
    /// Offset of its first byte.
    pub offset: u64,
    /// Which stream of the command.
    pub stream: Stream,
    /// The machine's clock when it was written.
    pub at: UnixMillis,
    /// How the payload holds the bytes.
    pub encoding: Encoding,
    /// The raw or compressed bytes.
    pub payload: Bytes,
    /// Number of raw bytes, at most 1 MiB.
    pub raw_len: u32,
}

/// A payload that has been looked into.
pub(super) struct Body {
    pub(super) encoding: Encoding,
    pub(super) payload: Bytes,
    pub(super) raw_len: u32,
    pub(super) line_feeds: u64,
    /// Of the raw bytes.
    pub(super) fingerprint: Fingerprint,
}

impl Body {
    fn raw(payload: Bytes, unknowns: &Unknowns) -> Self {
        Self {
            encoding: Encoding::Raw,
            raw_len: payload.len() as u32,
            line_feeds: line_feeds(&payload),
            fingerprint: unknowns.of(&payload),
            payload,
        }
    }
}

/// A piece whose place in the log is fixed, on its way to the writer.
pub(super) struct Piece {
    pub(super) cell: Arc<Cell>,
    pub(super) start: u64,
    pub(super) first_line: u64,
    pub(super) mark: ChunkMark,
    /// Of the stream up to its end.
    pub(super) fingerprint: Fingerprint,
    /// `None` for a numbered message without bytes.
    pub(super) body: Option<Body>,
    /// The number of a version 1 message.
    pub(super) v1_seq: Option<u64>,
    /// Gives the queue's room back when the piece is written.
    pub(super) _room: OwnedSemaphorePermit,
}

impl Piece {
    /// Bytes to be written.
    pub(super) fn weight(&self) -> usize {
        self.body.as_ref().map_or(0, |body| body.payload.len())
    }
}

impl Chunk {
    /// Looks into the payload: is it what the header says, and how many lines does it hold? Compression that saves
    /// nothing is undone.
    pub(super) fn open(&self, unknowns: &Unknowns) -> Result<Body, AppendError> {
        let announced = self.raw_len as usize;
        match self.encoding {
            Encoding::Raw if self.payload.len() != announced || announced > MAX_FRAME => {
                Err(AppendError::BadPayload(format!(
                    "an output chunk announces {announced} bytes and carries {}; {MAX_FRAME} are allowed",
                    self.payload.len()
                )))
            }
            Encoding::Raw => Ok(Body::raw(self.payload.clone(), unknowns)),
            Encoding::Zstd => {
                let raw = decompress(&self.payload, announced).map_err(AppendError::BadPayload)?;
                if self.payload.len() >= raw.len() {
                    return Ok(Body::raw(raw.into(), unknowns));
                }
                Ok(Body {
                    encoding: Encoding::Zstd,
                    payload: self.payload.clone(),
                    raw_len: self.raw_len,
                    line_feeds: line_feeds(&raw),
                    fingerprint: unknowns.of(&raw),
                })
            }
        }
    }

    /// As [`Chunk::open`], without the first `known` bytes.
    pub(super) fn open_after(&self, known: u32, unknowns: &Unknowns) -> Result<Body, AppendError> {
        if known == 0 {
            return self.open(unknowns);
        }
        let body = self.open(unknowns)?;
        let raw = match body.encoding {
            Encoding::Raw => body.payload,
            Encoding::Zstd => decompress(&body.payload, self.raw_len as usize)
                .map_err(AppendError::BadPayload)?
                .into(),
        };
        Ok(Body::raw(raw.slice(known as usize..), unknowns))
    }
}

/// Number of line feeds in `bytes`.
pub(super) fn line_feeds(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

thread_local! {
    // Setting one up costs more than most frames take; sessions share their thread's.
    static DECOMPRESSOR: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
}

/// The `raw_len` bytes of the zstd frame `payload`, and never memory for more.
pub(super) fn decompress(payload: &[u8], raw_len: usize) -> Result<Vec<u8>, String> {
    if raw_len > MAX_CHUNK {
        return Err(format!(
            "a compressed chunk announces {raw_len} bytes; {MAX_CHUNK} are allowed"
        ));
    }
    let raw = DECOMPRESSOR.with_borrow_mut(|slot| {
        let decompressor = match slot {
            Some(decompressor) => decompressor,
            None => slot.insert(zstd::bulk::Decompressor::new()?),
        };
        decompressor.decompress(payload, raw_len)
    });
    let raw = raw.map_err(|e| format!("a compressed chunk of {raw_len} bytes: {e}"))?;
    if raw.len() == raw_len {
        Ok(raw)
    } else {
        Err(format!(
            "a compressed chunk announces {raw_len} bytes and holds {}",
            raw.len()
        ))
    }
}
