//! One piece of output as it is kept and sent: an encoded frame, compressed where that helps.

use saltpeter_protocol::UnixMillis;
use saltpeter_protocol::machine::Stream;
use saltpeter_protocol::machine::v2::{Encoding, FrameError, OutputFrame};
use std::io;
use tokio_tungstenite::tungstenite::Bytes;

/// Pieces shorter than this are sent as they are.
const WORTH_COMPRESSING: usize = 4 * 1024;
const LEVEL: i32 = 1;

/// A frame of the output log.
#[derive(Debug, Clone)]
pub struct Chunk {
    /// Position of its first raw byte.
    pub offset: u64,
    /// Number of raw bytes.
    pub raw_len: u32,
    /// The frame as it travels.
    pub frame: Bytes,
}

/// A kept frame can no longer be read.
#[derive(Debug, thiserror::Error)]
pub enum ChunkError {
    /// It is no frame.
    #[error("a kept piece of output is damaged: {0}")]
    Frame(#[from] FrameError),
    /// Its payload is damaged.
    #[error("a kept piece of output cannot be unpacked: {0}")]
    Zstd(#[from] io::Error),
}

impl Chunk {
    /// Position after its last raw byte.
    pub fn end(&self) -> u64 {
        self.offset + u64::from(self.raw_len)
    }

    /// Reads a kept frame's header.
    pub fn from_frame(frame: Bytes) -> Result<Self, ChunkError> {
        let OutputFrame {
            offset, raw_len, ..
        } = OutputFrame::decode(&frame)?;
        Ok(Self {
            offset,
            raw_len,
            frame,
        })
    }

    /// What stands in this chunk from `offset` on, which lies inside it.
    pub fn from(&self, offset: u64) -> Result<Self, ChunkError> {
        let skip = usize::try_from(offset - self.offset).unwrap_or(usize::MAX);
        if skip == 0 {
            return Ok(self.clone());
        }
        let frame = OutputFrame::decode(&self.frame)?;
        let raw = match frame.encoding {
            Encoding::Raw => frame.payload.to_vec(),
            Encoding::Zstd => zstd::bulk::decompress(frame.payload, self.raw_len as usize)?,
        };
        let rest = raw.get(skip..).unwrap_or_default();
        let raw_len = u32::try_from(rest.len()).unwrap_or(u32::MAX);
        let frame = OutputFrame {
            offset,
            raw_len,
            encoding: Encoding::Raw,
            payload: rest,
            ..frame
        };
        Ok(Self {
            offset,
            raw_len,
            frame: frame.encode().into(),
        })
    }
}

/// Makes chunks.
pub struct Packer {
    /// `None` when zstd could not be set up: everything is sent raw then.
    compressor: Option<zstd::bulk::Compressor<'static>>,
}

impl Packer {
    /// Sets up compression.
    pub fn new() -> Self {
        Self {
            compressor: zstd::bulk::Compressor::new(LEVEL).ok(),
        }
    }

    /// The chunk of `raw` (1 to `MAX_CHUNK` bytes) at `offset`.
    pub fn pack(
        &mut self,
        stream: Stream,
        offset: u64,
        at: UnixMillis,
        raw: &[u8],
    ) -> Chunk {
        let compressed = if raw.len() >= WORTH_COMPRESSING {
            self.compressor
                .as_mut()
                .and_then(|c| c.compress(raw).ok())
                .filter(|packed| packed.len() < raw.len() - raw.len() / 8)
        } else {
            None
        };
        let raw_len = u32::try_from(raw.len()).unwrap_or(u32::MAX);
        let (encoding, payload) = match &compressed {
            Some(packed) => (Encoding::Zstd, packed.as_slice()),
            None => (Encoding::Raw, raw),
        };
        let frame = OutputFrame {
            stream,
            offset,
            at,
            raw_len,
            encoding,
            payload,
        };
        Chunk {
            offset,
            raw_len,
            frame: frame.encode().into(),
        }
    }
}
