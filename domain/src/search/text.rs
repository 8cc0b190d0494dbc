//! A line as it is shown.

use std::borrow::Cow;

/// What the dashboard shows of a line: escape sequences are gone, text after a `\r` has replaced what was before it, a
/// backspace has taken a character back, and other control characters have become their pictures. `line` is without its
/// line feed. What is not UTF-8 is replaced.
///
/// The dashboard reads output as it comes (`app/src/output`); a test compares the two.
pub fn shown(line: &[u8]) -> Cow<'_, str> {
    // Lines of Windows programs end with one that changes nothing.
    let plain = line.strip_suffix(b"\r").unwrap_or(line);
    if is_plain(plain)
        && let Ok(text) = std::str::from_utf8(plain)
    {
        return Cow::Borrowed(text);
    }
    let mut screen = Screen::default();
    for c in String::from_utf8_lossy(line).chars() {
        screen.take(c);
    }
    Cow::Owned(screen.text)
}

/// Whether these bytes, line feeds included, have no control characters that do anything.
pub(super) fn is_plain(bytes: &[u8]) -> bool {
    // Without a way out of the loop, so that it takes many bytes at a time.
    let controls = bytes.iter().fold(0, |found, byte| {
        let quiet = u8::from(*byte >= 0x20) | u8::from(*byte == b'\n') | u8::from(*byte == b'\t');
        found | (quiet ^ 1) | u8::from(*byte == 0x7f)
    });
    controls == 0
}

/// A line in the making.
#[derive(Default)]
struct Screen {
    text: String,
    /// A `\r` has come, and nothing after it.
    returned: bool,
    escape: Escape,
}

/// How far into an escape sequence the text is.
#[derive(Default)]
enum Escape {
    #[default]
    Outside,
    /// After `ESC`.
    Begun,
    /// After `ESC (` and the like: one more character follows.
    Charset,
    /// After `ESC [`, and whether the parameters so far are `2`, or none.
    Control(Parameters),
    /// In a title or a link, up to `BEL` or `ESC \`.
    Text,
    /// There, after an `ESC`.
    TextEnding,
}

/// As much of a sequence's parameters as matters.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Parameters {
    None,
    Two,
    Other,
}

impl Screen {
    fn take(&mut self, c: char) {
        match std::mem::take(&mut self.escape) {
            Escape::Begun => {
                match c {
                    '[' => self.escape = Escape::Control(Parameters::None),
                    ']' | 'P' | 'X' | '^' | '_' => self.escape = Escape::Text,
                    '(' | ')' | '*' | '+' | '#' | '%' => self.escape = Escape::Charset,
                    '\r' => return self.show(c),
                    _ => {}
                }
                return;
            }
            Escape::Charset if c != '\r' => return,
            Escape::Outside | Escape::Charset => {}
            Escape::Control(parameters) => match c {
                'K' => {
                    if self.returned || parameters == Parameters::Two {
                        self.text.clear();
                    }
                    return;
                }
                '\x40'..='\x7e' => return,
                '\x20'..='\x3f' => {
                    self.escape = Escape::Control(match (parameters, c) {
                        (Parameters::None, '2') => Parameters::Two,
                        _ => Parameters::Other,
                    });
                    return;
                }
                // Broken off: the character stands for itself.
                _ => {}
            },
            Escape::Text => {
                match c {
                    '\x07' => {}
                    '\x1b' => self.escape = Escape::TextEnding,
                    _ => self.escape = Escape::Text,
                }
                return;
            }
            Escape::TextEnding => return,
        }
        self.show(c);
    }

    fn show(&mut self, c: char) {
        let c = match c {
            '\r' => {
                self.returned = true;
                return;
            }
            '\x1b' => {
                self.escape = Escape::Begun;
                return;
            }
            '\x07' => return,
            '\x08' => {
                self.text.pop();
                return;
            }
            '\t' => c,
            '\x7f' => '\u{2421}',
            // The picture of the control character.
            c if c.is_ascii_control() => char::from_u32(0x2400 + c as u32).unwrap_or('\u{fffd}'),
            c => c,
        };
        if std::mem::take(&mut self.returned) {
            self.text.clear();
        }
        self.text.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_is_not_there() {
        let lines: [(&[u8], &str); 12] = [
            (b"plain", "plain"),
            (b"windows\r", "windows"),
            (b"a\x1b[1;31mr\x1b[0med", "ared"),
            (b"10%\r50%\r100%", "100%"),
            (b"busy\r\x1b[Kdone", "done"),
            (b"busy\x1b[2Kdone", "done"),
            (b"busy\x1b[Kdone", "busydone"),
            (b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
            (b"abc\x08d", "abd"),
            (b"nul\0bell\x07del\x7f", "nul\u{2400}belldel\u{2421}"),
            (b"a\xffb", "a\u{fffd}b"),
            (b"tab\there", "tab\there"),
        ];
        for (line, expected) in lines {
            assert_eq!(shown(line), expected, "{line:?}");
        }
    }

    #[test]
    fn a_plain_line_is_not_copied() {
        assert!(matches!(shown(b"as it is"), Cow::Borrowed(_)));
        assert!(matches!(shown(b"as it is\r"), Cow::Borrowed(_)));
        assert!(matches!(shown(b"as it\x07 is"), Cow::Owned(_)));
    }
}
