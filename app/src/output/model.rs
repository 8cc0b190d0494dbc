//! A machine's whole output, of which the end and a few windows are in memory.

use super::decoder::Line;
use super::segment::Segment;
use saltpeter_protocol::api::{OutputFrom, OutputSlice};

/// Memory for the lines at the end, in bytes, roughly.
const TAIL_WEIGHT: usize = 4 * 1024 * 1024;
/// Windows elsewhere that are kept; the one not looked at for longest goes first.
const WINDOWS: usize = 4;
/// How many lines before the wanted one a window begins, so that scrolling up finds some.
const LEAD: u64 = 400;

/// Output was left out between what is held and what has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap;

/// A line as a view asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Its number, from 0.
    pub number: u64,
    /// Changes when the line has; the same number and revision mean the same line.
    pub revision: u32,
    /// The line; `None` while it is being fetched.
    pub line: Option<Line>,
}

/// Lines of one output by number.
#[derive(Debug, Clone)]
pub struct OutputModel {
    tail: Segment,
    windows: Vec<Segment>,
}

impl OutputModel {
    /// From the slice at the end of the output.
    pub fn new(tail: &OutputSlice) -> Self {
        let mut model = Self {
            tail: Segment::new(tail, None),
            windows: Vec::new(),
        };
        model.tail.trim(TAIL_WEIGHT);
        model
    }

    /// Offset after the last byte held; what follows is wanted next.
    pub fn end(&self) -> u64 {
        self.tail.end()
    }

    /// Number of lines, an unfinished last one included.
    pub fn lines(&self) -> u64 {
        self.tail.line_end()
    }

    /// Takes in what follows the end.
    pub fn append(&mut self, slice: &OutputSlice) -> Result<(), Gap> {
        if slice.offset > self.tail.end() {
            return Err(Gap);
        }
        self.tail.append(slice);
        self.tail.trim(TAIL_WEIGHT);
        Ok(())
    }

    /// Starts anew at the end, when too much has been missed to read it all. Windows stay.
    pub fn jump(&mut self, tail: &OutputSlice) {
        self.tail = Segment::new(tail, None);
        self.tail.trim(TAIL_WEIGHT);
    }

    /// Takes in a window that [`OutputModel::missing`] asked for.
    pub fn insert(&mut self, slice: &OutputSlice, asked: OutputFrom) {
        let line = match asked {
            OutputFrom::Line(line) => Some(line),
            OutputFrom::Offset(_) | OutputFrom::Tail(_) => None,
        };
        if self.windows.len() == WINDOWS {
            self.windows.remove(0);
        }
        self.windows.push(Segment::new(slice, line));
    }

    /// Lines `from..to`, each with what is held of it.
    pub fn view(&mut self, from: u64, to: u64) -> Vec<Shown> {
        self.touch(from);
        let to = to.min(self.lines());
        (from..to).map(|number| self.shown(number)).collect()
    }

    fn shown(&self, number: u64) -> Shown {
        let found = if self.tail.has_whole(number, true) {
            self.tail.line(number)
        } else {
            let whole = self.windows.iter().find(|w| w.has_whole(number, false));
            // A part of a line is better than nothing: the rest may be too long to ever be here.
            let mut some = whole.into_iter().chain(&self.windows).chain([&self.tail]);
            some.find_map(|segment| segment.line(number))
        };
        match found {
            Some((line, revision)) => Shown {
                number,
                // 0 is left for a line that is not here.
                revision: revision.saturating_add(1),
                line: Some(line.clone()),
            },
            None => Shown {
                number,
                revision: 0,
                line: None,
            },
        }
    }

    /// Puts the window that shows line `number` last in the order of eviction.
    fn touch(&mut self, number: u64) {
        let found = self
            .windows
            .iter()
            .position(|window| window.has_whole(number, false));
        if let Some(index) = found {
            let window = self.windows.remove(index);
            self.windows.push(window);
        }
    }

    /// What to fetch so that lines `from..to` can be shown; `None` when they can.
    pub fn missing(&self, from: u64, to: u64) -> Option<OutputFrom> {
        let to = to.min(self.lines());
        let number = (from..to).find(|number| !self.has(*number))?;
        // Reading downwards goes on where the window before it ends; anything else looks back a bit.
        let follows = number > from && number > 0 && self.has(number - 1);
        let lead = if follows { 0 } else { LEAD };
        Some(OutputFrom::Line(number.saturating_sub(lead)))
    }

    fn has(&self, number: u64) -> bool {
        self.tail.has_whole(number, true)
            || self.windows.iter().any(|w| w.has_whole(number, false))
            // The one cut line at a window's end that no window of that size can hold whole.
            || self.windows.iter().any(|w| w.first() == number && w.line_end() == number + 1)
    }

