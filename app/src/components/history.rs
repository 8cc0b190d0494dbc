//! The runs of a job: a chart of how long they took and how they ended, and a list.

use super::marks::{Mark, run_word};
use super::run_view::{Cause, counts_text, ended_at};
use super::when::{Lasting, When};
use crate::components::rows::Rows;
use crate::components::shown::Shown;
use crate::format;
use crate::routes;
use leptos::prelude::*;
use saltpeter_protocol::RunState;
use saltpeter_protocol::api::RunSummary;
use std::fmt::Write as _;
use std::time::Duration;

const STEP: u64 = 8;
const HEIGHT: u64 = 72;
/// Room for the shape above a run that did not end well.
const ROOM: u64 = 8;

fn took(run: &RunSummary) -> Option<Duration> {
    ended_at(run).map(|at| at.since(run.created))
}

/// The duration below which this share of the runs stayed; runs that never began do not count.
fn percentile(runs: &[RunSummary], share: f64) -> Option<Duration> {
    let mut lengths: Vec<Duration> = runs
        .iter()
        .filter(|run| run.counts.total > 0)
        .filter_map(took)
        .collect();
    lengths.sort_unstable();
    let last = lengths.len().checked_sub(1)?;
    lengths.get((last as f64 * share).round() as usize).copied()
}

/// Chart and list.
#[component]
pub(crate) fn History(
    /// The runs, newest first.
    #[prop(into)]
    runs: Signal<Vec<RunSummary>>,
) -> impl IntoView {
    let none = move || runs.with(Vec::is_empty);
    view! {
        <section class="card history">
            <h2>"History"</h2>
            <Shown when=move || !none() fallback=|| view! { <p class="empty">"It has never run."</p> }>
                <Chart runs />
                <div class="table-scroll">
                    <table class="runs" data-testid="history">
                        <thead>
                            <tr>
                                <th>"Run"</th>
                                <th>"State"</th>
                                <th>"Begun"</th>
                                <th>"Took"</th>
                                <th>"Cause"</th>
                                <th>"Machines"</th>
                            </tr>
                        </thead>
                        <tbody>
                            <Rows
                                each=move || runs.get()
                                key=run_key
                                children=|run| view! { <HistoryRow run /> }
                            />
                        </tbody>
                    </table>
                </div>
            </Shown>
        </section>
    }
    .into_any()
}

/// The key of a run's row, which is drawn anew when anything in it has changed.
pub(crate) fn run_key(run: &RunSummary) -> String {
    format!(
        "{} {} {}",
        run.id,
        run_word(&run.state),
        counts_text(&run.counts)
    )
}

#[component]
fn HistoryRow(run: RunSummary) -> impl IntoView {
    let mark = Mark::of_run(&run.state);
    view! {
        <tr data-testid="history-row" data-state=run_word(&run.state)>
            <td class="col-run">
                <a href=routes::run_page(&run.id)>{run.id.to_string()}</a>
            </td>
            <td class="col-state">
                <span class="state">
                    <span class=mark.class() aria-hidden="true">
                        {mark.symbol()}
                    </span>
                    {run_word(&run.state)}
                </span>
            </td>
            <td class="col-begun">
                <When at=Some(run.created) />
            </td>
            <td class="col-took">
                <Lasting from=Some(run.created) to=ended_at(&run) />
            </td>
            <td class="col-cause weak">
                <Cause cause=run.cause.clone() />
            </td>
            <td class="col-machines weak">{counts_text(&run.counts)}</td>
        </tr>
    }
    .into_any()
}

#[component]
fn Chart(runs: Signal<Vec<RunSummary>>) -> impl IntoView {
    let content = move || {
        runs.with(|runs| {
            let longest = runs
                .iter()
                .filter_map(took)
                .max()
                .unwrap_or_default()
                .as_millis()
                .max(1);
            let y = |length: Duration| {
                HEIGHT - (length.as_millis() * u128::from(HEIGHT - ROOM) / longest) as u64
            };
            let width = runs.len() as u64 * STEP;
            let bars = runs
                .iter()
                .rev()
                .enumerate()
                .map(|(i, run)| bar(i as u64, run, took(run).map_or(HEIGHT - ROOM, y)))
                .collect_view();
            let (half, most) = (percentile(runs, 0.5), percentile(runs, 0.95));
            let rule = |class: &'static str, length: Option<Duration>| {
                length.map(|length| {
                    let y = y(length);
                    view! { <line class=class x1="0" x2=width y1=y y2=y /> }
                })
            };
            let text =
                |length: Option<Duration>| length.map_or_else(|| "–".to_owned(), format::duration);
            view! {
                <figure class="chart" data-testid="chart">
                    // Said in words below, and run by run in the table; the keyboard need not go through it twice.
                    <svg
                        viewBox=format!("0 0 {} {HEIGHT}", width.max(STEP * 30))
                        preserveAspectRatio="xMinYMax meet"
                        aria-hidden="true"
                    >
                        {bars}
                        {rule("rule-half", half)}
                        {rule("rule-most", most)}
                    </svg>
                    <figcaption>
                        <span>
                            {key("rule-half")} <b>"p50"</b>" "
                            {text(half)}
                        </span>
                        <span>
                            {key("rule-most")} <b>"p95"</b>" "
                            {text(most)}
                        </span>
                        <span>
                            <b>"longest"</b>" "
                            {text(runs.iter().filter_map(took).max())}
                        </span>
                        <span class="weak">{words(runs)}</span>
                    </figcaption>
                </figure>
            }
        })
    };
    view! { {move || content()} }
}

