//! The Runs page: the runs of all jobs, newest first, narrowed by what the address says.

pub(crate) mod filter;
mod row;

use super::Loaded;
use crate::chunk::Part;
use crate::client;
use crate::components::rows::Rows;
use crate::components::shown::Shown;
use crate::format;
use crate::live::use_live;
use crate::query::{Asked, asked_of};
use filter::Filter;
use leptos::prelude::*;
use leptos::wasm_split::wasm_split;
use leptos_meta::Title;
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;
use row::{Row, key};
use saltpeter_protocol::api::{ApiError, RunList};

/// How often the list is read again while runs begin and end, in milliseconds.
const READ_EVERY: i64 = 2_000;

/// Where the page is.
const PATH: &str = "/runs";

/// The page, in a chunk of its own.
#[wasm_split(runs, wasm_split_path = leptos::wasm_split, preload(load), fallible)]
pub(crate) fn page() -> Part {
    Ok(RunsPage().into_any())
}

#[component]
fn RunsPage() -> impl IntoView {
    let asked = asked_of(PATH);
    // A filter that there is none of is no reason to show no page, so what is wrong with it is part of the answer.
    let list = Resource::new(
        || (),
        move |()| {
            let runs = client::runs(asked.get_untracked());
            async move { Ok::<_, ApiError>(runs.await) }
        },
    );
    let show = move |first| view! { <Content asked first /> }.into_any();
    view! {
        <Title text="Runs · Saltpeter" />
        <div class="page runs-page">
            <h1>"Runs"</h1>
            <Loaded what="list of runs" page=list show />
        </div>
    }
    .into_any()
}

#[component]
fn Content(asked: Memo<Asked>, first: Result<RunList, ApiError>) -> impl IntoView {
    let live = use_live();
    let navigate = use_navigate();
    let list = RwSignal::new(first);
    let go = Callback::new(move |asked: Asked| {
        let options = NavigateOptions {
            scroll: false,
            ..NavigateOptions::default()
        };
        // Whatever is changed, one begins with the newest.
        navigate(&asked.with("before", "").address(PATH), options);
    });
    // The socket tells that something has happened; what the list makes of it is asked for, and not too often.
    let stale = StoredValue::new(false);
    Effect::new(move |before: Option<()>| {
        // Read, not only tracked: what nobody reads is never computed.
        live.with_jobs(|_| ());
        stale.set_value(before.is_some());
    });
    let beat = Memo::new(move |_| live.now().0 / READ_EVERY);
    Effect::new(move |before: Option<Asked>| {
        beat.get();
        let now = asked.get();
        let is_other = before.is_some_and(|before| before != now);
        if is_other || stale.get_value() {
            stale.set_value(false);
            read(asked, list);
        }
        now
    });
    let runs = move || {
        list.with(|list| {
            list.as_ref()
                .map_or_else(|_| Vec::new(), |l| l.runs.clone())
        })
    };
    let problem = move || list.with(|list| list.as_ref().err().map(|error| error.message.clone()));
    let older = move || {
        let older = list.with(|list| list.as_ref().ok().and_then(|list| list.older));
        older.map(|older| asked.get().with("before", &older.to_string()).address(PATH))
    };
    let is_first = move || asked.with(|asked| asked.get("before").is_empty());
    let none = move || list.with(|list| list.as_ref().is_ok_and(|list| list.runs.is_empty()));
    view! {
        <Filter asked go />
        <Shown when=move || problem().is_some()>
            <p class="problem" role="alert" data-testid="runs-problem">
                {move || problem()}
            </p>
        </Shown>
        <Shown when=move || none()>
            <section class="empty-state" data-testid="no-runs">
                <h2>"No runs"</h2>
                <p>
                    {move || {
                        if asked.with(Asked::is_empty) {
                            "Nothing has run yet."
                        } else {
                            "No run that is kept is like that."
                        }
                    }}
                </p>
            </section>
        </Shown>
        <Shown when=move || !runs().is_empty()>
            <section class="card">
                <div class="table-scroll">
                    <table class="runs" data-testid="runs">
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
                                each=move || runs()
                                key=key
                                children=move |run| view! { <Row run asked /> }
                            />
                        </tbody>
                    </table>
                </div>
            </section>
        </Shown>
        <p class="buttons">
            <Shown when=move || !is_first()>
                <a
                    class="button"
                    data-testid="newest"
                    href=move || asked.get().with("before", "").address(PATH)
                >
                    "Newest"
                </a>
            </Shown>
            <Shown when=move || older().is_some()>
                <a class="button" rel="next" data-testid="older" href=move || older()>
                    "Older"
                </a>
            </Shown>
            <span class="weak" data-testid="runs-shown">
                {move || match runs().len() as u64 {
                    0 => String::new(),
                    shown => format!("{} on this page", format::amount(shown, "run")),
                }}
            </span>
        </p>
    }
    .into_any()
}

/// Reads the list again, and puts it in unless something else is asked for by then.
fn read(asked: Memo<Asked>, list: RwSignal<Result<RunList, ApiError>>) {
    leptos::task::spawn_local(async move {
        let for_this = asked.get_untracked();
        let new = client::runs(for_this.clone()).await;
        let is_wanted = asked.try_get_untracked() == Some(for_this);
        if is_wanted && list.try_with_untracked(|list| *list != new) == Some(true) {
            list.set(new);
        }
    });
}
