//! A piece of the output without a gap, as lines.

use super::decoder::{Decoder, Line};
use saltpeter_protocol::api::OutputSlice;
use std::collections::VecDeque;

/// What a line weighs besides its text, roughly, in bytes.
const LINE_OVERHEAD: usize = 96;

/// Lines made of a run of chunks.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    /// Number of the first line held.
    first: u64,
    /// Whether that line is held from its beginning.
    first_whole: bool,
    lines: VecDeque<Line>,
    decoder: Decoder,
    /// Offset after the last byte.
    end: u64,
    weight: usize,
    /// Rises with every byte taken in, so that a view knows that the last line has grown.
    revision: u32,
}

impl Segment {
    /// The lines of `slice`. `asked` is the line that was asked for, when one was: the server answers
    /// from the chunk in which that line begins.
    pub(super) fn new(slice: &OutputSlice, asked: Option<u64>) -> Self {
        let mut segment = Self {
            first: slice.line,
            first_whole: slice.offset == 0 || asked == Some(slice.line),
            lines: VecDeque::new(),
            decoder: Decoder::default(),
            end: slice.offset,
            weight: 0,
            revision: 0,
        };
        segment.append(slice);
        segment
    }

    /// Offset after the last byte.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Number of the first line held.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// Memory that it takes, roughly, in bytes.
    pub(super) fn weight(&self) -> usize {
        self.weight
    }

    /// Number after the last line held, an unfinished one included.
    pub(super) fn line_end(&self) -> u64 {
        self.first + self.lines.len() as u64 + u64::from(self.decoder.unfinished().is_some())
    }

    /// Takes in what follows. Bytes that it already has are skipped; the caller sees to it that there
    /// is no gap.
    pub(super) fn append(&mut self, slice: &OutputSlice) {
        let mut bytes = slice.bytes.as_slice();
        let mut offset = slice.offset;
        for chunk in &slice.chunks {
            let (piece, rest) = bytes.split_at(bytes.len().min(chunk.len as usize));
            bytes = rest;
            let known = usize::try_from(self.end.saturating_sub(offset)).unwrap_or(usize::MAX);
            offset += piece.len() as u64;
            let fresh = piece.get(known..).unwrap_or_default();
            if fresh.is_empty() {
                continue;
            }
            self.end = offset;
            self.revision = self.revision.wrapping_add(1);
            let (lines, weight) = (&mut self.lines, &mut self.weight);
            self.decoder.feed(fresh, chunk.stream, chunk.at, |line| {
                *weight += line.text.len() + LINE_OVERHEAD;
                lines.push_back(line);
            });
        }
    }

    /// Lets go of the oldest lines until it weighs `most` bytes.
    pub(super) fn trim(&mut self, most: usize) {
        while self.weight > most {
            let Some(line) = self.lines.pop_front() else {
                return;
            };
            self.weight -= line.text.len() + LINE_OVERHEAD;
            self.first += 1;
            self.first_whole = true;
        }
    }

    /// Line `number`, and its revision: 0 for a line that will not change any more.
    pub(super) fn line(&self, number: u64) -> Option<(&Line, u32)> {
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        match self.lines.get(index) {
            Some(line) => Some((line, 0)),
            None if index == self.lines.len() => self
                .decoder
                .unfinished()
                .map(|line| (line, self.revision.max(1))),
            None => None,
        }
    }

    /// Whether all of line `number` is here. `is_tail` says that nothing follows this segment yet.
    pub(super) fn has_whole(&self, number: u64, is_tail: bool) -> bool {
        let last = self.first + self.lines.len() as u64;
        let begins = number > self.first || (number == self.first && self.first_whole);
        let ends = number < last || (is_tail && number < self.line_end());
        begins && ends
    }
}
