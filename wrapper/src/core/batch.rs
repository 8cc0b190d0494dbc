//! When bytes that were read become a piece of output: a slow writer's at once, a fast writer's in
//! batches.

use saltpeter_protocol::UnixMillis;
use saltpeter_protocol::machine::Stream;
use saltpeter_protocol::machine::v2::MAX_CHUNK;
use std::time::{Duration, Instant};

/// Bytes wait at most this long for company.
const LATEST: Duration = Duration::from_millis(20);
/// This many bytes wait for nothing.
const ENOUGH: usize = 64 * 1024;

/// The piece that is being gathered. Pieces have one stream each, so a change of stream ends one.
#[derive(Debug)]
pub struct Batch {
    bytes: Vec<u8>,
    stream: Stream,
    read_at: UnixMillis,
    last_cut: Option<Instant>,
}

impl Batch {
    /// Nothing has been read yet.
    pub fn new() -> Self {
        Self {
            bytes: Vec::new(),
            stream: Stream::Stdout,
            read_at: UnixMillis(0),
            last_cut: None,
        }
    }

    /// How many bytes may be added at once.
    pub fn space(&self) -> usize {
        MAX_CHUNK - self.bytes.len()
    }

    /// When the piece has to go, if there is one.
    pub fn due(&self) -> Option<Instant> {
        if self.bytes.is_empty() {
            return None;
        }
        self.last_cut.map(|at| at + LATEST)
    }

    /// Adds what was read, at most [`Self::space`] bytes, and hands every piece that is complete to `out`.
    pub fn add(
        &mut self,
        (stream, bytes): (Stream, &[u8]),
        read_at: UnixMillis,
        now: Instant,
        mut out: impl FnMut(Stream, UnixMillis, &[u8]),
    ) {
        debug_assert!(bytes.len() <= self.space(), "more than fits was read");
        if stream != self.stream {
            self.cut(now, &mut out);
        }
        if self.bytes.is_empty() {
            self.stream = stream;
            self.read_at = read_at;
        }
        self.bytes.extend_from_slice(bytes);
        self.cut_if_due(now, out);
    }

    /// Ends the piece if its time has come.
    pub fn cut_if_due(&mut self, now: Instant, out: impl FnMut(Stream, UnixMillis, &[u8])) {
        let rested = self.last_cut.is_none_or(|at| now >= at + LATEST);
        if rested || self.bytes.len() >= ENOUGH {
            self.cut(now, out);
        }
    }

    /// Ends the piece, if there is one.
    pub fn cut(&mut self, now: Instant, mut out: impl FnMut(Stream, UnixMillis, &[u8])) {
        if !self.bytes.is_empty() {
            out(self.stream, self.read_at, &self.bytes);
            self.bytes.clear();
            self.last_cut = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn collect(pieces: &mut Vec<(Stream, Vec<u8>)>) -> impl FnMut(Stream, UnixMillis, &[u8]) {
        |stream, _, bytes| pieces.push((stream, bytes.to_vec()))
    }

    /// Neighbours of one stream as one.
    fn joined(pieces: Vec<(Stream, Vec<u8>)>) -> Vec<(Stream, Vec<u8>)> {
        let mut joined: Vec<(Stream, Vec<u8>)> = Vec::new();
        for (stream, bytes) in pieces {
            match joined.last_mut() {
                Some((last, all)) if *last == stream => all.extend(bytes),
                _ => joined.push((stream, bytes)),
            }
        }
        joined
    }

    #[test]
    fn a_slow_writer_waits_for_nothing_and_a_fast_one_20_ms() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut batch = Batch::new();
        let mut pieces = Vec::new();
        let out = |b: &[u8]| (Stream::Stdout, b.to_vec());
        batch.add(
            (Stream::Stdout, b"a"),
            UnixMillis(0),
            at(0),
            collect(&mut pieces),
        );
        assert_eq!(pieces, [out(b"a")]);
        assert_eq!(batch.due(), None);
        batch.add(
            (Stream::Stdout, b"b"),
            UnixMillis(0),
            at(5),
            collect(&mut pieces),
        );
        batch.add(
            (Stream::Stdout, b"c"),
            UnixMillis(0),
            at(9),
            collect(&mut pieces),
        );
        assert_eq!(pieces.len(), 1);
        assert_eq!(batch.due(), Some(at(20)));
        batch.cut_if_due(at(20), collect(&mut pieces));
        assert_eq!(pieces, [out(b"a"), out(b"bc")]);
        batch.add(
            (Stream::Stdout, b"d"),
            UnixMillis(0),
            at(45),
            collect(&mut pieces),
        );
        assert_eq!(pieces.len(), 3);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_moved_and_nothing_waits_longer_than_20_ms(
            steps in prop::collection::vec((any::<bool>(), 1usize..70_000, 0u64..30), 1..60),
        ) {
            let mut now = Instant::now();
            let mut batch = Batch::new();
            let mut pieces = Vec::new();
            let mut written = Vec::new();
            for (number, (stderr, len, wait)) in steps.into_iter().enumerate() {
                let later = now + Duration::from_millis(wait);
                if let Some(due) = batch.due() {
                    prop_assert!(due <= now + LATEST);
                    if due <= later {
                        batch.cut_if_due(due, collect(&mut pieces));
                        prop_assert!(batch.bytes.is_empty());
                    }
                }
                now = later;
                let stream = if stderr { Stream::Stderr } else { Stream::Stdout };
                let bytes = vec![number as u8; len];
                batch.add((stream, &bytes), UnixMillis(0), now, collect(&mut pieces));
                written.push((stream, bytes));
                prop_assert!(batch.bytes.len() < ENOUGH);
            }
            batch.cut(now, collect(&mut pieces));
            prop_assert!(pieces.iter().all(|(_, b)| !b.is_empty() && b.len() <= MAX_CHUNK));
            prop_assert!(joined(pieces) == joined(written));
        }
    }
}
