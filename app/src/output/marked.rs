//! Lines with what was searched for in them.

use super::decoder::{Decoder, Line};
use super::style::Style;
use saltpeter_protocol::UnixMillis;
use saltpeter_protocol::api::SearchHit;
use saltpeter_protocol::machine::Stream;

/// What is marked in the lines of a pane.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Marked {
    /// Some hits, in their order.
    pub hits: Vec<SearchHit>,
    /// The one that is looked at.
    pub current: Option<SearchHit>,
}

/// How a stretch of text stands to a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marking {
    /// Not at all.
    None,
    /// It is a hit.
    Hit,
    /// It is the hit that is looked at.
    Current,
}

impl Marked {
    /// The hits in line `number`, counted from 0, and which of them is looked at.
    pub fn of_line(&self, number: u64) -> Vec<(SearchHit, Marking)> {
        let first = self.hits.partition_point(|hit| hit.line < number);
        let hits = self.hits[first..].iter();
        hits.take_while(|hit| hit.line == number)
            .map(|hit| {
                let current = self.current == Some(*hit);
                let marking = if current {
                    Marking::Current
                } else {
                    Marking::Hit
                };
                (*hit, marking)
            })
            .collect()
    }
}

impl Line {
    /// The stretches of text with their looks, cut where a hit begins and ends.
    pub fn marked(&self, hits: &[(SearchHit, Marking)]) -> Vec<(Style, Marking, &str)> {
        let mut all = Vec::new();
        let mut start = 0;
        for (style, text) in self.pieces() {
            let end = start + text.len();
            let mut at = start;
            for (hit, marking) in hits {
                // A line that is shown in part, or has changed since, may have no such place.
                let from = self
                    .text
                    .floor_char_boundary(hit.from as usize)
                    .clamp(at, end);
                let to = self
                    .text
                    .floor_char_boundary(hit.to as usize)
                    .clamp(from, end);
                if from < to {
                    all.push((style, Marking::None, &self.text[at..from]));
                    all.push((style, *marking, &self.text[from..to]));
                    at = to;
                }
            }
            all.push((style, Marking::None, &self.text[at..end]));
            start = end;
        }
        all.retain(|(.., text)| !text.is_empty());
        all
    }

    /// A line that has come by itself, with its escape sequences and without its line feed.
    pub fn read(text: &str, stderr: bool, at: UnixMillis) -> Self {
        let mut line = Self::default();
        let stream = if stderr {
            Stream::Stderr
        } else {
            Stream::Stdout
        };
        let mut decoder = Decoder::default();
        decoder.feed(text.as_bytes(), stream, at, |_| {});
        decoder.feed(b"\n", stream, at, |whole| line = whole);
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hit(line: u64, from: u32, to: u32) -> SearchHit {
        SearchHit { line, from, to }
    }

    #[test]
    fn a_hit_is_marked_over_a_change_of_colour() {
        let line = Line::read("say \x1b[31mhe\x1b[0mllo é", false, UnixMillis(0));
        let marked = Marked {
            hits: vec![hit(1, 0, 1), hit(2, 4, 9), hit(2, 10, 12), hit(3, 0, 1)],
            current: Some(hit(2, 4, 9)),
        };
        let pieces = line.marked(&marked.of_line(2));
        let pieces: Vec<_> = pieces
            .iter()
            .map(|(_, mark, text)| (*mark, *text))
            .collect();
        assert_eq!(
            pieces,
            [
                (Marking::None, "say "),
                (Marking::Current, "he"),
                (Marking::Current, "llo"),
                (Marking::None, " "),
                (Marking::Hit, "é"),
            ]
        );
    }

    #[test]
    fn a_hit_that_is_not_there_harms_nothing() {
        let line = Line::read("é", false, UnixMillis(0));
        for hit in [hit(0, 1, 2), hit(0, 5, 9), hit(0, 1, 1), hit(0, 0, 900)] {
            let pieces = line.marked(&[(hit, Marking::Hit)]);
            let text: String = pieces.iter().map(|(.., text)| *text).collect();
            assert_eq!(text, "é");
        }
        assert!(Line::default().marked(&[]).is_empty());
    }
}
