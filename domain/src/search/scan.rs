//! A search on its way through an output.

use super::pattern::Pattern;
use super::text::{is_plain, shown};
use saltpeter_protocol::api::SearchHit;
use std::sync::Arc;

/// Bytes of a line that are searched; what follows on it is not, and counted as a long line.
pub const MAX_LINE: usize = 1024 * 1024;

/// Which hits are kept, of all that are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// So many are left out.
    pub skip: u64,
    /// And at most so many kept after them.
    pub limit: usize,
}

/// A search on its way. It is fed with an output in pieces that are cut anywhere, and holds one line of it at most.
#[derive(Debug)]
pub struct Scan {
    pattern: Arc<Pattern>,
    wanted: Wanted,
    /// Number of the line that `carry` begins.
    line: u64,
    /// The line whose end has not come.
    carry: Vec<u8>,
    /// It is longer than [`MAX_LINE`], and has been searched.
    skipping: bool,
    found: Found,
}

/// What a search has come to.
#[derive(Debug, Default)]
struct Found {
    hits: Vec<SearchHit>,
    count: u64,
    long_lines: u64,
}

impl Scan {
    /// A search that begins at the start of `line`, counted from 0.
    pub fn new(pattern: Arc<Pattern>, line: u64, wanted: Wanted) -> Self {
        Self {
            pattern,
            wanted,
            line,
            carry: Vec::new(),
            skipping: false,
            found: Found::default(),
        }
    }

    /// The number of the line whose end has not come: what is before it has been searched.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Whether the rest of [`Scan::line`] will not be looked at: whoever can find the next line's start may go on there,
    /// after [`Scan::leave_line`].
    pub fn is_skipping(&self) -> bool {
        self.skipping
    }

    /// What is fed next begins with the next line.
    pub fn leave_line(&mut self) {
        self.skipping = false;
        self.carry.clear();
        self.line += 1;
    }

    /// Whether all hits that are wanted have been found.
    pub fn has_wanted(&self) -> bool {
        self.found.hits.len() >= self.wanted.limit
    }

    /// Hits so far.
    pub fn count(&self) -> u64 {
        self.found.count
    }

    /// Lines of which only the beginning was searched, so far.
    pub fn long_lines(&self) -> u64 {
        self.found.long_lines
    }

    /// The hits that are wanted.
    pub fn into_hits(self) -> Vec<SearchHit> {
        self.found.hits
    }

    /// Searches what follows.
    pub fn feed(&mut self, bytes: &[u8]) {
        let Some(last) = memchr::memrchr(b'\n', bytes) else {
            self.carry(bytes);
            return;
        };
        let (lines, rest) = bytes.split_at(last + 1);
        let mut lines = lines;
        if self.skipping || !self.carry.is_empty() {
            // There is one: `lines` ends with it.
            let first = memchr::memchr(b'\n', lines).unwrap_or(last);
            self.carry(&lines[..first]);
            self.end_line();
            lines = &lines[first + 1..];
        }
        self.search(lines);
        self.carry(rest);
    }

    /// The output is at its end: its last line may lack a line feed.
    pub fn finish(&mut self) {
        if !self.carry.is_empty() && !self.skipping {
            self.end_line();
        }
    }

    fn carry(&mut self, bytes: &[u8]) {
        if self.skipping {
            return;
        }
        let room = MAX_LINE - self.carry.len();
        self.carry
            .extend_from_slice(&bytes[..bytes.len().min(room)]);
        if bytes.len() > room {
            self.skipping = true;
            self.found.long_lines += 1;
            let line = std::mem::take(&mut self.carry);
            self.search_line(&line);
        }
    }

    fn end_line(&mut self) {
        if !self.skipping {
            let mut line = std::mem::take(&mut self.carry);
            self.search_line(&line);
            // Its memory is for the next one.
            line.clear();
            self.carry = line;
        }
        self.skipping = false;
        self.line += 1;
    }

