//! What stands above the table: the filter, the choice of columns, the counters.

use super::columns::{COLUMNS, Column, store_columns};
use super::query::{JobQuery, StatusFilter};
use crate::components::rows::Rows;
use crate::format;
use crate::live::use_live;
use leptos::prelude::*;

#[component]
pub(super) fn Filter(
    query: Memo<JobQuery>,
    /// How many of the jobs that are here it leaves.
    #[prop(into)]
    shown: Signal<usize>,
    go: Callback<JobQuery>,
    columns: RwSignal<Vec<Column>>,
) -> impl IntoView {
    let live = use_live();
    let change = move |change: &dyn Fn(&mut JobQuery)| {
        let mut next = query.get_untracked();
        change(&mut next);
        go.run(next);
    };
    let groups = Memo::new(move |_| live.groups());
    let totals = Memo::new(move |_| live.totals());
    let shown = move || live.first_selected().unwrap_or_else(|| shown.get());
    let counters = move || {
        let totals = totals.get();
        let all = format::amount(totals.jobs, "job");
        let jobs = if query.with(JobQuery::shows_all) {
            all
        } else {
            format!("{} of {all}", format::number(shown() as u64))
        };
        format!(
            "{jobs} · {} running · {} failed",
            format::number(totals.running),
            format::number(totals.failed)
        )
    };
    view! {
        <form
            class="filter"
            method="get"
            action="/"
            role="search"
            // What a browser puts into it when one comes back would count as changed by a person.
            autocomplete="off"
            // What is typed counts at once; sent too, it would load the page anew.
            on:submit=|event| event.prevent_default()
        >
            <input
                type="search"
                name="q"
                placeholder="Filter name, command, target…"
                aria-label="Filter jobs"
                autocomplete="off"
                data-key="/"
                data-testid="filter"
                value=query.get_untracked().text
                prop:value=move || query.with(|query| query.text.clone())
                on:input=move |event| {
                    let text = event_target_value(&event);
                    change(&|query| query.text.clone_from(&text));
                }
            />
            <select
                name="group"
                aria-label="Group"
                data-testid="filter-group"
                // Of an option that somebody has chosen once, browsers do not look at `selected` any more.
                prop:value=move || query.with(|query| query.group.clone())
                on:change=move |event| {
                    let group = event_target_value(&event);
                    change(&|query| query.group.clone_from(&group));
                }
            >
                <option value="" selected=move || query.with(|query| query.group.is_empty())>
                    "all groups"
                </option>
                <Rows
                    each=move || groups.get()
                    key=|group| group.clone()
                    children=move |group| {
                        let is = group.clone();
                        let selected = move || query.with(|query| query.group == is);
                        view! {
                            <option value=group.clone() selected=move || selected()>
                                {group.clone()}
                            </option>
                        }
                    }
                />
            </select>
            <select
                name="status"
                aria-label="Status"
                data-testid="filter-status"
                prop:value=move || query.with(|query| query.status.map_or("", StatusFilter::word))
                on:change=move |event| {
                    let word = event_target_value(&event);
                    let status = StatusFilter::ALL.into_iter().find(|s| s.word() == word);
                    change(&|query| query.status = status);
                }
            >
                <option value="" selected=move || query.with(|query| query.status.is_none())>
                    "any status"
                </option>
                {StatusFilter::ALL
                    .map(|status| {
                        view! {
                            <option
                                value=status.word()
                                selected=move || query.with(|query| query.status == Some(status))
                            >
                                {status.word()}
                            </option>
                        }
                    })
                    .collect_view()}
            </select>
            <label class="check">
                <input
                    type="checkbox"
                    name="running"
                    value="1"
                    data-testid="filter-running"
                    checked=query.get_untracked().running
                    prop:checked=move || query.with(|query| query.running)
                    on:change=move |event| {
                        let running = event_target_checked(&event);
                        change(&|query| query.running = running);
                    }
                />
                "running only"
            </label>
            <Chooser columns />
            <button type="submit" class="without-script">
                "Filter"
            </button>
            <a class="button quiet for-admins" href="/new-job" data-testid="new-job">
                "New job"
            </a>
            <span class="counters" data-testid="counters">
                {move || counters()}
            </span>
        </form>
    }
    .into_any()
}

#[component]
fn Chooser(columns: RwSignal<Vec<Column>>) -> impl IntoView {
    let turn = move |column: Column, on: bool| {
        columns.update(|columns| {
            let chosen: Vec<Column> = COLUMNS
                .into_iter()
                .filter(|other| {
                    if *other == column {
                        on
                    } else {
                        columns.contains(other)
                    }
                })
                .collect();
            *columns = chosen;
        });
        columns.with_untracked(|columns| store_columns(columns));
    };
    view! {
        <details class="chooser" data-testid="columns">
            <summary>"Columns"</summary>
            <div class="menu">
                {COLUMNS
                    .map(|column| {
                        view! {
                            <label class="check">
                                <input
                                    type="checkbox"
                                    checked=!column.from_config
                                    prop:checked=move || {
                                        columns.with(|columns| columns.contains(&column))
                                    }
                                    on:change=move |event| turn(column, event_target_checked(&event))
                                />
                                {column.title}
                            </label>
                        }
                    })
                    .collect_view()}
            </div>
        </details>
    }
    .into_any()
}
