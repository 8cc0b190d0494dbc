//! From bytes to lines of styled text.

use super::escape::{Escape, Step};
use super::style::Style;
use saltpeter_protocol::UnixMillis;
use saltpeter_protocol::machine::Stream;

/// Longest line that is kept for show, in bytes of UTF-8. The download has all of it.
pub const MAX_LINE_BYTES: usize = 16 * 1024;

/// A line as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Line {
    /// Its text: no control characters but tabs, no escape sequences.
    pub text: String,
    /// Where the look changes: each span reaches to the next one's start.
    pub spans: Vec<Span>,
    /// Whether any of it came from standard error.
    pub stderr: bool,
    /// When its first byte was written, by the machine's clock.
    pub at: UnixMillis,
    /// Whether it is longer than what is kept here.
    pub cut: bool,
}

/// A stretch of a line with one look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Where in the text it begins, in bytes.
    pub start: usize,
    /// How it looks.
    pub style: Style,
}

impl Line {
    /// The stretches of text with their looks.
    pub fn pieces(&self) -> impl Iterator<Item = (Style, &str)> {
        let ends = self
            .spans
            .iter()
            .skip(1)
            .map(|span| span.start)
            .chain(std::iter::once(self.text.len()));
        self.spans
            .iter()
            .zip(ends)
            .map(|(span, end)| (span.style, &self.text[span.start..end]))
    }

    fn push(&mut self, text: &str, style: Style) {
        let room = MAX_LINE_BYTES.saturating_sub(self.text.len());
        let text = if text.len() > room {
            self.cut = true;
            &text[..text.floor_char_boundary(room)]
        } else {
            text
        };
        if text.is_empty() {
            return;
        }
        if self.spans.last().is_none_or(|last| last.style != style) {
            self.spans.push(Span {
                start: self.text.len(),
                style,
            });
        }
        self.text.push_str(text);
    }

    fn erase(&mut self) {
        self.text.clear();
        self.spans.clear();
        self.cut = false;
    }
}

/// The beginning of a character whose rest has not come yet.
#[derive(Debug, Clone, Copy, Default)]
struct Carry {
    bytes: [u8; 4],
    len: usize,
}

/// Reads output as it comes, in pieces cut anywhere.
#[derive(Debug, Clone, Default)]
pub(super) struct Decoder {
    // A character is cut by its own stream only; the other one may write in between.
    stdout: Carry,
    stderr: Carry,
    escape: Escape,
    style: Style,
    /// A `\r` has come, and nothing after it.
    returned: bool,
    line: Line,
    begun: bool,
}

impl Decoder {
    /// The line that has not ended, when it has begun.
    pub(super) fn unfinished(&self) -> Option<&Line> {
        self.begun.then_some(&self.line)
    }

    /// Takes in the next bytes and hands on each line that ends in them.
    pub(super) fn feed(
        &mut self,
        bytes: &[u8],
        stream: Stream,
        at: UnixMillis,
        mut ended: impl FnMut(Line),
    ) {
        let carry = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        let mut joined = Vec::new();
        let mut rest = bytes;
        if carry.len > 0 {
            joined.extend_from_slice(&carry.bytes[..carry.len]);
            joined.extend_from_slice(bytes);
            carry.len = 0;
            rest = &joined;
        }
        let origin = Origin { stream, at };
        loop {
            match std::str::from_utf8(rest) {
                Ok(text) => {
                    self.text(text, origin, &mut ended);
                    return;
                }
                Err(error) => {
                    let (good, bad) = rest.split_at(error.valid_up_to());
                    // The check has just been made, so nothing is replaced here.
                    self.text(&String::from_utf8_lossy(good), origin, &mut ended);
                    let Some(length) = error.error_len() else {
                        self.keep(bad, stream);
                        return;
                    };
                    self.text("\u{fffd}", origin, &mut ended);
                    rest = &bad[length..];
                }
            }
        }
    }

    fn keep(&mut self, bytes: &[u8], stream: Stream) {
        let carry = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        // The start of one character is three bytes at most.
        carry.len = bytes.len().min(carry.bytes.len());
        carry.bytes[..carry.len].copy_from_slice(&bytes[..carry.len]);
    }

    fn text(&mut self, text: &str, origin: Origin, ended: &mut impl FnMut(Line)) {
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            if self.escape.is_inside() || c.is_ascii_control() {
                rest = &rest[c.len_utf8()..];
                if let Some(line) = self.control(c, origin) {
                    ended(line);
                }
                continue;
            }
            let plain = rest
                .bytes()
                .position(|b| b.is_ascii_control())
                .unwrap_or(rest.len());
            self.show(&rest[..plain], origin);
            rest = &rest[plain..];
        }
    }

    fn begin(&mut self, origin: Origin) {
        if !self.begun {
            self.begun = true;
            self.line.at = origin.at;
        }
        self.line.stderr |= origin.stream == Stream::Stderr;
    }

    fn show(&mut self, text: &str, origin: Origin) {
        if std::mem::take(&mut self.returned) {
            self.line.erase();
        }
        self.begin(origin);
        self.line.push(text, self.style);
    }

    fn control(&mut self, c: char, origin: Origin) -> Option<Line> {
        if self.escape.is_inside() {
            match self.escape.step(c) {
                Step::Swallowed => return None,
                Step::Graphics(parameters) => {
                    self.style.apply(&parameters);
                    return None;
                }
                Step::EraseLine(parameters) => {
                    if self.returned || parameters == "2" {
                        self.line.erase();
                    }
                    return None;
                }
                Step::Broken => {}
            }
        }
        match c {
            '\n' => {
                self.begin(origin);
                self.begun = false;
                self.returned = false;
                return Some(std::mem::take(&mut self.line));
            }
            '\r' => {
                self.begin(origin);
                self.returned = true;
            }
            '\x1b' => {
                self.begin(origin);
                self.escape.begin();
            }
            '\t' => self.show("\t", origin),
            '\x07' => {}
            '\x08' => {
                self.line.text.pop();
                let length = self.line.text.len();
                self.line.spans.retain(|span| span.start < length);
            }
            '\x7f' => self.show("\u{2421}", origin),
            c if c.is_ascii_control() => {
                // The picture of the control character, so that it is seen and does nothing.
                let picture = char::from_u32(0x2400 + c as u32).unwrap_or('\u{fffd}');
                self.show(picture.encode_utf8(&mut [0; 4]), origin);
            }
            c => self.show(c.encode_utf8(&mut [0; 4]), origin),
        }
        None
    }
}