    /// Memory that it takes, roughly, in bytes.
    pub fn weight(&self) -> usize {
        self.tail.weight() + self.windows.iter().map(Segment::weight).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use saltpeter_protocol::UnixMillis;
    use saltpeter_protocol::api::{ChunkMark, OutputLength};
    use saltpeter_protocol::machine::Stream;

    /// An output in chunks of a fixed size, served as the server does.
    struct Log {
        bytes: Vec<u8>,
        chunk: usize,
    }

    impl Log {
        fn numbered(lines: u64, chunk: usize) -> Self {
            let lines: Vec<String> = (0..lines).map(|n| format!("line {n}\n")).collect();
            let text = lines.concat();
            Self {
                bytes: text.into_bytes(),
                chunk,
            }
        }

        fn feeds(&self, to: usize) -> u64 {
            self.bytes[..to].split(|b| *b == b'\n').skip(1).count() as u64
        }

        fn slice(&self, from: OutputFrom, limit: usize) -> OutputSlice {
            let at = match from {
                OutputFrom::Offset(offset) => offset as usize,
                OutputFrom::Tail(bytes) => self.bytes.len().saturating_sub(bytes as usize),
                OutputFrom::Line(line) => self
                    .bytes
                    .iter()
                    .enumerate()
                    .filter(|(_, b)| **b == b'\n')
                    .map(|(i, _)| i + 1)
                    .nth((line as usize).wrapping_sub(1))
                    .unwrap_or(0),
            };
            let start = at / self.chunk * self.chunk;
            let end = (start + limit).min(self.bytes.len());
            let bytes = self.bytes[start..end].to_vec();
            OutputSlice {
                offset: start as u64,
                line: self.feeds(start),
                total: OutputLength {
                    bytes: self.bytes.len() as u64,
                    lines: self.feeds(self.bytes.len()),
                },
                chunks: bytes
                    .chunks(self.chunk)
                    .map(|c| ChunkMark {
                        len: c.len() as u32,
                        stream: Stream::Stdout,
                        at: UnixMillis(0),
                    })
                    .collect(),
                bytes,
            }
        }
    }

    fn text(shown: &Shown) -> &str {
        shown.line.as_ref().map_or("(missing)", |line| &line.text)
    }

    /// Scrolls to `from..to` and fetches until all of it is there.
    fn read(model: &mut OutputModel, log: &Log, from: u64, to: u64) -> Vec<String> {
        for _ in 0..5 {
            let Some(asked) = model.missing(from, to) else {
                break;
            };
            model.insert(&log.slice(asked, 8_000), asked);
        }
        assert_eq!(model.missing(from, to), None);
        model
            .view(from, to)
            .iter()
            .map(|s| text(s).to_owned())
            .collect()
    }

    #[test]
    fn any_line_can_be_read_in_bounded_memory() {
        let log = Log::numbered(100_000, 100);
        let mut model = OutputModel::new(&log.slice(OutputFrom::Tail(2_000), 3_000));
        assert_eq!(model.lines(), 100_000);
        for start in [99_950, 0, 50_000, 50_300, 49_700, 99_000, 7, 12_345] {
            let end = start + 50;
            let expected: Vec<_> = (start..end).map(|n| format!("line {n}")).collect();
            assert_eq!(read(&mut model, &log, start, end), expected, "{start}");
        }
        assert!(model.weight() < 500_000, "{}", model.weight());
    }

    #[test]
    fn new_output_follows_without_loss_however_it_overlaps() {
        let log = Log::numbered(300, 10);
        let mut model = OutputModel::new(&log.slice(OutputFrom::Offset(0), 100));
        let mut at = 0;
        while at < log.bytes.len() {
            let slice = log.slice(OutputFrom::Offset(at as u64), 70);
            assert_eq!(model.append(&slice), Ok(()));
            at += 50;
        }
        assert_eq!(model.end(), log.bytes.len() as u64);
        let lines = model.view(0, 300);
        assert_eq!(text(&lines[299]), "line 299");
        assert!(
            lines
                .iter()
                .enumerate()
                .all(|(n, s)| text(s) == format!("line {n}"))
        );
    }

    #[test]
    fn a_gap_is_reported() {
        let log = Log::numbered(300, 10);
        let mut model = OutputModel::new(&log.slice(OutputFrom::Offset(0), 100));
        let late = log.slice(OutputFrom::Offset(500), 100);
        assert_eq!(model.append(&late), Err(Gap));
        model.jump(&late);
        assert_eq!(
            model.append(&log.slice(OutputFrom::Offset(600), 100)),
            Ok(())
        );
    }

    #[test]
    fn the_unfinished_line_is_shown_and_changes_its_revision() {
        let log = Log {
            bytes: b"a\nbcd".to_vec(),
            chunk: 1,
        };
        let mut model = OutputModel::new(&log.slice(OutputFrom::Offset(0), 3));
        assert_eq!(model.lines(), 2);
        let before = model.view(1, 2).remove(0);
        model.append(&log.slice(OutputFrom::Offset(3), 2)).unwrap();
        let after = model.view(1, 2).remove(0);
        assert_eq!((text(&before), text(&after)), ("b", "bcd"));
        assert_ne!(before.revision, after.revision);
    }

    #[test]
    fn the_tail_forgets_its_oldest_lines() {
        let log = Log::numbered(200_000, 1000);
        let mut model = OutputModel::new(&log.slice(OutputFrom::Offset(0), 1000));
        let rest = log.slice(OutputFrom::Offset(1000), log.bytes.len());
        model.append(&rest).unwrap();
        assert!(model.weight() <= TAIL_WEIGHT);
        assert_eq!(model.lines(), 200_000);
        assert!(model.missing(0, 10).is_some());
        assert_eq!(model.missing(199_000, 200_000), None);
    }

    #[test]
    fn a_line_longer_than_a_window_is_not_fetched_for_ever() {
        let mut bytes = vec![b'x'; 50_000];
        bytes.extend_from_slice(b"\nend\n");
        let log = Log { bytes, chunk: 100 };
        let mut model = OutputModel::new(&log.slice(OutputFrom::Tail(200), 300));
        let lines = read(&mut model, &log, 0, 2);
        assert!(lines[0].starts_with("xxx"));
        assert_eq!(lines[1], "end");
    }
}
