//! The search over a whole output. The server does it, step by step; here is the bar, and which hit is looked at.

mod results;

use crate::chunk::Part;
use crate::client;
use crate::components::output_pane::PaneState;
use crate::components::shown::Shown;
use crate::format;
use crate::output::Marked;
use crate::typing::{Change, Changes};
use leptos::html;
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos::wasm_split::wasm_split;
use results::{PAGE, Place, Results};
use saltpeter_protocol::api::SearchQuery;
use std::time::Duration;

/// How long nothing may be typed before what there is is searched for.
const TYPED: Duration = Duration::from_millis(250);

/// A search, for its many small handlers.
#[derive(Clone, Copy)]
struct Search {
    pane: PaneState,
    marked: RwSignal<Marked>,
    text: RwSignal<String>,
    case: RwSignal<bool>,
    regex: RwSignal<bool>,
    results: RwSignal<Results>,
    /// Number of the hit that is looked at.
    index: RwSignal<Option<u64>>,
    problem: RwSignal<Option<String>>,
    /// One for each search: what comes of an earlier one is left out.
    turns: Changes,
}

/// What a bar is for.
pub(crate) struct Bar {
    /// What it finds is shown there.
    pub(crate) pane: PaneState,
    /// And marked there.
    pub(crate) marked: RwSignal<Marked>,
    /// It is not wanted any more.
    pub(crate) close: Callback<()>,
}

/// The bar, in the chunk of what is done with output now and then.
#[wasm_split(lines, wasm_split_path = leptos::wasm_split, fallible)]
#[allow(
    clippy::boxed_local,
    reason = "what goes from one module to another is passed as a pointer"
)]
pub(crate) fn entry(bar: Box<Bar>) -> Part {
    let Bar {
        pane,
        marked,
        close,
    } = *bar;
    Ok(search_bar(&pane, marked, close))
}

fn search_bar(pane: &PaneState, marked: RwSignal<Marked>, close: Callback<()>) -> AnyView {
    let search = Search {
        pane: *pane,
        marked,
        text: RwSignal::default(),
        case: RwSignal::new(false),
        regex: RwSignal::new(false),
        results: RwSignal::default(),
        index: RwSignal::new(None),
        problem: RwSignal::new(None),
        turns: Changes::new(),
    };
    on_cleanup(move || {
        // The pane may have gone before.
        let _ = marked.try_set(Marked::default());
    });
    let input = NodeRef::<html::Input>::new();
    Effect::new(move || {
        if let Some(input) = input.get() {
            // Only a removed element cannot be focused.
            let _ = input.focus();
        }
    });
    let key = move |event: leptos::ev::KeyboardEvent| match event.key().as_str() {
        "Enter" => {
            event.prevent_default();
            search.step(!event.shift_key());
        }
        "Escape" => {
            event.prevent_default();
            close.run(());
        }
        _ => {}
    };
    let none = move || search.results.with(|results| results.count == 0);
    view! {
        <div class="search-bar" role="search">
            <input
                type="search"
                placeholder="Search the whole output"
                aria-label="Search the whole output"
                data-testid="search-text"
                maxlength="1000"
                autocomplete="off"
                spellcheck="false"
                node_ref=input
                prop:value=move || search.text.get()
                on:input=move |event| {
                    search.text.set(event_target_value(&event));
                    search.typed();
                }
                on:keydown=key
            />
            <button
                class="toggle"
                aria-pressed=move || search.case.get().to_string()
                title="Tell capitals from small letters"
                aria-label="Match case"
                data-testid="search-case"
                on:click=move |_| search.toggle(search.case)
            >
                "Aa"
            </button>
            <button
                class="toggle"
                aria-pressed=move || search.regex.get().to_string()
                title="A regular expression"
                aria-label="Regular expression"
                data-testid="search-regex"
                on:click=move |_| search.toggle(search.regex)
            >
                ".*"
            </button>
            <span class="search-count" role="status" data-testid="search-count">
                {move || search.words()}
            </span>
            <button
                class="toggle"
                title="Previous (Shift+Enter)"
                aria-label="Previous hit"
                data-testid="search-previous"
                disabled=none
                on:click=move |_| search.step(false)
            >
                "↑"
            </button>
            <button
                class="toggle"
                title="Next (Enter)"
                aria-label="Next hit"
                data-testid="search-next"
                disabled=none
                on:click=move |_| search.step(true)
            >
                "↓"
            </button>
            <button
                class="toggle"
                title="Close (Escape)"
                aria-label="Close the search"
                data-testid="search-close"
                on:click=move |_| close.run(())
            >
                "×"
            </button>
            <Shown when=move || search.problem.with(Option::is_some)>
                <p class="problem" role="alert" data-testid="search-problem">
                    {move || search.problem.get()}
                </p>
            </Shown>
        </div>
    }
    .into_any()
}