/// A piece of the line that it explains.
fn key(class: &'static str) -> impl IntoView {
    view! {
        <svg class="key" viewBox="0 0 16 4" width="16" height="4" aria-hidden="true">
            <line class=class x1="0" x2="16" y1="2" y2="2" />
        </svg>
    }
}

/// The chart in words: "the newest 100 runs: 95 succeeded, 3 failed, 2 killed".
fn words(runs: &[RunSummary]) -> String {
    let mut counts: Vec<(&'static str, u64)> = Vec::new();
    for run in runs {
        let word = run_word(&run.state);
        match counts.iter_mut().find(|(known, _)| *known == word) {
            Some((_, count)) => *count += 1,
            None => counts.push((word, 1)),
        }
    }
    let mut text = format!("the newest {}:", format::amount(runs.len() as u64, "run"));
    for (at, (word, count)) in counts.iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        // Writing into a String cannot fail.
        let _ = write!(text, "{comma} {} {word}", format::number(*count));
    }
    text
}

fn bar(index: u64, run: &RunSummary, top: u64) -> impl IntoView + use<> {
    let x = index * STEP;
    let height = (HEIGHT - top).max(2);
    let mark = Mark::of_run(&run.state);
    let title = match &run.state {
        RunState::Ended { .. } => format!(
            "{}: {} after {}",
            run.id,
            run_word(&run.state),
            format::duration(took(run).unwrap_or_default())
        ),
        _ => format!("{}: {}", run.id, run_word(&run.state)),
    };
    view! {
        <a href=routes::run_page(&run.id) tabindex="-1">
            <title>{title}</title>
            <rect
                class=format!("bar {}", mark.class())
                x=x
                y=HEIGHT - height
                width=STEP - 2
                height=height
            />
            {shape(mark)
                .map(|shape| {
                    let (x, y) = (x + 1, HEIGHT - height - 6);
                    view! { <path class=format!("cross {}", mark.class()) d=format!("M{x} {y}{shape}") /> }
                })}
        </a>
    }
    .into_any()
}

/// What stands above the bar of a run that did not end well, four wide and four high: no two outcomes differ by their
/// colour alone.
fn shape(mark: Mark) -> Option<&'static str> {
    Some(match mark {
        Mark::Failed => "l4 4m0 -4l-4 4",
        Mark::TimedOut => "h4m-2 0v4",
        Mark::Lost => "m2 0a2 2 0 1 0 .01 0",
        Mark::Killed => "m4 0l-4 4",
        Mark::Maintenance | Mark::Skipped => "m0 2h4",
        Mark::Running | Mark::Waiting => "m0 1l2 2l2 -2",
        Mark::Succeeded | Mark::Never => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use saltpeter_protocol::{RunOutcome, UnixMillis};

    #[test]
    fn the_chart_is_told_in_words() {
        let run = |outcome| {
            let at = sample::NOW;
            sample::summary("a_1", RunState::Ended { at, outcome })
        };
        let runs = [
            run(RunOutcome::Succeeded),
            run(RunOutcome::Failed),
            run(RunOutcome::Succeeded),
        ];
        assert_eq!(words(&runs), "the newest 3 runs: 2 succeeded, 1 failed");
    }

    #[test]
    fn percentiles_are_of_runs_that_began() {
        let run = |seconds: i64, total| {
            let state = RunState::Ended {
                at: UnixMillis(sample::NOW.0 + seconds * 1000),
                outcome: RunOutcome::Succeeded,
            };
            let mut run = sample::summary("a_1", state);
            run.counts.total = total;
            run
        };
        let runs: Vec<_> = (1..=101)
            .map(|s| run(s, 1))
            .chain([run(9_999, 0)])
            .collect();
        assert_eq!(percentile(&runs, 0.5), Some(Duration::from_secs(51)));
        assert_eq!(percentile(&runs, 0.95), Some(Duration::from_secs(96)));
        assert_eq!(percentile(&[], 0.5), None);
    }
}
