//! Progress lines, which rewrite themselves with `\r`, reduced to their last state.

/// Longest line whose earlier states are held back. What is longer is written as it comes.
const LONGEST_HELD: usize = 64 * 1024;

/// Takes bytes in any pieces, gives lines. Every line that comes out ends with a line feed.
#[derive(Debug, Default)]
pub(crate) struct Reducer {
    /// What has been written since the last `\r` or `\n`.
    current: Vec<u8>,
    /// The state before that, shown as long as nothing is written over it.
    last: Vec<u8>,
    /// The line was too long to hold: its beginning is out.
    spilled: bool,
}

impl Reducer {
    /// Takes `bytes` and appends the lines that are complete to `lines`.
    pub(crate) fn take(&mut self, mut bytes: &[u8], lines: &mut Vec<u8>) {
        while !bytes.is_empty() {
            if self.is_at_line_start() {
                let plain = plain_lines(bytes);
                lines.extend_from_slice(&bytes[..plain]);
                bytes = &bytes[plain..];
            }
            let Some(at) = memchr::memchr2(b'\r', b'\n', bytes) else {
                self.hold(bytes, lines);
                return;
            };
            self.hold(&bytes[..at], lines);
            if bytes[at] == b'\n' {
                self.end_line(lines);
            } else {
                self.rewind(lines);
            }
            bytes = &bytes[at + 1..];
        }
    }

    /// Ends the last line, if it was not.
    pub(crate) fn finish(mut self, lines: &mut Vec<u8>) {
        if !self.is_at_line_start() {
            self.end_line(lines);
        }
    }

    fn is_at_line_start(&self) -> bool {
        self.current.is_empty() && self.last.is_empty() && !self.spilled
    }

    fn hold(&mut self, bytes: &[u8], lines: &mut Vec<u8>) {
        self.current.extend_from_slice(bytes);
        if self.current.len() > LONGEST_HELD {
            lines.append(&mut self.current);
            self.last.clear();
            self.spilled = true;
        }
    }

    /// A `\r`: what follows is written over the line.
    fn rewind(&mut self, lines: &mut Vec<u8>) {
        if self.spilled {
            self.end_line(lines);
        } else if !self.current.is_empty() {
            std::mem::swap(&mut self.last, &mut self.current);
            self.current.clear();
        }
    }

    fn end_line(&mut self, lines: &mut Vec<u8>) {
        let state = if self.current.is_empty() {
            &self.last
        } else {
            &self.current
        };
        lines.extend_from_slice(state);
        lines.push(b'\n');
        self.current.clear();
        self.last.clear();
        self.spilled = false;
    }
}

/// Length of the whole lines at the beginning of `bytes` that have no `\r`.
fn plain_lines(bytes: &[u8]) -> usize {
    let end = memchr::memchr(b'\r', bytes).unwrap_or(bytes.len());
    memchr::memrchr(b'\n', &bytes[..end]).map_or(0, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reduced(pieces: &[&[u8]]) -> Vec<u8> {
        let mut reducer = Reducer::default();
        let mut lines = Vec::new();
        for piece in pieces {
            reducer.take(piece, &mut lines);
        }
        reducer.finish(&mut lines);
        lines
    }

    #[test]
    fn a_progress_line_is_its_last_state() {
        let cases: [(&str, &str); 9] = [
            ("", ""),
            ("a\nb\n", "a\nb\n"),
            ("no end", "no end\n"),
            ("10%\r20%\r100%\n", "100%\n"),
            ("10%\r20%\r", "20%\n"),
            ("dos\r\nlines\r\n", "dos\nlines\n"),
            ("a\r\r\r\nb", "a\nb\n"),
            ("x\r\n\r\n\ny\n", "x\n\n\ny\n"),
            ("1\r2\nplain\n3\r4\n", "2\nplain\n4\n"),
        ];
        for (written, shown) in cases {
            assert_eq!(
                String::from_utf8(reduced(&[written.as_bytes()])).unwrap(),
                shown,
                "{written:?}"
            );
        }
    }

    #[test]
    fn an_endless_line_is_not_held() {
        let mut reducer = Reducer::default();
        let mut lines = Vec::new();
        for _ in 0..100 {
            reducer.take(&[b'x'; 10_000], &mut lines);
            lines.clear();
            assert!(reducer.current.len() <= LONGEST_HELD);
        }
        reducer.take(b"\rshort\n", &mut lines);
        assert!(lines.ends_with(b"\nshort\n"));
    }

    proptest! {
        #[test]
        fn the_pieces_do_not_matter(text in "[ab\r\n]{0,60}", cuts in prop::collection::vec(0_usize..60, 0..6)) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|w| &bytes[w[0]..w[1]]).collect();
            prop_assert_eq!(reduced(&pieces), reduced(&[bytes]));
        }
    }
}
