//! The cards of the Job page: what, when, where, and the configuration in force.

use crate::components::rows::Rows;
use crate::components::shown::Shown;
use crate::components::when::When;
use crate::format;
use leptos::either::Either;
use leptos::prelude::*;
use saltpeter_protocol::api::{
    ConfigEntry, DstMark, FireTime, JobDetail, JobRow, TargetRow, TargetVerdict,
};
use std::sync::Arc;

#[component]
pub(super) fn Definition(detail: RwSignal<JobDetail>, row: Memo<Arc<JobRow>>) -> impl IntoView {
    view! {
        <pre class="command" data-testid="command">{move || row.with(|row| row.command.clone())}</pre>
        <p class="weak">
            "Defined in " <code>{move || detail.with(|detail| detail.source.clone())}</code>
        </p>
    }
    .into_any()
}

#[component]
pub(super) fn Upcoming(detail: RwSignal<JobDetail>, row: Memo<Arc<JobRow>>) -> impl IntoView {
    let times = move || detail.with(|detail| detail.upcoming.clone());
    let none = move || detail.with(|detail| detail.upcoming.is_empty());
    view! {
        <p>
            <strong data-testid="schedule">{move || row.with(|row| row.schedule.clone())}</strong>
            <span class="weak">
                " · " <code>{move || detail.with(|detail| detail.expression.clone())}</code> " · "
                {move || detail.with(|detail| detail.timezone.clone())}
            </span>
        </p>
        <Shown
            when=move || !none()
            fallback=|| view! { <p class="empty">"It does not fire again by itself."</p> }
        >
            <ol class="upcoming" data-testid="upcoming">
                <Rows
                    each=times
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
    let note = time.dst.map(|mark| match mark {
        DstMark::MovedByGap => "clocks go forward: moved to the first moment after the gap",
        DstMark::FirstOfTwo => "clocks go back: runs at the first of the two",
    });
    view! {
        <li>
            <code>{time.local.replacen('T', " ", 1)}</code>
            <span class="weak">
                <When at=Some(time.at) />
            </span>
            {note
                .map(|note| {
                    view! {
                        <span class="tag" title=note>
                            "DST"
                        </span>
                        <span class="note">{note}</span>
                    }
                })}
        </li>
    }
    .into_any()
}

fn verdict(verdict: TargetVerdict) -> (&'static str, &'static str, &'static str) {
    match verdict {
        TargetVerdict::Included => ("mark succeeded", "✓", "matches"),
        TargetVerdict::NotMatched => ("mark never", "–", "not matched"),
        TargetVerdict::Maintenance => ("mark maintenance", "⚒\u{fe0e}", "under maintenance"),
        TargetVerdict::Down => ("mark lost", "?", "does not respond"),
    }
}

#[component]
pub(super) fn Preview(detail: RwSignal<JobDetail>) -> impl IntoView {
    let targets =
        move || detail.with(|detail| (detail.row.targets.clone(), detail.row.target_type.clone()));
    let body = move || {
        detail.with(|detail| match &detail.preview {
            Ok(rows) => {
                let (included, others): (Vec<_>, Vec<_>) = rows
                    .iter()
                    .partition(|row| row.verdict == TargetVerdict::Included);
                Either::Left(view! {
                    <p data-testid="matched">
                        {format!("{} of {} can take part.", format::number(included.len() as u64), format::amount(rows.len() as u64, "machine"))}
                    </p>
                    <ul class="targets">
                        {included.into_iter().chain(others).map(target).collect_view()}
                    </ul>
                })
            }
            Err(message) => Either::Right(view! {
                <p class="problem" role="alert">
                    {message.clone()}
                </p>
            }),
        })
    };
    view! {
        <p>
            <code data-testid="targets">{move || targets().0}</code>
            <span class="weak">" · " {move || targets().1}</span>
        </p>
        {move || body()}
    }
    .into_any()
}

fn target(row: &TargetRow) -> impl IntoView + use<> {
    let (class, symbol, word) = verdict(row.verdict);
    view! {
        <li data-state=word>
            <span class=class aria-hidden="true">
                {symbol}
            </span>
            <span>{row.machine.to_string()}</span>
            <span class="weak">{row.reason.clone().unwrap_or_else(|| word.to_owned())}</span>
        </li>
    }
}

#[component]
pub(super) fn Effective(detail: RwSignal<JobDetail>) -> impl IntoView {
    let rows = move || detail.with(|detail| detail.effective.clone());
    view! {
        <div class="table-scroll">
            <table class="settings" data-testid="effective">
                <tbody>
                    <Rows
                        each=rows
                        key=|entry| format!("{}\n{}", entry.key, entry.value)
                        children=|ConfigEntry { key, value }| {
                            view! {
                                <tr>
                                    <th scope="row">
                                        <code>{key}</code>
                                    </th>
                                    <td>
                                        <code class="value">{value}</code>
                                    </td>
                                </tr>
                            }
                        }
                    />
                </tbody>
            </table>
        </div>
    }
    .into_any()
}
