//! The cards of the Job page: what, when, where, and the configuration in force.

use crate::components::preview::{FireTimes, Machines};
use crate::components::rows::Rows;
use leptos::prelude::*;
use saltpeter_protocol::api::{ConfigEntry, JobDetail, JobRow};
use std::sync::Arc;

#[component]
pub(super) fn Definition(detail: RwSignal<JobDetail>, row: Memo<Arc<JobRow>>) -> impl IntoView {
    view! {
        <pre class="command" data-testid="command" tabindex="0">{move || row.with(|row| row.command.clone())}</pre>
        <p class="weak">
            "Defined in " <code>{move || detail.with(|detail| detail.source.clone())}</code>
        </p>
    }
    .into_any()
}

#[component]
pub(super) fn Upcoming(detail: RwSignal<JobDetail>, row: Memo<Arc<JobRow>>) -> impl IntoView {
    view! {
        <p>
            <strong data-testid="schedule">{move || row.with(|row| row.schedule.clone())}</strong>
            <span class="weak">
                " · " <code>{move || detail.with(|detail| detail.expression.clone())}</code> " · "
                {move || detail.with(|detail| detail.timezone.clone())}
            </span>
        </p>
        <FireTimes times=Signal::derive(move || detail.with(|detail| detail.upcoming.clone())) />
    }
    .into_any()
}

#[component]
pub(super) fn Preview(detail: RwSignal<JobDetail>) -> impl IntoView {
    let targets =
        move || detail.with(|detail| (detail.row.targets.clone(), detail.row.target_type.clone()));
    view! {
        <p>
            <code data-testid="targets">{move || targets().0}</code>
            <span class="weak">" · " {move || targets().1}</span>
        </p>
        <Machines
            machines=Signal::derive(move || detail.with(|detail| detail.preview.clone()))
            takes=Signal::derive(move || detail.with(|detail| detail.takes))
        />
    }
    .into_any()
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
