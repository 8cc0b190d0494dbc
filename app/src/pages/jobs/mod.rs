//! The Jobs page: every job in one table.

mod columns;
mod filter;
pub(crate) mod query;
mod row;
mod selection;

use super::Loaded;
use crate::components::problems::ProblemList;
use crate::components::rows::Rows;
use crate::components::shown::Shown;
use crate::components::window::{STEPS, rows, seen, toward};
use crate::first::{FIRST_ROWS, use_first};
use crate::format;
use crate::live::{Live, Picture, use_live};
use crate::typing::Changes;
use columns::{default_columns, stored_columns};
use filter::Filter;
use leptos::html;
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_location, use_navigate};
use query::JobQuery;
use row::Row;
use saltpeter_protocol::api::Severity;
use selection::Selection;
use std::sync::Arc;
use std::time::Duration;

/// Height of a row until it has been measured, in CSS pixels.
const ROW: f64 = 36.0;

/// Without a further move for so long, scrolling is over.
const SCROLL_ENDS: Duration = Duration::from_millis(150);

/// The page.
#[component]
pub(crate) fn JobsPage() -> impl IntoView {
    let search = use_location().search;
    let query = Memo::new(move |_| search.with(|search| JobQuery::parse(search)));
    let navigate = use_navigate();
    let go = Callback::new(move |query: JobQuery| {
        let options = NavigateOptions {
            replace: true,
            scroll: false,
            ..NavigateOptions::default()
        };
        navigate(&query.address(), options);
    });
    let show = move |_| view! { <Content query go /> }.into_any();
    view! {
        <Title text="Jobs · Saltpeter" />
        <div class="page jobs-page">
            <h1 class="hidden">"Jobs"</h1>
            <Loaded what="jobs" page=use_first() show />
        </div>
    }
    .into_any()
}

#[component]
fn Content(query: Memo<JobQuery>, go: Callback<JobQuery>) -> impl IntoView {
    let live = use_live();
    let problems = Signal::derive(move || {
        let errors = live.problems();
        let errors = errors
            .iter()
            .filter(|problem| problem.severity == Severity::Error)
            .cloned();
        Arc::new(errors.collect::<Vec<_>>())
    });
    let empty = Memo::new(move |_| live.totals().jobs == 0);
    view! {
        <Shown when=move || problems.with(|problems| !problems.is_empty())>
            <section class="invalid" aria-label="Configuration errors">
                <h2>
                    {move || {
                        let count = problems.with(|problems| problems.len()) as u64;
                        format!("{} in the configuration", format::amount(count, "error"))
                    }}
                </h2>
                <ProblemList problems />
            </section>
        </Shown>
        <Shown when=move || !empty.get() fallback=Empty>
            <JobTable query go />
        </Shown>
    }
    .into_any()
}

/// What somebody sees who has no jobs yet.
#[component]
fn Empty() -> impl IntoView {
    view! {
        <section class="empty-state" data-testid="empty">
            <h2>"No jobs yet"</h2>
            <p>"Put a file like this one into the configuration directory. It is noticed within a second."</p>
            <pre class="command">
                "hello:\n  schedule: '*/5 * * * *'\n  command: echo hello from $(hostname)\n  targets: '*'\n"
            </pre>
            <p>
                "Or " <a href="/import" data-testid="import-link">"import a crontab"</a>
                <span class="for-admins">
                    ", or " <a href="/new-job">"write a job here"</a>
                </span>
                "."
            </p>
            <p>
                "What went wrong with a file, if anything does, stands on the "
                <a href="/config">"Config page"</a> "."
            </p>
        </section>
    }
    .into_any()
}

/// The jobs that are shown, as of a picture.
#[derive(Default)]
struct Selected {
    selection: Selection,
    picture: Option<Picture>,
}

/// Brings `kept` up to date. The second is whether anything is to be drawn for it.
fn select(live: Live, query: JobQuery, kept: Option<Selected>) -> (Selected, bool) {
    let kept = kept.filter(|kept| *kept.selection.query() == query);
    let seen = kept.as_ref().and_then(|kept| kept.picture);
    let followed = live.follow_jobs(seen, |jobs, picture, changed| {
        if let (Some(mut kept), Some(changed)) = (kept, changed) {
            kept.picture = picture;
            let moved = kept.selection.follow(jobs, changed);
            return (kept, moved);
        }
        let selection = Selection::new(query, jobs);
        (Selected { selection, picture }, true)
    });
    followed.unwrap_or_default()
}

