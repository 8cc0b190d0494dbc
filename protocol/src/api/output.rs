//! Pieces of a machine's output.

use super::OutputLength;
use crate::machine::Stream;
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// Where a slice of output begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputFrom {
    /// At the chunk that holds this byte.
    Offset(u64),
    /// At the chunk that holds this line, counted from 0.
    Line(u64),
    /// So that about this many bytes remain to the end.
    Tail(u64),
}

/// A piece of a machine's output: whole chunks, in order, without a gap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputSlice {
    /// Offset of the first byte.
    pub offset: u64,
    /// Line feeds before the first byte.
    pub line: u64,
    /// The whole output's length when this was read.
    pub total: OutputLength,
    /// The chunks.
    pub chunks: Vec<ChunkMark>,
    /// Their bytes, one after the other. Not part of the JSON header.
    #[serde(skip)]
    pub bytes: Vec<u8>,
}

/// One chunk of a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkMark {
    /// Its length in bytes.
    pub len: u32,
    /// Which stream it came from.
    pub stream: Stream,
    /// The machine's clock when it was written.
    pub at: UnixMillis,
}

/// Why bytes are not an output slice.
#[derive(Debug, thiserror::Error)]
pub enum SliceError {
    /// Too short for its header.
    #[error("an output slice is cut short")]
    Short,
    /// The header is not what it should be.
    #[error("an output slice's header is wrong: {0}")]
    Header(#[from] serde_json::Error),
}

impl OutputSlice {
    /// Writes header length (u32, little-endian), JSON header, bytes.
    pub fn encode(&self) -> Result<Vec<u8>, SliceError> {
        encode_with_header(self, &self.bytes)
    }

    /// Reads what [`OutputSlice::encode`] wrote.
    pub fn decode(data: &[u8]) -> Result<Self, SliceError> {
        let (mut slice, bytes): (Self, &[u8]) = decode_with_header(data)?;
        slice.bytes = bytes.to_vec();
        Ok(slice)
    }
}

pub(crate) fn encode_with_header<T: Serialize>(
    header: &T,
    bytes: &[u8],
) -> Result<Vec<u8>, SliceError> {
    let header = serde_json::to_vec(header)?;
    let length = u32::try_from(header.len()).map_err(|_| SliceError::Short)?;
    let mut data = Vec::with_capacity(4 + header.len() + bytes.len());
    data.extend_from_slice(&length.to_le_bytes());
    data.extend_from_slice(&header);
    data.extend_from_slice(bytes);
    Ok(data)
}

pub(crate) fn decode_with_header<T: for<'de> Deserialize<'de>>(
    data: &[u8],
) -> Result<(T, &[u8]), SliceError> {
    let (length, rest) = data.split_first_chunk::<4>().ok_or(SliceError::Short)?;
    let length = u32::from_le_bytes(*length) as usize;
    let (header, bytes) = rest.split_at_checked(length).ok_or(SliceError::Short)?;
    Ok((serde_json::from_slice(header)?, bytes))
}
