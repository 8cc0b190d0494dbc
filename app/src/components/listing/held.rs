//! The lines that a listing holds, without a browser.

use saltpeter_protocol::api::{LinesPage, MergedLine};
use std::collections::VecDeque;
use std::sync::Arc;

/// Lines that are held; those furthest from what was read last go first.
const MOST: usize = 3_000;

/// Lines of a sheet, beyond which what comes after them begins another.
const SHEET: usize = 500;

/// Lines that stand in the page together. A page that is read before the others is a sheet of its own: to put one sheet before
/// some others moves none of these, where lines before thousands would move many of them. See docs/decisions/0021.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sheet {
    /// Its place: the one after it has the next one.
    pub(super) place: i64,
    pub(super) lines: Arc<Vec<MergedLine>>,
}

/// Lines without a gap, and how to go on in both directions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Held {
    /// None of them is empty.
    pub(super) sheets: VecDeque<Sheet>,
    pub(super) before: Vec<u64>,
    pub(super) has_before: bool,
    pub(super) after: Vec<u64>,
    pub(super) has_after: bool,
}

impl Held {
    pub(super) fn new(page: LinesPage) -> Self {
        let mut held = Self {
            sheets: VecDeque::new(),
            before: page.before,
            has_before: page.has_before,
            after: page.after,
            has_after: page.has_after,
        };
        held.put_after(page.lines);
        held
    }

    /// Adds the page that was read from `before` on.
    pub(super) fn prepend(&mut self, page: LinesPage) {
        if !page.lines.is_empty() {
            let place = self.sheets.front().map_or(0, |first| first.place - 1);
            let lines = Arc::new(page.lines);
            self.sheets.push_front(Sheet { place, lines });
        }
        self.before = page.before;
        self.has_before = page.has_before;
        let mut excess = self.count().saturating_sub(MOST);
        while excess > 0
            && let Some(last) = self.sheets.back_mut()
        {
            self.has_after = true;
            let lines = Arc::make_mut(&mut last.lines);
            let kept = lines.len().saturating_sub(excess);
            excess -= lines.len() - kept;
            for line in lines.drain(kept..).rev() {
                if let Some(after) = self.after.get_mut(line.machine) {
                    *after = line.number;
                }
            }
            if kept == 0 {
                self.sheets.pop_back();
            }
        }
    }

    /// Adds the page that was read from `after` on. A line that had not ended is told once more.
    pub(super) fn append(&mut self, page: LinesPage) {
        let after = std::mem::replace(&mut self.after, page.after);
        let is_told_again = |line: &MergedLine| {
            let next = after.get(line.machine).copied();
            line.number >= next.unwrap_or(u64::MAX)
        };
        for sheet in &mut self.sheets {
            if sheet.lines.iter().any(is_told_again) {
                Arc::make_mut(&mut sheet.lines).retain(|line| !is_told_again(line));
            }
        }
        self.sheets.retain(|sheet| !sheet.lines.is_empty());
        self.put_after(page.lines);
        self.has_after = page.has_after;
        let mut excess = self.count().saturating_sub(MOST);
        while excess > 0
            && let Some(first) = self.sheets.front_mut()
        {
            self.has_before = true;
            let lines = Arc::make_mut(&mut first.lines);
            let gone = lines.len().min(excess);
            excess -= gone;
            for line in lines.drain(..gone) {
                if let Some(before) = self.before.get_mut(line.machine) {
                    *before = line.number + 1;
                }
            }
            if lines.is_empty() {
                self.sheets.pop_front();
            }
        }
    }

    fn put_after(&mut self, lines: Vec<MergedLine>) {
        match self.sheets.back_mut() {
            Some(last) if last.lines.len() + lines.len() <= SHEET => {
                Arc::make_mut(&mut last.lines).extend(lines);
            }
            _ if lines.is_empty() => {}
            last => {
                let place = last.map_or(0, |last| last.place + 1);
                let lines = Arc::new(lines);
                self.sheets.push_back(Sheet { place, lines });
            }
        }
    }

    /// How many lines there are.
    fn count(&self) -> usize {
        self.sheets.iter().map(|sheet| sheet.lines.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use saltpeter_protocol::UnixMillis;

    fn line(machine: usize, number: u64, text: &str) -> MergedLine {
        MergedLine {
            machine,
            number,
            at: UnixMillis(0),
            stderr: false,
            text: text.to_owned(),
            cut: false,
        }
    }

    fn page(lines: Vec<MergedLine>, before: [u64; 2], after: [u64; 2]) -> LinesPage {
        LinesPage {
            machines: Vec::new(),
            lines,
            before: before.to_vec(),
            has_before: before != [0, 0],
            after: after.to_vec(),
            has_after: false,
        }
    }

    /// The lines of each sheet.
    fn texts(held: &Held) -> Vec<Vec<&str>> {
        let lines = held.sheets.iter().map(|sheet| sheet.lines.iter());
        lines
            .map(|lines| lines.map(|line| line.text.as_str()).collect())
            .collect()
    }

    #[test]
    fn a_line_that_grows_stands_once() {
        let mut held = Held::new(page(vec![line(0, 5, "a"), line(1, 3, "b")], [5, 3], [5, 4]));
        held.append(page(
            vec![line(0, 5, "ab"), line(0, 6, "c")],
            [5, 4],
            [7, 4],
        ));
        assert_eq!(texts(&held), [["b", "ab", "c"].as_slice()]);
        held.prepend(page(vec![line(1, 2, "before")], [5, 2], [5, 3]));
        let before: &[&str] = &["before"];
        assert_eq!(texts(&held), [before, &["b", "ab", "c"]]);
        assert_eq!((held.before, held.after), (vec![5, 2], vec![7, 4]));
    }

    #[test]
    fn what_is_let_go_can_be_read_again() {
        let lines = |from: u64, to: u64| {
            (from..to)
                .map(|n| line((n % 2) as usize, n / 2, ""))
                .collect()
        };
        let mut held = Held::new(page(lines(0, 2_000), [0, 0], [1_000, 1_000]));
        held.append(page(lines(2_000, 4_000), [1_000, 1_000], [2_000, 2_000]));
        assert_eq!(held.count(), MOST);
        assert!(held.has_before);
        assert_eq!(held.before, [500, 500]);
        held.prepend(page(lines(0, 1_000), [0, 0], [500, 500]));
        assert_eq!(
            (held.count(), held.has_before, held.has_after),
            (MOST, false, true)
        );
        assert_eq!(held.after, [1_500, 1_500]);
        // Each page that was read is a sheet, and the places go on from one to the next.
        let sheets = held.sheets.iter();
        let places: Vec<_> = sheets
            .map(|sheet| (sheet.place, sheet.lines.len()))
            .collect();
        assert_eq!(places, [(-1, 1_000), (0, 1_000), (1, 1_000)]);
    }
}
