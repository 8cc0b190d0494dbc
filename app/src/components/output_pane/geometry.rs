//! How line numbers and scroll positions go together.

/// Height of a line that is not wrapped, in CSS pixels; `--line` in the style sheet.
pub(super) const LINE: f64 = 20.0;
/// Tallest space that browsers scroll exactly, with room to spare.
const MAX_SPACE: f64 = 12_000_000.0;

/// How line numbers and scroll positions go together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Geometry {
    lines: u64,
    height: f64,
    pub(super) space: f64,
}

impl Geometry {
    pub(super) fn new(lines: u64, height: f64) -> Self {
        let space = (lines as f64 * LINE).min(MAX_SPACE);
        Self {
            lines,
            height,
            space,
        }
    }

    /// How many lines are seen.
    pub(super) fn rows(&self) -> u64 {
        (self.height / LINE) as u64 + 1
    }

    pub(super) fn is_exact(&self) -> bool {
        self.space < MAX_SPACE
    }

    /// The first line that is seen at this scroll position.
    pub(super) fn line_at(&self, top: f64) -> u64 {
        if self.is_exact() {
            return (top.max(0.0) / LINE) as u64;
        }
        let share = (top / (self.space - self.height).max(1.0)).clamp(0.0, 1.0);
        (share * self.lines.saturating_sub(self.rows()) as f64) as u64
    }

    /// The scroll position that shows this line first.
    pub(super) fn top_of(&self, line: u64) -> f64 {
        if self.is_exact() {
            return line as f64 * LINE;
        }
        let share = line as f64 / self.lines.saturating_sub(self.rows()).max(1) as f64;
        share.min(1.0) * (self.space - self.height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_and_lines_go_together() {
        let geometry = Geometry::new(1000, 400.0);
        assert_eq!(geometry.line_at(geometry.top_of(500)), 500);
        assert_eq!(geometry.rows(), 21);
    }

    #[test]
    fn a_huge_output_still_reaches_its_first_and_last_line() {
        let geometry = Geometry::new(10_000_000, 400.0);
        assert_eq!(geometry.line_at(0.0), 0);
        let last = geometry.line_at(MAX_SPACE - 400.0);
        assert!(last + geometry.rows() >= 10_000_000, "{last}");
        let middle = geometry.line_at(geometry.top_of(5_000_000));
        assert!(middle.abs_diff(5_000_000) < 2, "{middle}");
    }
}
