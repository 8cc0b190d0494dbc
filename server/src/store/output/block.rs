//! Blocks: the rows of the log. Small pieces that follow each other share one.

use super::error::OutputError;
use super::fingerprint::Fingerprint;
use super::piece::{Body, Piece, decompress};
use saltpeter_protocol::api::ChunkMark;
use saltpeter_protocol::machine::Stream;
use saltpeter_protocol::machine::v2::Encoding;
use saltpeter_protocol::time::UnixMillis;
use std::borrow::Cow;

/// Raw bytes up to which pieces are joined.
const MAX_JOINED: usize = 64 * 1024;

/// Pieces of one stream that were written within this many milliseconds become one chunk with the first one's time.
const SAME_MOMENT: i64 = 10;

/// Bytes of a mark in a row.
const MARK_LEN: usize = 13;

/// A row that is to be written.
pub(super) struct Block {
    pub(super) start: u64,
    pub(super) raw_len: u64,
    pub(super) first_line: u64,
    pub(super) line_feeds: u64,
    pub(super) encoding: Encoding,
    pub(super) marks: Vec<ChunkMark>,
    pub(super) payload: Vec<u8>,
    /// Of the stream up to the block's end.
    pub(super) fingerprint: Fingerprint,
}

/// Adds a piece of the stream whose blocks so far are `blocks`.
pub(super) fn join(blocks: &mut Vec<Block>, piece: &Piece, body: &Body) {
    if let Some(last) = blocks.last_mut()
        && last.takes(body)
    {
        last.payload.extend_from_slice(&body.payload);
        last.raw_len += u64::from(body.raw_len);
        last.line_feeds += body.line_feeds;
        last.fingerprint = piece.fingerprint;
        match last.marks.last_mut() {
            Some(mark)
                if mark.stream == piece.mark.stream
                    && (0..SAME_MOMENT).contains(&(piece.mark.at.0 - mark.at.0)) =>
            {
                mark.len += piece.mark.len;
            }
            _ => last.marks.push(piece.mark),
        }
        return;
    }
    blocks.push(Block {
        start: piece.start,
        raw_len: u64::from(body.raw_len),
        first_line: piece.first_line,
        line_feeds: body.line_feeds,
        encoding: body.encoding,
        marks: vec![piece.mark],
        payload: body.payload.to_vec(),
        fingerprint: piece.fingerprint,
    });
}

impl Block {
    fn takes(&self, body: &Body) -> bool {
        self.encoding == Encoding::Raw
            && body.encoding == Encoding::Raw
            && self.payload.len() + body.payload.len() <= MAX_JOINED
    }
}

/// A mark list as it stands in a row: for each chunk its stream, length and time, little-endian.
pub(super) fn encode_marks(marks: &[ChunkMark]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(marks.len() * MARK_LEN);
    for mark in marks {
        bytes.push(match mark.stream {
            Stream::Stdout => 0,
            Stream::Stderr => 1,
        });
        bytes.extend_from_slice(&mark.len.to_le_bytes());
        bytes.extend_from_slice(&mark.at.0.to_le_bytes());
    }
    bytes
}

pub(super) fn decode_marks(bytes: &[u8]) -> Option<Vec<ChunkMark>> {
    let (marks, rest) = bytes.as_chunks::<MARK_LEN>();
    if !rest.is_empty() {
        return None;
    }
    marks
        .iter()
        .map(|&[stream, a, b, c, d, at @ ..]| {
            Some(ChunkMark {
                len: u32::from_le_bytes([a, b, c, d]),
                stream: match stream {
                    0 => Stream::Stdout,
                    1 => Stream::Stderr,
                    _ => return None,
                },
                at: UnixMillis(i64::from_le_bytes(at)),
            })
        })
        .collect()
}

/// The number that stands for an encoding in a row.
pub(super) fn encoding_number(encoding: Encoding) -> i64 {
    match encoding {
        Encoding::Raw => 0,
        Encoding::Zstd => 1,
    }
}

/// What tells whether a row still is what was written: bits flip on disks, and neither `SQLite` nor zstd as wrappers use it would
/// notice. Of the block's start, length, first line and encoding, its marks and its payload, as they stand in the row.
pub(super) fn checksum(numbers: [i64; 4], marks: &[u8], payload: &[u8]) -> i64 {
    let mut sum = crc32fast::Hasher::new();
    for number in numbers {
        sum.update(&number.to_le_bytes());
    }
    sum.update(marks);
    sum.update(payload);
    sum.finalize().into()
}

/// The raw bytes of a block that starts at the offset `start`.
pub(super) fn open(
    start: u64,
    encoding: Encoding,
    payload: &[u8],
    raw_len: u64,
) -> Result<Cow<'_, [u8]>, OutputError> {
    match encoding {
        Encoding::Raw => Ok(Cow::Borrowed(payload)),
        Encoding::Zstd => decompress(payload, raw_len as usize)
            .map(Cow::Owned)
            .map_err(|problem| OutputError::Damaged {
                offset: start,
                problem,
            }),
    }
}

/// A row as read.
#[derive(sqlx::FromRow)]
pub(super) struct BlockRow {
    pub(super) start: i64,
    pub(super) raw_len: i64,
    pub(super) first_line: i64,
    encoding: i64,
    marks: Vec<u8>,
    payload: Vec<u8>,
    /// None of what was written before there were any.
    checksum: Option<i64>,
}

impl BlockRow {
    /// The block's chunks and bytes.
    pub(super) fn open(&self) -> Result<(Vec<ChunkMark>, Cow<'_, [u8]>), OutputError> {
        let damaged = |problem: String| OutputError::Damaged {
            offset: self.start as u64,
            problem,
        };
        let numbers = [self.start, self.raw_len, self.first_line, self.encoding];
        let sum = || checksum(numbers, &self.marks, &self.payload);
        if self.checksum.is_some_and(|written| written != sum()) {
            return Err(damaged(
                "it is not what was written, by its checksum".to_owned(),
            ));
        }
        let marks = decode_marks(&self.marks)
            .ok_or_else(|| damaged("its list of chunks cannot be read".to_owned()))?;
        let encoding = match self.encoding {
            0 => Encoding::Raw,
            1 => Encoding::Zstd,
            other => return Err(damaged(format!("its encoding {other} is not known"))),
        };
        let bytes = open(
            self.start as u64,
            encoding,
            &self.payload,
            self.raw_len as u64,
        )?;
        let marked: u64 = marks.iter().map(|mark| u64::from(mark.len)).sum();
        if marked != bytes.len() as u64 || marked != self.raw_len as u64 {
            return Err(damaged(format!(
                "it holds {} bytes, its chunks {marked}, and {} were written",
                bytes.len(),
                self.raw_len
            )));
        }
        Ok((marks, bytes))
    }
}
