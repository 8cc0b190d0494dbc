//! Which rows of a long list are drawn.

/// Rows drawn before and after the ones that are seen, so that scrolling finds them there.
pub(crate) const OVERSCAN: usize = 12;

/// The rows that are seen: from, to (exclusive).
pub(crate) fn seen(top: f64, height: f64, row: f64, count: usize) -> (usize, usize) {
    let row = row.max(1.0);
    let first = (top.max(0.0) / row) as usize;
    let seen = (height.max(0.0) / row) as usize + 2;
    (first.min(count), (first + seen).min(count))
}

/// The rows to draw: from, to (exclusive).
pub(crate) fn rows(top: f64, height: f64, row: f64, count: usize) -> (usize, usize) {
    let (from, to) = seen(top, height, row, count);
    (from.saturating_sub(OVERSCAN), (to + OVERSCAN).min(count))
}

/// Steps of [`toward`] in a frame.
pub(crate) const STEPS: u32 = 2;

/// The rows to draw next, on the way from those that are `drawn` to those that are `wanted`; those that are `seen` are among
/// these. Drawing a row takes time, so that not all are drawn in the frame that is scrolled in. Where those that are seen are
/// there already, a step is one row at either end: docs/decisions/0021.
pub(crate) fn toward(
    drawn: (usize, usize),
    wanted: (usize, usize),
    seen: (usize, usize),
) -> (usize, usize) {
    let is_seen = drawn.0 <= seen.0 && seen.1 <= drawn.1;
    let is_shorter = wanted.1 < drawn.1 && drawn.0 <= wanted.0;
    if !is_seen || is_shorter {
        return wanted;
    }
    let step = |from: usize, to: usize| to.clamp(from.saturating_sub(1), from + 1);
    (step(drawn.0, wanted.0), step(drawn.1, wanted.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_rows_are_drawn_in_a_frame_unless_some_are_missing() {
        let seen = |from| (from, from + 20);
        assert_eq!(toward((10, 54), (13, 57), seen(25)), (11, 55));
        assert_eq!(toward((12, 56), (13, 57), seen(25)), (13, 57));
        assert_eq!(toward((13, 57), (10, 54), seen(22)), (12, 56));
        assert_eq!(toward((0, 44), (500, 544), seen(512)), (500, 544));
        assert_eq!(toward((0, 44), (0, 3), (0, 3)), (0, 3), "a filter");
        assert_eq!(toward((0, 3), (0, 44), (0, 32)), (0, 44));
    }

    #[test]
    fn what_is_seen_is_always_drawn_and_what_is_wanted_is_reached() {
        let mut drawn = rows(0.0, 400.0, 40.0, 1000);
        for top in (0..9_000).step_by(53).chain((0..9_000).rev().step_by(211)) {
            let top = f64::from(top);
            let wanted = rows(top, 400.0, 40.0, 1000);
            let seen = seen(top, 400.0, 40.0, 1000);
            drawn = toward(drawn, wanted, seen);
            assert!(drawn.0 <= seen.0 && seen.1 <= drawn.1, "{drawn:?} {seen:?}");
        }
        let wanted = rows(0.0, 400.0, 40.0, 1000);
        for _ in 0..20 {
            drawn = toward(drawn, wanted, seen(0.0, 400.0, 40.0, 1000));
        }
        assert_eq!(drawn, wanted);
    }

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