#[component]
fn JobTable(query: Memo<JobQuery>, go: Callback<JobQuery>) -> impl IntoView {
    let live = use_live();
    let columns = RwSignal::new(default_columns());
    let selected = Memo::new_owning(move |kept| select(live, query.get(), kept));
    let count = move || selected.with(|selected| selected.selection.len());
    let scroll = NodeRef::<html::Div>::new();
    // Where the table is scrolled to, the height of its window and of a row; nothing on the server
    // and until this page has come to life, when the first rows are drawn whatever the window.
    let window = RwSignal::new(None::<(f64, f64, f64)>);
    // What turns stands still meanwhile: a frame has enough to do then.
    let (scrolls, scrolling) = (Changes::new(), RwSignal::new(false));
    let measure = move || {
        if let Some(scroll) = scroll.get_untracked() {
            let row = scroll
                .query_selector("tbody tr[data-row]")
                .ok()
                .flatten()
                .map_or(ROW, |row| row.get_bounding_client_rect().height());
            let seen = (
                f64::from(scroll.scroll_top()),
                f64::from(scroll.client_height()),
                row.max(20.0),
            );
            if window.get_untracked() != Some(seen) {
                window.set(Some(seen));
            }
        }
    };
    Effect::new(move || {
        if let Some(kept) = stored_columns() {
            columns.set(kept);
        }
        measure();
        let resized = window_event_listener(leptos::ev::resize, move |_| measure());
        on_cleanup(move || resized.remove());
    });
    let wanted = Memo::new(move |_| match window.get() {
        None => (0, count().min(FIRST_ROWS)),
        Some((top, height, row)) => rows(top, height, row, count()),
    });
    let steps = RwSignal::new(0_u32);
    let drawn = Memo::new(move |before: Option<&(usize, usize)>| {
        steps.track();
        match (before, window.get()) {
            (Some(before), Some((top, height, row))) => {
                toward(*before, wanted.get(), seen(top, height, row, count()))
            }
            _ => wanted.get(),
        }
    });
    Effect::new(move || {
        let taken = steps.get();
        if drawn.get() != wanted.get() {
            let step = move || {
                // The page may be gone by then.
                let _ = steps.try_set(taken.wrapping_add(1));
            };
            if taken.is_multiple_of(STEPS) {
                request_animation_frame(step);
            } else {
                queue_microtask(step);
            }
        }
    });
    let shown = move || {
        let (from, to) = drawn.get();
        selected.with(|selected| selected.selection.names(from, to))
    };
    let row_height = move || window.get().map_or(ROW, |(_, _, row)| row);
    let space_before = move || {
        format!(
            "height:{}",
            format::pixels(drawn.get().0 as f64 * row_height())
        )
    };
    let space_after = move || {
        let rest = count().saturating_sub(drawn.get().1);
        format!("height:{}", format::pixels(rest as f64 * row_height()))
    };
    let width = move || columns.with(Vec::len) + 2;
    let none = move || count() == 0;
    view! {
        <Filter query shown=count go columns />
        <div
            class="table-scroll"
            node_ref=scroll
            data-testid="job-table"
            class:scrolling=move || scrolling.get()
            on:scroll=move |_| {
                measure();
                if !scrolling.get_untracked() {
                    scrolling.set(true);
                }
                scrolls.next().rested(SCROLL_ENDS, move || scrolling.set(false));
            }
        >
            <table class="jobs" aria-rowcount=move || count()>
                <thead>
                    <tr>
                        <Head key="name" title="Name" query go />
                        <Rows
                            each=move || columns.get()
                            key=|column| column.key.to_owned()
                            children=move |column| {
                                view! { <Head key=column.key title=column.title query go /> }
                            }
                        />
                        <th class="col-actions">
                            <span class="hidden">"Actions"</span>
                        </th>
                    </tr>
                </thead>
                <tbody>
                    <tr class="space" aria-hidden="true">
                        <td colspan=move || width() style=move || space_before()></td>
                    </tr>
                    <Rows
                        each=shown
                        key=|name| name.to_string()
                        children=move |name| view! { <Row name columns /> }
                    />
                    <tr class="space" aria-hidden="true">
                        <td colspan=move || width() style=move || space_after()></td>
                    </tr>
                </tbody>
            </table>
            <Shown when=none>
                <p class="empty">
                    "No job matches. " <a href="/">"Show all"</a>
                </p>
            </Shown>
        </div>
    }
    .into_any()
}

#[component]
fn Head(
    key: &'static str,
    title: &'static str,
    query: Memo<JobQuery>,
    go: Callback<JobQuery>,
) -> impl IntoView {
    if key == "recent" {
        return view! { <th class="col-recent">{title}</th> }.into_any();
    }
    let order = move || query.with(|query| query.order_of(key));
    let arrow = move || match order() {
        "ascending" => " ▲",
        "descending" => " ▼",
        _ => "",
    };
    // A link, so that the order can be changed without JavaScript too.
    let href = move || query.with(|query| query.sorted_by(key).address());
    let sort = move |event: leptos::ev::MouseEvent| {
        if !event.ctrl_key() && !event.meta_key() && !event.shift_key() {
            event.prevent_default();
            go.run(query.with_untracked(|query| query.sorted_by(key)));
        }
    };
    view! {
        <th class=format!("col-{key}") aria-sort=move || order()>
            <a href=move || href() on:click=sort>
                {title}
                <span class="arrow" aria-hidden="true">
                    {move || arrow()}
                </span>
            </a>
        </th>
    }
    .into_any()
}
