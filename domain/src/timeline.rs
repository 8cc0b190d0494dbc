//! How much of a lane can be told apart.

use saltpeter_protocol::api::{Bar, OutcomeKind};
use saltpeter_protocol::{RunId, UnixMillis};

/// Bars of a lane at most: about as many as can be seen side by side.
pub const MAX_BARS: usize = 400;

/// Something that ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// Which run it was, or was part of.
    pub run: RunId,
    /// When it began.
    pub from: UnixMillis,
    /// When it ended; now if it has not.
    pub to: UnixMillis,
    /// How it ended.
    pub outcome: OutcomeKind,
}

/// The bars of a lane, by their beginning. Short ones that are less than `pixel` milliseconds apart become one, which has the
/// worst outcome of theirs; so do all others once there are too many.
pub fn bars(mut ran: Vec<Ran>, pixel: i64) -> Vec<Bar> {
    ran.sort_by_key(|ran| ran.from);
    let mut bars: Vec<Bar> = ran
        .into_iter()
        .map(|ran| Bar {
            from: ran.from,
            to: ran.to,
            outcome: ran.outcome,
            runs: 1,
            run: ran.run,
        })
        .collect();
    let mut pixel = pixel.max(1);
    bars = merged(bars, pixel);
    while bars.len() > MAX_BARS {
        pixel *= 2;
        bars = merged(bars, pixel);
    }
    bars
}

fn merged(bars: Vec<Bar>, pixel: i64) -> Vec<Bar> {
    // A bar that can be seen by itself is not swallowed by another.
    let is_short = |bar: &Bar| bar.to.0 - bar.from.0 < 4 * pixel;
    let mut kept: Vec<Bar> = Vec::new();
    for bar in bars {
        match kept.last_mut() {
            Some(last) if bar.from.0 - last.to.0 < pixel && is_short(&bar) && is_short(last) => {
                last.to = last.to.max(bar.to);
                last.outcome = worse(last.outcome, bar.outcome);
                last.runs += bar.runs;
                last.run = bar.run;
            }
            _ => kept.push(bar),
        }
    }
    kept
}

fn worse(a: OutcomeKind, b: OutcomeKind) -> OutcomeKind {
    if badness(b) > badness(a) { b } else { a }
}

fn badness(outcome: OutcomeKind) -> u8 {
    match outcome {
        OutcomeKind::Failed | OutcomeKind::NoTargets | OutcomeKind::ResolveFailed => 6,
        OutcomeKind::TimedOut => 5,
        OutcomeKind::Lost => 4,
        OutcomeKind::Running => 3,
        OutcomeKind::Killed => 2,
        OutcomeKind::Missed | OutcomeKind::SkippedOverlap | OutcomeKind::Maintenance => 1,
        OutcomeKind::Succeeded => 0,
    }
}

/// When something is due from `from` on and before `to`, but for what is less than `apart` milliseconds after the one before;
/// `next` says when it is due after a time.
pub fn due(
    next: impl Fn(UnixMillis) -> Option<UnixMillis>,
    (from, to): (UnixMillis, UnixMillis),
    apart: i64,
) -> Vec<UnixMillis> {
    let mut found = Vec::new();
    let mut after = UnixMillis(from.0 - 1);
    while let Some(at) = next(after).filter(|at| *at < to) {
        found.push(at);
        after = UnixMillis(at.0 + apart.max(1) - 1);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(n: i64, from: i64, to: i64, outcome: OutcomeKind) -> Ran {
        Ran {
            run: RunId::new(format!("a_{n}")).unwrap(),
            from: UnixMillis(from),
            to: UnixMillis(to),
            outcome,
        }
    }

    #[test]
    fn what_is_too_close_becomes_one_bar_of_the_worst_outcome() {
        let found = bars(
            vec![
                ran(2, 105, 120, OutcomeKind::Failed),
                ran(1, 100, 101, OutcomeKind::Succeeded),
                ran(3, 125, 130, OutcomeKind::Succeeded),
                ran(4, 200, 210, OutcomeKind::Succeeded),
            ],
            10,
        );
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].from.0, found[0].to.0), (100, 130));
        assert_eq!(found[0].outcome, OutcomeKind::Failed);
        assert_eq!((found[0].runs, found[0].run.as_str()), (3, "a_3"));
        assert_eq!(found[1].runs, 1);
    }

    #[test]
    fn a_long_bar_stays_by_itself() {
        let found = bars(
            vec![
                ran(1, 0, 1000, OutcomeKind::Succeeded),
                ran(2, 1001, 1002, OutcomeKind::Failed),
            ],
            10,
        );
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn a_lane_never_has_more_bars_than_can_be_seen() {
        // Long ones that overlap, each beginning a little later.
        let all = (0..5000).map(|n| ran(n, n * 1000, n * 1000 + 500_000, OutcomeKind::Succeeded));
        let found = bars(all.collect(), 10);
        assert!(found.len() <= MAX_BARS, "{}", found.len());
        assert_eq!(found.iter().map(|bar| bar.runs).sum::<u32>(), 5000);
        assert!(found.is_sorted_by_key(|bar| bar.from));
    }

    #[test]
    fn what_is_due_in_close_succession_is_told_once() {
        let every_ten = |after: UnixMillis| Some(UnixMillis((after.0.div_euclid(10) + 1) * 10));
        let span = (UnixMillis(20), UnixMillis(100));
        assert_eq!(
            due(every_ten, span, 1),
            [20, 30, 40, 50, 60, 70, 80, 90].map(UnixMillis)
        );
        assert_eq!(due(every_ten, span, 25), [20, 50, 80].map(UnixMillis));
        assert!(due(|_| None, span, 1).is_empty());
    }
}