/// Where bytes came from.
#[derive(Debug, Clone, Copy)]
struct Origin {
    stream: Stream,
    at: UnixMillis,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Color;

    fn lines_of(pieces: &[&[u8]]) -> (Vec<Line>, Decoder) {
        let mut decoder = Decoder::default();
        let mut lines = Vec::new();
        for (i, piece) in pieces.iter().enumerate() {
            let at = UnixMillis(i as i64);
            decoder.feed(piece, Stream::Stdout, at, |line| lines.push(line));
        }
        (lines, decoder)
    }

    fn texts(pieces: &[&[u8]]) -> Vec<String> {
        let (lines, decoder) = lines_of(pieces);
        lines
            .iter()
            .chain(decoder.unfinished())
            .map(|line| line.text.clone())
            .collect()
    }

    #[test]
    fn lines_end_at_line_feeds_however_the_bytes_are_cut() {
        let whole = "one\ntwo – drei\n\nlast".as_bytes();
        let expected = ["one", "two – drei", "", "last"];
        for cut in 0..=whole.len() {
            assert_eq!(texts(&[&whole[..cut], &whole[cut..]]), expected, "{cut}");
        }
    }

    #[test]
    fn progress_collapses_to_its_last_state() {
        assert_eq!(texts(&[b"10%\r50%\r100%\ndone\r\n"]), ["100%", "done"]);
        assert_eq!(texts(&[b"10%\r", b"50%"]), ["50%"]);
        assert_eq!(
            texts(&[b"10%\r"]),
            ["10%"],
            "kept until something replaces it"
        );
        assert_eq!(texts(&[b"busy\r\x1b[Kdone\n"]), ["done"]);
        assert_eq!(
            texts(&[b"busy\r\x1b[0m\n"]),
            ["busy"],
            "a colour replaces nothing"
        );
    }

    #[test]
    fn bytes_that_are_no_text_become_replacement_characters() {
        assert_eq!(texts(&[b"a\xff\xfeb\n"]), ["a\u{fffd}\u{fffd}b"]);
        assert_eq!(texts(&[b"\xe2\x82\n"]), ["\u{fffd}"]);
        assert_eq!(texts(&[b"nul\0del\x7f\n"]), ["nul\u{2400}del\u{2421}"]);
    }

    #[test]
    fn a_character_cut_in_two_survives_the_other_stream() {
        let mut decoder = Decoder::default();
        let mut lines = Vec::new();
        let euro = "€".as_bytes();
        for (bytes, stream) in [
            (&euro[..1], Stream::Stdout),
            (&b"!"[..], Stream::Stderr),
            (&euro[1..], Stream::Stdout),
            (&b"\n"[..], Stream::Stdout),
        ] {
            decoder.feed(bytes, stream, UnixMillis(0), |line| lines.push(line));
        }
        assert_eq!(lines[0].text, "!€");
        assert!(lines[0].stderr);
    }

    #[test]
    fn colours_reach_over_line_ends_and_cuts() {
        let (lines, _) = lines_of(&[b"a\x1b[3", b"1mb\nc\x1b[0md\n"]);
        let pieces: Vec<_> = lines[0].pieces().collect();
        assert_eq!(pieces[0], (Style::default(), "a"));
        assert_eq!((pieces[1].0.front, pieces[1].1), (Color::Theme(1), "b"));
        let pieces: Vec<_> = lines[1].pieces().collect();
        assert_eq!((pieces[0].0.front, pieces[0].1), (Color::Theme(1), "c"));
        assert_eq!(pieces[1], (Style::default(), "d"));
    }

    #[test]
    fn other_sequences_are_swallowed() {
        assert_eq!(
            texts(&[b"\x1b[2J\x1b[1;1Hhi\x1b]0;title\x07!\x1b(B?\n"]),
            ["hi!?"]
        );
        assert_eq!(
            texts(&[b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\n"]),
            ["link"]
        );
        assert_eq!(texts(&[b"\x1b]0;never closed\nnext\n"]), ["", "next"]);
        assert_eq!(texts(&[b"abc\x08d\n"]), ["abd"]);
    }

    #[test]
    fn markup_is_only_text() {
        let html = "<img src=x onerror=alert(1)>&amp;";
        assert_eq!(texts(&[html.as_bytes()]), [html]);
    }

    #[test]
    fn a_line_without_an_end_is_cut_for_show() {
        let (_, decoder) = lines_of(&[&vec![b'x'; MAX_LINE_BYTES + 5]]);
        let line = decoder.unfinished().unwrap();
        assert_eq!(line.text.len(), MAX_LINE_BYTES);
        assert!(line.cut);
    }

    #[test]
    fn a_line_has_the_time_of_its_first_byte() {
        let (lines, _) = lines_of(&[b"a", b"b\nc", b"\n"]);
        assert_eq!(lines[0].at, UnixMillis(0));
        assert_eq!(lines[1].at, UnixMillis(1));
    }
}
