//! The lines that a listing holds, without a browser.

use saltpeter_protocol::api::{LinesPage, MergedLine};

/// Lines that are held; those furthest from what was read last go first.
const MOST: usize = 3_000;

/// Lines without a gap, and how to go on in both directions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Held {
    pub(super) lines: Vec<MergedLine>,
    pub(super) before: Vec<u64>,
    pub(super) has_before: bool,
    pub(super) after: Vec<u64>,
    pub(super) has_after: bool,
}

impl Held {
    pub(super) fn new(page: LinesPage) -> Self {
        Self {
            lines: page.lines,
            before: page.before,
            has_before: page.has_before,
            after: page.after,
            has_after: page.has_after,
        }
    }

    /// Adds the page that was read from `before` on.
    pub(super) fn prepend(&mut self, page: LinesPage) {
        self.lines.splice(0..0, page.lines);
        self.before = page.before;
        self.has_before = page.has_before;
        while self.lines.len() > MOST
            && let Some(line) = self.lines.pop()
        {
            self.has_after = true;
            if let Some(after) = self.after.get_mut(line.machine) {
                *after = line.number;
            }
        }
    }

    /// Adds the page that was read from `after` on. A line that had not ended is told once more.
    pub(super) fn append(&mut self, page: LinesPage) {
        let after = std::mem::replace(&mut self.after, page.after);
        self.lines.retain(|line| {
            let next = after.get(line.machine).copied();
            line.number < next.unwrap_or(u64::MAX)
        });
        self.lines.extend(page.lines);
        self.has_after = page.has_after;
        let excess = self.lines.len().saturating_sub(MOST);
        for line in self.lines.drain(..excess) {
            self.has_before = true;
            if let Some(before) = self.before.get_mut(line.machine) {
                *before = line.number + 1;
            }
        }
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

    #[test]
    fn a_line_that_grows_stands_once() {
        let mut held = Held::new(page(vec![line(0, 5, "a"), line(1, 3, "b")], [5, 3], [5, 4]));
        held.append(page(
            vec![line(0, 5, "ab"), line(0, 6, "c")],
            [5, 4],
            [7, 4],
        ));
        let texts: Vec<_> = held.lines.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(texts, ["b", "ab", "c"]);
        held.prepend(page(vec![line(1, 2, "before")], [5, 2], [5, 3]));
        assert_eq!(held.lines[0].text, "before");
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
        assert_eq!(held.lines.len(), MOST);
        assert!(held.has_before);
        assert_eq!(held.before, [500, 500]);
        held.prepend(page(lines(0, 1_000), [0, 0], [500, 500]));
        assert_eq!(
            (held.lines.len(), held.has_before, held.has_after),
            (MOST, false, true)
        );
        assert_eq!(held.after, [1_500, 1_500]);
    }
}
