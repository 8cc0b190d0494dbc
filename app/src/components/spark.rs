//! The last thirty runs of a job as small bars: height is duration, shape and colour the outcome.

use super::marks::Mark;
use leptos::prelude::*;
use saltpeter_protocol::RunState;
use saltpeter_protocol::api::RecentRun;
use std::fmt::Write as _;

const BARS: usize = 30;
const STEP: u64 = 4;
const HEIGHT: u64 = 18;

/// The outlines to draw, by kind, and the sentence that says the same.
#[derive(Debug, Default, PartialEq, Eq)]
struct Drawing {
    good: String,
    bad: String,
    other: String,
    words: String,
}

fn draw(recent: &[RecentRun]) -> Drawing {
    let shown = &recent[recent.len().saturating_sub(BARS)..];
    let lengths: Vec<u64> = shown.iter().map(length).collect();
    let longest = lengths.iter().copied().max().unwrap_or(0).max(1);
    let mut drawing = Drawing::default();
    let (mut good, mut bad) = (0, 0);
    let first = (BARS - shown.len()) as u64 * STEP;
    for (i, (run, length)) in shown.iter().zip(&lengths).enumerate() {
        let x = first + i as u64 * STEP;
        let height = 2 + (HEIGHT - 2) * length / longest;
        let top = HEIGHT - height;
        let mark = Mark::of_run(&run.state);
        // Writing into a String cannot fail.
        if mark == Mark::Succeeded {
            good += 1;
            let _ = write!(drawing.good, "M{x} {HEIGHT}V{top}h3V{HEIGHT}z");
        } else if mark.is_bad() {
            bad += 1;
            // Full height with a gap near the foot, like an exclamation mark.
            let foot = HEIGHT - 3;
            let _ = write!(drawing.bad, "M{x} 0h3v11h-3zM{x} {foot}h3v3h-3z");
        } else {
            let middle = HEIGHT - 3;
            let _ = write!(drawing.other, "M{x} {HEIGHT}V{middle}h3V{HEIGHT}z");
        }
    }
    drawing.words = match (shown.len(), bad) {
        (0, _) => "no runs yet".to_owned(),
        (all, 0) if good == all => format!("last {all}: all succeeded"),
        (all, bad) => format!("last {all}: {good} succeeded, {bad} did not"),
    };
    drawing
}

fn length(run: &RecentRun) -> u64 {
    match run.state {
        RunState::Ended { at, .. } => at.since(run.started).as_millis() as u64,
        _ => 0,
    }
}

/// The bars.
#[component]
pub(crate) fn Spark(
    /// The runs, oldest first.
    #[prop(into)]
    recent: Signal<Vec<RecentRun>>,
) -> impl IntoView {
    let drawing = Memo::new(move |_| recent.with(|recent| draw(recent)));
    let part = move |part: fn(&Drawing) -> &String| move || drawing.with(|d| part(d).clone());
    view! {
        <svg
            class="spark"
            viewBox="0 0 120 18"
            width="120"
            height="18"
            role="img"
            aria-label=part(|d| &d.words)
        >
            <path class="spark-base" d="M0 17h119v1H0z" />
            <path class="spark-good" d=part(|d| &d.good) />
            <path class="spark-bad" d=part(|d| &d.bad) />
            <path class="spark-other" d=part(|d| &d.other) />
        </svg>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use saltpeter_protocol::{RunId, RunOutcome, UnixMillis};

    fn run(millis: i64, outcome: RunOutcome) -> RecentRun {
        RecentRun {
            run: RunId::new("a_1").unwrap(),
            state: RunState::Ended {
                at: UnixMillis(sample::NOW.0 + millis),
                outcome,
            },
            started: sample::NOW,
        }
    }

    #[test]
    fn heights_are_durations_and_failures_have_their_own_shape() {
        let drawing = draw(&[
            run(1000, RunOutcome::Succeeded),
            run(500, RunOutcome::Succeeded),
            run(10, RunOutcome::Failed),
        ]);
        assert_eq!(drawing.good, "M108 18V0h3V18zM112 18V8h3V18z");
        assert!(drawing.bad.starts_with("M116 0"));
        assert_eq!(drawing.words, "last 3: 2 succeeded, 1 did not");
        assert_eq!(draw(&[]).words, "no runs yet");
    }
}