impl Search {
    fn toggle(self, what: RwSignal<bool>) {
        what.update(|on| *on = !*on);
        self.begin();
    }

    /// Searches once nothing more is typed for a moment.
    fn typed(self) {
        self.forget().rested(TYPED, move || self.begin());
    }

    fn query(self, line: u64, skip: Option<u64>) -> SearchQuery {
        let source = self.pane.source.get_value();
        SearchQuery {
            q: self.text.get_untracked(),
            regex: self.regex.get_untracked(),
            case: self.case.get_untracked(),
            line,
            skip,
            limit: Some(PAGE),
            attempt: Some(source.attempt),
        }
    }

    /// What was found counts no more. The search that begins.
    fn forget(self) -> Change {
        self.results.set(Results::default());
        self.index.set(None);
        self.problem.set(None);
        self.marked.set(Marked::default());
        self.turns.next()
    }

    /// Searches anew.
    fn begin(self) {
        let turn = self.forget();
        if self.text.with_untracked(String::is_empty) {
            return;
        }
        let source = self.pane.source.get_value();
        spawn_local(async move {
            let mut line = Some(0);
            while let Some(from) = line {
                let query = self.query(from, None);
                let step = client::search(source.run.clone(), source.machine.clone(), query).await;
                if !turn.is_last() {
                    return;
                }
                match step {
                    Ok(step) => {
                        line = step.next;
                        self.results.update(|results| results.add(from, step));
                        if self.index.get_untracked().is_none() {
                            self.go_to(0);
                        }
                    }
                    Err(error) => {
                        self.problem.set(Some(error.message));
                        return;
                    }
                }
            }
        });
    }

    /// To the next hit or the one before, round and round.
    fn step(self, forward: bool) {
        let count = self.results.with_untracked(|results| results.count);
        if count == 0 {
            self.begin();
            return;
        }
        let next = match self.index.get_untracked() {
            None => 0,
            Some(index) if forward => (index + 1) % count,
            Some(index) => (index + count - 1) % count,
        };
        self.go_to(next);
    }

    fn go_to(self, index: u64) {
        match self.results.with_untracked(|results| results.place(index)) {
            Place::Known(hit, hits) => {
                self.index.set(Some(index));
                self.marked.set(Marked {
                    hits,
                    current: Some(hit),
                });
                self.pane.go_to_line(hit.line);
                self.pane.come_into_window();
            }
            Place::Asked { line, skip, first } => {
                let turn = self.turns.last();
                let source = self.pane.source.get_value();
                spawn_local(async move {
                    let query = self.query(line, Some(skip));
                    let step = client::search(source.run, source.machine, query).await;
                    if !turn.is_last() {
                        return;
                    }
                    match step {
                        Ok(step) if !step.hits.is_empty() => {
                            self.results
                                .update(|results| results.keep(first, step.hits));
                            self.go_to(index);
                        }
                        Ok(_) => {}
                        Err(error) => self.problem.set(Some(error.message)),
                    }
                });
            }
            Place::Nowhere => {}
        }
    }

    /// `3 of 1,204`, and how far it is.
    fn words(self) -> String {
        if self.text.with(String::is_empty) || self.problem.with(Option::is_some) {
            return String::new();
        }
        self.results.with(|results| {
            let mut words = match (self.index.get(), results.count) {
                (_, 0) if results.done => "nothing found".to_owned(),
                (_, 0) => String::new(),
                (index, count) => format!(
                    "{} of {}",
                    format::number(index.unwrap_or(0) + 1),
                    format::number(count)
                ),
            };
            let (searched, total) = results.searched;
            if !results.done && total > 0 {
                let percent = searched * 100 / total.max(1);
                words = format!("{words} · {percent} % searched");
            }
            if results.long_lines > 0 {
                let lines = format::amount(results.long_lines, "line");
                words = format!("{words} · {lines} searched in part");
            }
            words.trim_start_matches(" · ").to_owned()
        })
    }
}
