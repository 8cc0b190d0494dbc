//! Secrets in what a command writes, masked before anything else sees the bytes: what is buffered, spooled, numbered and
//! sent has no secret in it, however the command cut it into pieces and whatever happens to the connection.
//!
//! Each stream has a [`Masker`]. Every byte that belongs to an occurrence of a secret, also where occurrences overlap,
//! is covered, and each covered stretch shows as one [`OUTPUT_MASK`]. Bytes at the end that may yet become an occurrence
//! are held back; at most the longest secret but one byte. The result does not depend on how the stream was cut.
//!
//! A held beginning of a secret is not shown for want of company: after [`PATIENCE`] it is covered in its turn, and
//! what comes then goes on from there. At the end of the stream it is covered if it is [`SHORTEST_MASKED`] bytes or more,
//! and shown if it is less: a short common tail ("s" of "yes") says little of a secret, and output is to be exact.

mod patterns;

pub use patterns::Patterns;
use patterns::{ROOT, State};
use saltpeter_protocol::launch::{CommandSpec, OUTPUT_MASK, SHORTEST_MASKED};
use saltpeter_protocol::machine::Stream;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a stream pauses until a beginning of a secret that it ended with is covered.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// Masks one stream.
#[derive(Debug, Clone)]
pub struct Masker {
    patterns: Arc<Patterns>,
    /// The longest end of the stream that is a beginning of a pattern.
    state: State,
    /// Bytes that are held back, at most as many as `state` is deep. The first stands at `first` in the stream.
    held: VecDeque<u8>,
    first: u64,
    /// Stretches of the stream that are covered, in order and apart. None ends before `first`.
    covers: VecDeque<(u64, u64)>,
    /// Whether the byte before `first` was covered, so that the mask stands there already.
    masking: bool,
}

impl Masker {
    /// A masker for a stream that has not begun.
    pub fn new(patterns: Arc<Patterns>) -> Self {
        Self {
            patterns,
            state: ROOT,
            held: VecDeque::new(),
            first: 0,
            covers: VecDeque::new(),
            masking: false,
        }
    }

    /// Whether bytes are held back.
    pub fn holds(&self) -> bool {
        !self.held.is_empty()
    }

    /// Takes the stream's next bytes and appends to `out` what can be shown by now.
    pub fn push(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        while let Some((&byte, rest)) = bytes.split_first() {
            if self.state == ROOT {
                let plain = self.patterns.plain_prefix(bytes);
                if plain > 0 {
                    // Nothing is held at the root.
                    out.extend_from_slice(&bytes[..plain]);
                    self.first += plain as u64;
                    self.masking = false;
                    bytes = &bytes[plain..];
                    continue;
                }
            }
            self.state = self.patterns.next(self.state, byte);
            self.held.push_back(byte);
            self.cover(self.patterns.longest_match(self.state));
            self.release(self.patterns.depth(self.state), out);
            bytes = rest;
        }
    }

    /// The stream has paused: what is held shows as a mask.
    pub fn pause(&mut self, out: &mut Vec<u8>) {
        self.cover(self.held.len());
        self.release(0, out);
    }

    /// The stream has ended.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if self.patterns.depth(self.state) >= SHORTEST_MASKED {
            self.cover(self.held.len());
        }
        self.release(0, out);
    }

    /// Covers the last `count` bytes, as far as they are still held. Those before have been covered by a pause.
    fn cover(&mut self, count: usize) {
        let count = count.min(self.held.len());
        if count == 0 {
            return;
        }
        let end = self.first + self.held.len() as u64;
        let mut start = end - count as u64;
        while let Some((from, to)) = self.covers.back()
            && *to >= start
        {
            start = start.min(*from);
            self.covers.pop_back();
        }
        self.covers.push_back((start, end));
    }

    /// Gives out held bytes until `keep` are left.
    fn release(&mut self, keep: usize, out: &mut Vec<u8>) {
        while self.held.len() > keep {
            let Some(byte) = self.held.pop_front() else {
                return;
            };
            let at = self.first;
            self.first += 1;
            match self.covers.front() {
                Some((from, to)) if *from <= at => {
                    if !self.masking {
                        out.extend_from_slice(OUTPUT_MASK.as_bytes());
                    }
                    self.masking = true;
                    if *to == self.first {
                        self.covers.pop_front();
                    }
                }
                _ => {
                    self.masking = false;
                    out.push(byte);
                }
            }
        }
    }
}

/// Masks both streams of a command.
#[derive(Debug)]
pub struct Masks {
    stdout: Held,
    stderr: Held,
}

#[derive(Debug)]
struct Held {
    masker: Masker,
    /// When the stream last wrote, if bytes are held since then.
    since: Option<Instant>,
}

impl Masks {
    /// Masks for the secrets of `command`. `None` when it has nothing that could be masked.
    pub fn of(command: &CommandSpec) -> Option<Self> {
        let patterns = Patterns::of(command)?;
        let masker = Masker::new(Arc::new(patterns));
        let held = |masker| Held {
            masker,
            since: None,
        };
        Some(Self {
            stdout: held(masker.clone()),
            stderr: held(masker),
        })
    }

    /// `text` with its secrets masked.
    pub fn text(&self, text: &str) -> String {
        let mut masker = Masker::new(Arc::clone(&self.stdout.masker.patterns));
        let mut out = Vec::with_capacity(text.len());
        masker.push(text.as_bytes(), &mut out);
        masker.finish(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    /// What can be shown of `stream` once `bytes` have been read from it.
    pub fn push(&mut self, stream: Stream, bytes: &[u8], now: Instant) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        let held = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        held.masker.push(bytes, &mut out);
        held.since = held.masker.holds().then_some(now);
        out
    }

    /// When [`Self::pause_if_due`] has something to do.
    pub fn due(&self) -> Option<Instant> {
        let since = [self.stdout.since, self.stderr.since];
        since.into_iter().flatten().min().map(|at| at + PATIENCE)
    }

    /// Nobody reads at the moment, so that nothing comes is no pause.
    pub fn excuse(&mut self, now: Instant) {
        for held in [&mut self.stdout, &mut self.stderr] {
            held.since = held.since.map(|_| now);
        }
    }

    /// What is to be shown of streams that have paused for too long.
    pub fn pause_if_due(&mut self, now: Instant) -> Vec<(Stream, Vec<u8>)> {
        self.each(|held, out| {
            if held.since.is_some_and(|at| now >= at + PATIENCE) {
                held.masker.pause(out);
                held.since = None;
            }
        })
    }

    /// What is left of both streams at their end.
    pub fn finish(&mut self) -> Vec<(Stream, Vec<u8>)> {
        self.each(|held, out| {
            held.masker.finish(out);
            held.since = None;
        })
    }

    fn each(&mut self, mut act: impl FnMut(&mut Held, &mut Vec<u8>)) -> Vec<(Stream, Vec<u8>)> {
        let streams = [
            (Stream::Stdout, &mut self.stdout),
            (Stream::Stderr, &mut self.stderr),
        ];
        let mut shown = Vec::new();
        for (stream, held) in streams {
            let mut out = Vec::new();
            act(held, &mut out);
            if !out.is_empty() {
                shown.push((stream, out));
            }
        }
        shown
    }
}

#[cfg(test)]
mod tests;
