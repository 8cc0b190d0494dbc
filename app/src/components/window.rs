//! Which rows of a long list are drawn.

/// Rows drawn before and after the ones that are seen, so that scrolling finds them there.
pub(crate) const OVERSCAN: usize = 12;

/// The rows to draw: from, to (exclusive).
pub(crate) fn rows(top: f64, height: f64, row: f64, count: usize) -> (usize, usize) {
    let row = row.max(1.0);
    let first = (top.max(0.0) / row) as usize;
    let seen = (height.max(0.0) / row) as usize + 2;
    let from = first.saturating_sub(OVERSCAN).min(count);
    let to = (first + seen + OVERSCAN).min(count);
    (from.min(to), to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_what_is_seen_and_a_bit_more() {
        assert_eq!(rows(0.0, 400.0, 40.0, 1000), (0, 24));
        assert_eq!(rows(4000.0, 400.0, 40.0, 1000), (88, 124));
        assert_eq!(rows(40_000.0, 400.0, 40.0, 1000), (988, 1000));
        assert_eq!(rows(0.0, 400.0, 40.0, 3), (0, 3));
        assert_eq!(rows(9_999.0, 400.0, 40.0, 0), (0, 0));
        assert_eq!(rows(-50.0, 400.0, 0.0, 5), (0, 5));
    }
}
