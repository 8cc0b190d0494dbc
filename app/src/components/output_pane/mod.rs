//! A machine's output: only the lines that are seen are in the page, however many there are.

mod geometry;
mod state;

pub(crate) use state::PaneState;

use super::line::{LineContext, Times, hash, line_view, parse_hash};
use super::listing::{self, Around, Picked};
use super::search::{self, Bar};
use crate::browser;
use crate::chunk;
use crate::client;
use crate::components::rows::Rows;
use crate::components::shown::Shown;
use crate::format;
use crate::live::use_live;
use crate::output::{Marked, OutputModel};
use crate::routes;
use leptos::prelude::*;
use leptos::task::spawn_local;
use saltpeter_protocol::api::{ApiError, OutputFrom, OutputSlice};
use saltpeter_protocol::{Attempt, MachineId, RunId, UnixMillis};
use serde::{Deserialize, Serialize};

/// What a page brings along of the end, in bytes.
const START_TAIL: u64 = 64 * 1024;

/// Whose output a pane shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Source {
    /// The run.
    pub(crate) run: RunId,
    /// The machine.
    pub(crate) machine: MachineId,
    /// Which of its attempts.
    pub(crate) attempt: Attempt,
}

impl Source {
    async fn read(self, from: OutputFrom, limit: usize) -> Result<OutputSlice, ApiError> {
        client::output(self.run, self.machine, self.attempt, from, limit).await
    }
}

/// The end of the output as it travels within the page. Each byte is one character, which keeps text
/// readable and short where a list of numbers would not be.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Start {
    slice: OutputSlice,
    text: String,
}

impl Start {
    /// Reads the end of a machine's output.
    pub(crate) async fn read(source: Source) -> Result<Self, ApiError> {
        let from = OutputFrom::Tail(START_TAIL);
        source
            .read(from, START_TAIL as usize * 2)
            .await
            .map(Self::pack)
    }

    fn pack(mut slice: OutputSlice) -> Self {
        let text = slice.bytes.drain(..).map(char::from).collect();
        Self { slice, text }
    }

    fn unpack(mut self) -> OutputSlice {
        self.slice.bytes = self.text.chars().map(|c| c as u8).collect();
        self.slice
    }
}

/// The output of one machine of a run, with its tools.
#[component]
pub(crate) fn OutputPane(
    /// Whose.
    source: Source,
    /// When the run was begun.
    begun: UnixMillis,
    /// Whether there may be more of it.
    #[prop(into)]
    running: Signal<bool>,
    /// The end of the output, where the page brought it along.
    start: Option<Start>,
) -> impl IntoView {
    let read = RwSignal::new(start.map(Ok));
    if read.with_untracked(Option::is_none) {
        let source = source.clone();
        Effect::new(move || {
            let source = source.clone();
            spawn_local(async move {
                let start = Start::read(source).await;
                if !read.is_disposed() {
                    read.set(Some(start));
                }
            });
        });
    }
    move || match read.get() {
        None => view! { <div class="output-frame skeleton"></div> }.into_any(),
        Some(Ok(start)) => {
            let model = OutputModel::new(&start.unpack());
            let source = source.clone();
            view! { <Pane source begun running model /> }.into_any()
        }
        Some(Err(error)) => view! {
            <p class="problem" role="alert">
                "The output cannot be shown: "
                {error.message}
            </p>
        }
        .into_any(),
    }
}

