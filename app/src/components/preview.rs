//! What a job would do: its next fire times, and the machines that it is for.

use crate::components::rows::Rows;
use crate::components::shown::Shown;
use crate::components::when::When;
use crate::format;
use leptos::prelude::*;
use saltpeter_protocol::api::{FireTime, TargetRow, TargetVerdict};

/// Machines of one verdict that are listed; the others are counted.
const LISTED: usize = 100;

/// The order in which verdicts are listed.
const ORDER: [TargetVerdict; 4] = [
    TargetVerdict::Included,
    TargetVerdict::Maintenance,
    TargetVerdict::Down,
    TargetVerdict::NotMatched,
];

/// The next fire times.
#[component]
pub(crate) fn FireTimes(
    /// Them, in order.
    #[prop(into)]
    times: Signal<Vec<FireTime>>,
) -> impl IntoView {
    view! {
        <Shown
            when=move || !times.with(Vec::is_empty)
            fallback=|| view! { <p class="empty">"It does not fire again by itself."</p> }
        >
            <ol class="upcoming" data-testid="upcoming" tabindex="0" aria-label="Next times">
                <Rows
                    each=move || times.get()
                    key=|time| time.local.clone()
                    children=|time| view! { <Fire time /> }
                />
            </ol>
        </Shown>
    }
    .into_any()
}

#[component]
fn Fire(time: FireTime) -> impl IntoView {
    view! {
        <li>
            <code>{time.local.replacen('T', " ", 1)}</code>
            <span class="weak">
                <When at=Some(time.at) />
            </span>
            {time
                .dst
                .map(|mark| {
                    view! {
                        <span class="tag">"DST"</span>
                        <span class="note">{mark.sentence()}</span>
                    }
                })}
        </li>
    }
    .into_any()
}

/// The machines, or why they are not known.
#[component]
pub(crate) fn Machines(
    /// Them, or why not.
    #[prop(into)]
    machines: Signal<Result<Vec<TargetRow>, String>>,
    /// How many of those that match a run takes; `None`: all.
    #[prop(into)]
    takes: Signal<Option<u32>>,
) -> impl IntoView {
    move || {
        machines.with(|machines| match machines {
            Ok(rows) => view! {
                <p data-testid="matched">{summary(rows, takes.get())}</p>
                <ul class="targets" tabindex="0" aria-label="Machines">{ORDER.map(|verdict| group(rows, verdict)).collect_view()}</ul>
            }
            .into_any(),
            Err(message) => view! {
                <p class="problem" role="alert">
                    {message.clone()}
                </p>
            }
            .into_any(),
        })
    }
}

fn of(rows: &[TargetRow], verdict: TargetVerdict) -> impl Iterator<Item = &TargetRow> {
    rows.iter().filter(move |row| row.verdict == verdict)
}

fn summary(rows: &[TargetRow], takes: Option<u32>) -> String {
    let matching = of(rows, TargetVerdict::Included).count() as u64;
    let all = format::amount(rows.len() as u64, "machine");
    let chosen = match takes {
        Some(takes) if u64::from(takes) < matching => {
            format!(" A run takes {takes} of them, chosen at random.")
        }
        _ => String::new(),
    };
    format!(
        "{} of {all} can take part.{chosen}",
        format::number(matching)
    )
}

fn group(rows: &[TargetRow], verdict: TargetVerdict) -> Vec<AnyView> {
    let mut views: Vec<AnyView> = of(rows, verdict).take(LISTED).map(machine).collect();
    let more = of(rows, verdict).count().saturating_sub(LISTED);
    if more > 0 {
        let text = format!(
            "and {} more: {}",
            format::number(more as u64),
            verdict.label()
        );
        views.push(view! { <li class="more weak">{text}</li> }.into_any());
    }
    views
}

fn machine(row: &TargetRow) -> AnyView {
    let (class, symbol) = match row.verdict {
        TargetVerdict::Included => ("mark succeeded", "✓"),
        TargetVerdict::NotMatched => ("mark never", "–"),
        TargetVerdict::Maintenance => ("mark maintenance", "⚒\u{fe0e}"),
        TargetVerdict::Down => ("mark lost", "?"),
    };
    let word = row.verdict.label();
    view! {
        <li data-state=word>
            <span class=class aria-hidden="true">
                {symbol}
            </span>
            <span>{row.machine.to_string()}</span>
            <span class="weak">{row.reason.clone().unwrap_or_else(|| word.to_owned())}</span>
        </li>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;
    use saltpeter_protocol::MachineId;

    #[test]
    fn the_summary_tells_of_a_choice_only_where_there_is_one() {
        let row = |name: &str, verdict| TargetRow {
            machine: MachineId::new(name).unwrap(),
            verdict,
            reason: None,
        };
        let rows = [
            row("a", TargetVerdict::Included),
            row("b", TargetVerdict::Included),
            row("c", TargetVerdict::Down),
        ];
        assert_eq!(summary(&rows, None), "2 of 3 machines can take part.");
        assert_eq!(summary(&rows, Some(2)), summary(&rows, None));
        assert_eq!(
            summary(&rows, Some(1)),
            "2 of 3 machines can take part. A run takes 1 of them, chosen at random."
        );
    }
}