    /// Searches whole lines.
    fn search(&mut self, lines: &[u8]) {
        if lines.is_empty() {
            return;
        }
        if self.pattern.stays_in_line() && is_plain(lines) && std::str::from_utf8(lines).is_ok() {
            self.search_at_once(lines);
            return;
        }
        let mut rest = lines;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            self.search_line(&rest[..end.min(MAX_LINE)]);
            self.found.long_lines += u64::from(end > MAX_LINE);
            self.line += 1;
            rest = &rest[end + 1..];
        }
    }

    /// Searches plain lines, of which most have no hit.
    fn search_at_once(&mut self, lines: &[u8]) {
        let (wanted, found) = (self.wanted, &mut self.found);
        let mut line = self.line;
        let (mut begun, mut counted) = (0, 0);
        self.pattern.find_in(lines, |from, to| {
            let since = &lines[counted..from];
            if let Some(end) = memchr::memrchr(b'\n', since) {
                line += feeds(since);
                begun = counted + end + 1;
            }
            counted = from;
            found.take(wanted, line, from - begun, to - begun);
        });
        self.line = line + feeds(&lines[counted..]);
    }

    fn search_line(&mut self, line: &[u8]) {
        let (wanted, number, found) = (self.wanted, self.line, &mut self.found);
        let text = shown(line);
        self.pattern.find_in(text.as_bytes(), |from, to| {
            found.take(wanted, number, from, to);
        });
    }
}

impl Found {
    fn take(&mut self, wanted: Wanted, line: u64, from: usize, to: usize) {
        if self.count >= wanted.skip && self.hits.len() < wanted.limit {
            self.hits.push(SearchHit {
                line,
                // Lines are shorter than 4 GiB by far.
                from: from as u32,
                to: to as u32,
            });
        }
        self.count += 1;
    }
}

fn feeds(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Wanted = Wanted {
        skip: 0,
        limit: usize::MAX,
    };

    fn hits(pattern: Pattern, pieces: &[&[u8]], wanted: Wanted) -> (Vec<(u64, u32, u32)>, u64) {
        let mut scan = Scan::new(Arc::new(pattern), 0, wanted);
        for piece in pieces {
            scan.feed(piece);
        }
        scan.finish();
        let count = scan.count();
        let hits = scan.into_hits();
        (hits.iter().map(|h| (h.line, h.from, h.to)).collect(), count)
    }

    #[test]
    fn a_hit_is_found_over_a_cut_and_under_colours() {
        let literal = || Pattern::literal("error", true).unwrap();
        let found = [(1, 4, 9), (2, 0, 5)];
        assert_eq!(
            hits(literal(), &[b"fine\nthe er", b"ror\nerror"], ALL),
            (found.to_vec(), 2)
        );
        assert_eq!(
            hits(
                literal(),
                &[b"fine\nthe er\x1b[3", b"1mror\n\x1b[0merror\n"],
                ALL
            ),
            (found.to_vec(), 2)
        );
    }

    #[test]
    fn capitals_count_only_when_they_are_to() {
        let text: &[&[u8]] = &[b"Error ERROR \xc3\x84rger\n"];
        let count = |pattern: Result<Pattern, _>| hits(pattern.unwrap(), text, ALL).1;
        assert_eq!(count(Pattern::literal("error", true)), 0);
        assert_eq!(count(Pattern::literal("error", false)), 2);
        assert_eq!(count(Pattern::literal("\u{e4}rger", false)), 1);
        assert_eq!(count(Pattern::literal("e.r", false)), 0);
        assert_eq!(count(Pattern::expression("e.r", false)), 2);
        assert_eq!(count(Pattern::expression("^error", false)), 1);
    }

    #[test]
    fn an_expression_stays_in_its_line_and_empty_hits_are_none() {
        let pattern = |text| Pattern::expression(text, true).unwrap();
        let text: &[&[u8]] = &[b"ab\nba\n\nab\n"];
        assert_eq!(hits(pattern("b[^x]*a"), text, ALL).0, [(1, 0, 2)]);
        assert_eq!(hits(pattern(r"\Aa"), text, ALL).0, [(0, 0, 1), (3, 0, 1)]);
        assert_eq!(hits(pattern("x*"), text, ALL).1, 0);
    }

    #[test]
    fn some_are_left_out_and_all_are_counted() {
        let text: &[&[u8]] = &[b"a a\na\n", b"a\na a a\n"];
        let wanted = Wanted { skip: 2, limit: 2 };
        let pattern = Pattern::literal("a", true).unwrap();
        assert_eq!(hits(pattern, text, wanted), (vec![(1, 0, 1), (2, 0, 1)], 7));
    }

    #[test]
    fn of_a_line_without_end_the_beginning_is_searched() {
        let pattern = Arc::new(Pattern::literal("needle", true).unwrap());
        let mut scan = Scan::new(pattern, 0, ALL);
        scan.feed(b"needle ");
        for _ in 0..40 {
            scan.feed(&vec![b'x'; 65_536]);
        }
        assert!(scan.is_skipping());
        assert_eq!((scan.count(), scan.long_lines(), scan.line()), (1, 1, 0));
        scan.feed(b"needle\nneedle\n");
        assert_eq!((scan.count(), scan.line()), (2, 2));
    }
}
