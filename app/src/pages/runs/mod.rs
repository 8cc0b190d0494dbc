//! The Runs page: the runs of all jobs, newest first, narrowed by what the address says.

mod filter;
mod row;

use super::Loaded;
use crate::chunk::Part;
use crate::client;
use crate::components::history::run_key;
use crate::components::rows::Rows;
use crate::components::shown::Shown;
use crate::format;
use crate::query::{Asked, asked_of};
use crate::reading::{self, Answered, Back, Refused, refused};
use filter::Filter;
use leptos::prelude::*;
use leptos::wasm_split::wasm_split;
use leptos_meta::Title;
use row::Row;
use saltpeter_protocol::api::RunList;

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
    let list = reading::begin(asked, client::runs);
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
fn Content(asked: Memo<Asked>, first: Answered<RunList>) -> impl IntoView {
    let list = RwSignal::new(first);
    let to = reading::go_within(PATH, Back::Kept);
    // Whatever is changed, one begins with the newest.
    let go = Callback::new(move |asked: Asked| to.run(asked.with("before", "")));
    reading::follow(asked, list, client::runs, None);
    let runs = move || {
        list.with(|list| {
            list.as_ref()
                .map_or_else(|_| Vec::new(), |l| l.runs.clone())
        })
    };
    let older = move || {
        let older = list.with(|list| list.as_ref().ok().and_then(|list| list.older));
        older.map(|older| asked.get().with("before", &older.to_string()).address(PATH))
    };
    let is_first = move || asked.with(|asked| asked.get("before").is_empty());
    let none = move || list.with(|list| list.as_ref().is_ok_and(|list| list.runs.is_empty()));
    view! {
        <Filter asked go />
        <Refused problem=refused(list) testid="runs-problem" />
        <Shown when=move || none()>
            <section class="empty-state" data-testid="no-runs">
                <h2>"No runs"</h2>
                <p>
                    {move || {
                        if asked.with(Asked::is_empty) {
                            "Nothing has run yet."
                        } else {
                            "None of the runs that are kept matches the filter."
                        }
                    }}
                </p>
                <Shown when=move || !asked.with(Asked::is_empty)>
                    <p>
                        <a href=PATH>"Show all"</a>
                    </p>
                </Shown>
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
                                key=run_key
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