#[component]
fn Pane(
    source: Source,
    begun: UnixMillis,
    running: Signal<bool>,
    model: OutputModel,
) -> impl IntoView {
    let live = use_live();
    let picked = Picked {
        run: source.run.clone(),
        machines: vec![source.machine.clone()],
        attempt: Some(source.attempt),
        stderr: true,
    };
    let Source {
        run,
        machine,
        attempt,
    } = &source;
    let mut download = format!("{}/raw", routes::output_api(run, machine));
    let mut file = format!("{run}_{machine}");
    if !attempt.is_first() {
        file = format!("{file}_{attempt}");
    }
    download = format!("{download}?attempt={attempt}");
    file.push_str(".log");
    let state = PaneState::new(live, source, model);
    let wrap = RwSignal::new(true);
    let chosen = RwSignal::new(None);
    let marked = RwSignal::new(Marked::default());
    let searching = RwSignal::new(false);
    let only_stderr = RwSignal::new(false);
    let context = LineContext {
        live,
        times: RwSignal::new(Times::Off),
        begun,
        chosen,
        marked,
        choose: Callback::new(move |(number, range): (u64, bool)| {
            let lines = match chosen.get_untracked() {
                Some((from, _)) if range => (number.min(from), number.max(from)),
                Some(lines) if lines == (number, number) => {
                    chosen.set(None);
                    browser::replace_hash("");
                    return;
                }
                _ => (number, number),
            };
            chosen.set(Some(lines));
            if state.follow.get_untracked() {
                state.stop();
            }
            browser::replace_hash(&hash(lines));
        }),
    };

    let go_to_hash = move || match location_hash().as_deref().and_then(parse_hash) {
        Some(lines) => {
            chosen.set(Some(lines));
            state.go_to_line(lines.0);
        }
        None => state.go_to_end(),
    };
    Effect::new(move || {
        state.subscribe();
        go_to_hash();
        let resized = window_event_listener(leptos::ev::resize, move |_| state.schedule());
        // A link to another line of this page, followed or typed.
        let moved = window_event_listener(leptos::ev::hashchange, move |_| go_to_hash());
        on_cleanup(move || {
            resized.remove();
            moved.remove();
        });
    });
    // Runs after the lines are in the page, and before the frame is shown.
    Effect::new(move || {
        state.view.track();
        wrap.track();
        if state.follow.get_untracked() {
            state.scroll_to_end();
        }
    });
    on_cleanup(move || state.unsubscribe());

    let close_search = Callback::new(move |()| searching.set(false));
    let leave_stderr = move || {
        only_stderr.set(false);
        // It has not been drawn meanwhile.
        state.schedule();
    };
    let around = Around {
        times: context.times,
        begun,
        running,
        go: Some(Callback::new(move |number| {
            leave_stderr();
            chosen.set(Some((number + 1, number + 1)));
            browser::replace_hash(&hash((number + 1, number + 1)));
            // Once it is in the page again.
            request_animation_frame(move || state.go_to_line(number));
        })),
    };
    let fresh = move || state.lines.get().saturating_sub(state.seen.get());
    let toggle_follow = move |_| {
        if state.follow.get_untracked() {
            state.stop();
        } else {
            state.go_to_end();
        }
    };
    view! {
        <div class="output-frame">
            <div class="output-tools">
                <span class="output-size">
                    {move || format::amount(state.lines.get(), "line")} " · "
                    {move || format::size(state.bytes.get())}
                </span>
                <button
                    class="toggle"
                    aria-pressed=move || searching.get().to_string()
                    data-key="s"
                    data-testid="output-search"
                    title="Search the whole output (s)"
                    on:click=move |_| {
                        if only_stderr.get_untracked() {
                            leave_stderr();
                        }
                        searching.update(|on| *on = !*on);
                    }
                >
                    "Search"
                </button>
                <button
                    class="toggle"
                    aria-pressed=move || only_stderr.get().to_string()
                    data-testid="output-stderr"
                    title="Only lines on standard error"
                    on:click=move |_| {
                        if only_stderr.get_untracked() {
                            leave_stderr();
                        } else {
                            searching.set(false);
                            only_stderr.set(true);
                        }
                    }
                >
                    "Only stderr"
                </button>
                <button
                    class="toggle"
                    aria-pressed=move || state.follow.get().to_string()
                    data-key="f"
                    data-testid="output-follow"
                    title="Follow the end (f)"
                    on:click=toggle_follow
                >
                    "Follow"
                </button>
                <button
                    class="toggle"
                    aria-pressed=move || wrap.get().to_string()
                    data-key="w"
                    data-testid="output-wrap"
                    title="Wrap long lines (w)"
                    on:click=move |_| {
                        wrap.update(|wrap| *wrap = !*wrap);
                        state.schedule();
                    }
                >
                    "Wrap"
                </button>
                <button
                    class="toggle"
                    aria-pressed=move || (context.times.get() != Times::Off).to_string()
                    data-testid="output-times"
                    title="Time of each line: off, since the start, time of day"
                    on:click=move |_| context.times.update(|times| *times = times.next())
                >
                    "Time: "
                    {move || context.times.get().word()}
                </button>
                <a class="button" href=download download=file rel="external" data-testid="output-download">
                    "Download"
                </a>
            </div>
            {move || {
                state
                    .refused
                    .get()
                    .map(|message| {
                        view! {
                            <p class="problem" role="alert">
                                "No more output will come here: "
                                {message}
                            </p>
                        }
                    })
            }}
            {move || {
                let bar = move || Bar { pane: state, marked, close: close_search };
                searching.get().then(|| chunk::page(search::entry(Box::new(bar()))))
            }}
            {move || {
                let picked = || Box::new((picked.clone(), around));
                only_stderr.get().then(|| chunk::page(listing::entry(picked())))
            }}
            <div
                class="output"
                class:wrap=move || wrap.get()
                hidden=move || only_stderr.get()
                data-testid="output"
                data-lines=move || state.lines.get()
                role="log"
                aria-live="off"
                aria-label="Output"
                tabindex="0"
                node_ref=state.pane
                on:scroll=move |_| state.scrolled()
            >
                <div class="output-space" node_ref=state.space>
                    <div class="output-block" node_ref=state.block style="position:static">
                        <Rows
                            each=move || state.view.get()
                            key=|shown| format!("{} {}", shown.number, shown.revision)
                            children=move |shown| line_view(shown, &context)
                        />
                    </div>
                </div>
                <Shown when=move || state.lines.get() == 0>
                    <p class="output-empty">"No output."</p>
                </Shown>
            </div>
            <Shown when=move || !state.follow.get() && !only_stderr.get()>
                <button
                    class="new-lines"
                    data-testid="output-new"
                    on:click=move |_| state.go_to_end()
                >
                    {move || match fresh() {
                        0 => "▼ to the end".to_owned(),
                        new => format!("▼ {}", format::amount(new, "new line")),
                    }}
                </button>
            </Shown>
        </div>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive_the_page() {
        let slice = OutputSlice {
            offset: 0,
            line: 0,
            total: saltpeter_protocol::api::OutputLength::default(),
            chunks: Vec::new(),
            bytes: (0..=255).collect(),
        };
        let text = serde_json::to_string(&Start::pack(slice.clone())).unwrap();
        let back: Start = serde_json::from_str(&text).unwrap();
        assert_eq!(back.unpack(), slice);
    }
}
