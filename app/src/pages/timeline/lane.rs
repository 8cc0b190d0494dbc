//! A lane: bars of what ran, ticks of what is due, bands of maintenance.

use super::bands;
use crate::components::marks::Mark;
use crate::format;
use crate::live::use_live;
use crate::query::Asked;
use crate::routes;
use leptos::prelude::*;
use saltpeter_protocol::api::{Band, Bar, Held, Lane, LaneBy, OutcomeKind, Timeline};
use saltpeter_protocol::{JobName, MachineId, UnixMillis};
use std::fmt::Write as _;

/// A lane and what it is drawn within.
#[derive(Clone)]
pub(super) struct Drawn {
    lane: Lane,
    by: LaneBy,
    /// What was under maintenance of it.
    bands: Vec<Band>,
    span: (UnixMillis, UnixMillis),
    now: UnixMillis,
}

/// The lanes of `timeline`.
pub(super) fn drawn(timeline: &Timeline, by: LaneBy) -> Vec<Drawn> {
    let lanes = timeline.lanes.iter();
    let drawn = lanes.map(|lane| Drawn {
        lane: lane.clone(),
        by,
        bands: {
            let bands = timeline.maintenance.iter();
            let its = bands.filter(|band| lane.is_under(&band.held, by));
            its.cloned().collect()
        },
        span: (timeline.from, timeline.to),
        now: timeline.now,
    });
    drawn.collect()
}

/// Lanes are drawn anew when anything in them has changed.
pub(super) fn key(drawn: &Drawn) -> String {
    let Drawn {
        lane, bands, span, ..
    } = drawn;
    let mut key = format!("{} {} {}", lane.name, span.0.0, span.1.0);
    // Writing into a String cannot fail.
    for bar in &lane.bars {
        let _ = write!(key, " {} {}", bar.to.0, bar.outcome.as_str());
    }
    for at in &lane.due {
        let _ = write!(key, " {}", at.0);
    }
    for band in bands {
        let to = band.to.unwrap_or(drawn.now);
        let _ = write!(key, " {} {}", bands::key(band), to.0);
    }
    key.push_str(if lane.maintenance { "m" } else { "" });
    key
}

fn mark(outcome: OutcomeKind) -> Mark {
    match outcome {
        OutcomeKind::Running => Mark::Running,
        OutcomeKind::Succeeded => Mark::Succeeded,
        OutcomeKind::Failed | OutcomeKind::NoTargets | OutcomeKind::ResolveFailed => Mark::Failed,
        OutcomeKind::TimedOut => Mark::TimedOut,
        OutcomeKind::Killed => Mark::Killed,
        OutcomeKind::Lost => Mark::Lost,
        OutcomeKind::Maintenance => Mark::Maintenance,
        OutcomeKind::SkippedOverlap | OutcomeKind::Missed => Mark::Skipped,
    }
}

/// The lane. Its bars are placed within `span`, which the style sheet places within what is shown.
#[component]
pub(super) fn LaneRow(drawn: Drawn) -> impl IntoView {
    let live = use_live();
    let Drawn {
        lane,
        by,
        bands,
        span,
        now,
    } = drawn;
    let by_machine = by == LaneBy::Machine;
    let length = (span.1.0 - span.0.0).max(1) as f64;
    let percent = move |at: UnixMillis| (at.0 - span.0.0) as f64 * 100.0 / length;
    let name = lane.name.clone();
    let href = if by_machine {
        Asked::default().with("machine", &name).address("/runs")
    } else {
        JobName::new(name.as_str()).map_or_else(|_| "/".to_owned(), |job| routes::job_page(&job))
    };
    let machine = MachineId::new(name.as_str()).ok().filter(|_| by_machine);
    let bar = move |bar: Bar| {
        let left = percent(bar.from).max(0.0);
        let width = (percent(bar.to) - left).max(0.0);
        let mark = mark(bar.outcome);
        let href = match &machine {
            Some(machine) => routes::machine_page(&bar.run, machine),
            None => routes::run_page(&bar.run),
        };
        let what = match bar.runs {
            1 => format!("{}: {}", bar.run, bar.outcome.label()),
            runs => format!(
                "{}, the worst {}; the newest is {}",
                format::amount(u64::from(runs), "run"),
                bar.outcome.label(),
                bar.run
            ),
        };
        let (from, to) = (bar.from, bar.to);
        // Said once: to follow a change of the zone is not worth a listener for each of so many.
        let begun = untrack(|| live.absolute(from));
        let title = format!("{what}\n{begun}, {}", format::duration(to.since(from)));
        view! {
            <a
                class=format!("span {}", mark.class())
                data-testid="timeline-bar"
                data-outcome=bar.outcome.as_str()
                href=href
                title=title.clone()
                aria-label=title
                style=format!("left:{}%;width:{}%", format::decimal(left), format::decimal(width))
            ></a>
        }
    };
    let due = move |at: UnixMillis| {
        view! {
            <span
                class="due"
                title=untrack(|| format!("due {}", live.absolute(at)))
                style=format!("left:{}%", format::decimal(percent(at)))
            ></span>
        }
    };
    let band = move |band: Band| {
        let left = percent(band.from).max(0.0);
        let width = (percent(band.to.unwrap_or(now)).min(100.0) - left).max(0.0);
        let words = untrack(|| bands::words(&band, now, |at| live.absolute(at)));
        let of_all = band.held == Held::Everything;
        view! {
            <span
                class=if of_all { "band of-everything" } else { "band" }
                data-testid="timeline-band"
                title=format!("{}\n{words}", bands::name(&band.held))
                style=format!("left:{}%;width:{}%", format::decimal(left), format::decimal(width))
            ></span>
        }
    };
    let bands = bands.into_iter().map(band).collect_view();
    let dues = lane.due.into_iter().map(due).collect_view();
    let bars = lane.bars.into_iter().map(bar).collect_view();
    view! {
        <div class="lane" data-testid="timeline-lane" data-lane=lane.name>
            <span class="lane-name">
                <a href=href title=name.clone()>
                    {name.clone()}
                </a>
                {lane
                    .maintenance
                    .then(|| {
                        view! {
                            <span class="mark maintenance" role="img" aria-label="under maintenance">
                                "⚒\u{fe0e}"
                            </span>
                        }
                    })}
            </span>
            <div class="track">
                <div class="layer">{bands} {dues} {bars}</div>
            </div>
        </div>
    }
    .into_any()
}
