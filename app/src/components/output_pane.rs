//! A machine's output: only the lines that are seen are in the page, however many there are.

use super::line::{LineContext, Times, hash, line_view, parse_hash};
use super::window::OVERSCAN;
use crate::browser;
use crate::client;
use crate::format;
use crate::live::{Delivery, Live, Subscription, use_live};
use crate::output::{OutputModel, Shown};
use crate::routes;
use leptos::html;
use leptos::prelude::*;
use leptos::task::spawn_local;
use saltpeter_protocol::api::{ApiError, OutputFrom, OutputSlice};
use saltpeter_protocol::live::SubscriptionId;
use saltpeter_protocol::{MachineId, RunId, UnixMillis};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// Height of a line that is not wrapped, in CSS pixels; `--line` in the style sheet.
const LINE: f64 = 20.0;
/// Tallest space that browsers scroll exactly, with room to spare.
const MAX_SPACE: f64 = 12_000_000.0;
/// Outputs of so many lines are in the page whole, and laid out by the browser alone.
const WHOLE: u64 = 200;
/// What a page brings along of the end, in bytes.
const START_TAIL: u64 = 64 * 1024;
/// What is fetched when one scrolls elsewhere, in bytes.
const WINDOW: usize = 256 * 1024;
/// When so many bytes are still to come, they are left out, and the end is read anew.
const SKIP_OVER: u64 = 2 * 1024 * 1024;
/// Wait after a failed read.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// The end of the output as it travels within the page. Each byte is one character, which keeps text
/// readable and short where a list of numbers would not be.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Start {
    slice: OutputSlice,
    text: String,
}

impl Start {
    /// Reads the end of a machine's output.
    pub(crate) async fn read(run: RunId, machine: MachineId) -> Result<Self, ApiError> {
        let from = OutputFrom::Tail(START_TAIL);
        client::output(run, machine, from, START_TAIL as usize * 2)
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
    /// The run.
    run: RunId,
    /// The machine.
    machine: MachineId,
    /// When the run was begun.
    begun: UnixMillis,
    /// The end of the output, where the page brought it along.
    start: Option<Start>,
) -> impl IntoView {
    let read = RwSignal::new(start.map(Ok));
    if read.with_untracked(Option::is_none) {
        let (run, machine) = (run.clone(), machine.clone());
        Effect::new(move || {
            let (run, machine) = (run.clone(), machine.clone());
            spawn_local(async move {
                let start = Start::read(run, machine).await;
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
            let (run, machine) = (run.clone(), machine.clone());
            view! { <Pane run machine begun model /> }.into_any()
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

/// How line numbers and scroll positions go together.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Geometry {
    lines: u64,
    height: f64,
    space: f64,
}

impl Geometry {
    fn new(lines: u64, height: f64) -> Self {
        let space = (lines as f64 * LINE).min(MAX_SPACE);
        Self {
            lines,
            height,
            space,
        }
    }

    /// How many lines are seen.
    fn rows(&self) -> u64 {
        (self.height / LINE) as u64 + 1
    }

    fn is_exact(&self) -> bool {
        self.space < MAX_SPACE
    }

    /// The first line that is seen at this scroll position.
    fn line_at(&self, top: f64) -> u64 {
        if self.is_exact() {
            return (top.max(0.0) / LINE) as u64;
        }
        let share = (top / (self.space - self.height).max(1.0)).clamp(0.0, 1.0);
        (share * self.lines.saturating_sub(self.rows()) as f64) as u64
    }

    /// The scroll position that shows this line first.
    fn top_of(&self, line: u64) -> f64 {
        if self.is_exact() {
            return line as f64 * LINE;
        }
        let share = line as f64 / self.lines.saturating_sub(self.rows()).max(1) as f64;
        share.min(1.0) * (self.space - self.height)
    }
}

/// Everything about a pane, for its many small handlers.
#[derive(Clone, Copy)]
struct PaneState {
    live: Live,
    source: StoredValue<(RunId, MachineId)>,
    model: StoredValue<OutputModel>,
    subscription: StoredValue<Option<SubscriptionId>>,
    view: RwSignal<Vec<Shown>>,
    lines: RwSignal<u64>,
    bytes: RwSignal<u64>,
    follow: RwSignal<bool>,
    /// Lines that there were when following stopped.
    seen: RwSignal<u64>,
    refused: RwSignal<Option<String>>,
    scheduled: StoredValue<bool>,
    fetching: StoredValue<bool>,
    last_top: StoredValue<f64>,
    pane: NodeRef<html::Div>,
    space: NodeRef<html::Div>,
    block: NodeRef<html::Div>,
}

impl PaneState {
    fn new(live: Live, run: RunId, machine: MachineId, mut model: OutputModel) -> Self {
        let lines = model.lines();
        let view = model.view(lines.saturating_sub(WHOLE), lines);
        Self {
            live,
            source: StoredValue::new((run, machine)),
            view: RwSignal::new(view),
            lines: RwSignal::new(lines),
            bytes: RwSignal::new(model.end()),
            model: StoredValue::new(model),
            subscription: StoredValue::new(None),
            follow: RwSignal::new(true),
            seen: RwSignal::new(lines),
            refused: RwSignal::new(None),
            scheduled: StoredValue::new(false),
            fetching: StoredValue::new(false),
            last_top: StoredValue::new(0.0),
            pane: NodeRef::new(),
            space: NodeRef::new(),
            block: NodeRef::new(),
        }
    }

    /// What is still on its way may arrive after the pane is gone.
    fn is_gone(&self) -> bool {
        self.model.is_disposed()
    }

    fn subscribe(self) {
        let (run, machine) = self.source.get_value();
        let sub = self.live.subscribe(Subscription {
            run,
            machine,
            from: Arc::new(move || {
                self.model
                    .try_with_value(OutputModel::end)
                    .unwrap_or_default()
            }),
            deliver: Arc::new(move |delivery| self.take(delivery)),
        });
        self.subscription.set_value(Some(sub));
    }

    fn unsubscribe(self) {
        if let Some(Some(sub)) = self.subscription.try_get_value() {
            self.live.unsubscribe(sub);
            self.subscription.set_value(None);
        }
    }

    fn take(self, delivery: Delivery) {
        if self.is_gone() {
            return;
        }
        match delivery {
            Delivery::Output(slice) => {
                let end = slice.offset + slice.bytes.len() as u64;
                let behind = slice.total.bytes.saturating_sub(end);
                let mut whole = true;
                self.model
                    .update_value(|model| whole = model.append(&slice).is_ok());
                if !whole || behind > SKIP_OVER {
                    self.jump();
                }
                self.schedule();
            }
            Delivery::Refused(message) => self.refused.set(Some(message)),
        }
    }

    /// Reads the end anew, rather than all that lies between.
    fn jump(self) {
        self.unsubscribe();
        spawn_local(async move {
            let (run, machine) = self.source.get_value();
            let read = Start::read(run, machine).await;
            if self.is_gone() {
                return;
            }
            if let Ok(start) = read {
                let slice = start.unpack();
                self.model.update_value(|model| model.jump(&slice));
            }
            self.subscribe();
            self.schedule();
        });
    }

    /// Draws in the next frame; however much comes until then is drawn at once.
    fn schedule(self) {
        if self.scheduled.get_value() {
            return;
        }
        self.scheduled.set_value(true);
        request_animation_frame(move || {
            if !self.is_gone() {
                self.scheduled.set_value(false);
                self.draw();
            }
        });
    }

    fn draw(self) {
        let (Some(pane), Some(space), Some(block)) = (
            self.pane.get_untracked(),
            self.space.get_untracked(),
            self.block.get_untracked(),
        ) else {
            return;
        };
        let (lines, bytes) = self.model.with_value(|model| (model.lines(), model.end()));
        if self.lines.get_untracked() != lines {
            self.lines.set(lines);
        }
        if self.bytes.get_untracked() != bytes {
            self.bytes.set(bytes);
        }
        let follow = self.follow.get_untracked();
        let geometry = Geometry::new(lines, f64::from(pane.client_height()));
        let (from, to, style) = if lines <= WHOLE {
            (0, lines, (String::new(), "position:static".to_owned()))
        } else {
            let top = f64::from(pane.scroll_top());
            let first = if follow {
                lines.saturating_sub(geometry.rows())
            } else {
                geometry.line_at(top)
            };
            let from = first.saturating_sub(OVERSCAN as u64);
            let to = (first + geometry.rows() + OVERSCAN as u64).min(lines);
            let place = if follow {
                "bottom:0".to_owned()
            } else if geometry.is_exact() {
                format!("top:{}px", from as f64 * LINE)
            } else {
                format!("top:{}px", top - (first - from) as f64 * LINE)
            };
            (from, to, (format!("height:{}px", geometry.space), place))
        };
        // These attributes can always be set.
        let _ = space.set_attribute("style", &style.0);
        let _ = block.set_attribute("style", &style.1);
        let mut shown = Vec::new();
        self.model
            .update_value(|model| shown = model.view(from, to));
        self.view.set(shown);
        self.fetch(from, to);
    }

    fn scroll_to_end(self) {
        if let Some(pane) = self.pane.get_untracked() {
            pane.set_scroll_top(pane.scroll_height());
            self.last_top.set_value(f64::from(pane.scroll_top()));
        }
    }

    fn fetch(self, from: u64, to: u64) {
        if self.fetching.get_value() {
            return;
        }
        let Some(asked) = self.model.with_value(|model| model.missing(from, to)) else {
            return;
        };
        self.fetching.set_value(true);
        spawn_local(async move {
            let (run, machine) = self.source.get_value();
            let read = client::output(run, machine, asked, WINDOW).await;
            if self.is_gone() {
                return;
            }
            self.fetching.set_value(false);
            match read {
                Ok(slice) => {
                    self.model.update_value(|model| model.insert(&slice, asked));
                    self.schedule();
                }
                Err(_) => set_timeout(
                    move || {
                        if !self.is_gone() {
                            self.schedule();
                        }
                    },
                    RETRY_AFTER,
                ),
            }
        });
    }

    fn scrolled(self) {
        let Some(pane) = self.pane.get_untracked() else {
            return;
        };
        let top = f64::from(pane.scroll_top());
        let rest = f64::from(pane.scroll_height()) - top - f64::from(pane.client_height());
        let follows = self.follow.get_untracked();
        // The page itself only ever scrolls down, so upwards was a person.
        if follows && rest > LINE && top < self.last_top.get_value() - 1.0 {
            self.stop();
        } else if !follows && rest < 2.0 {
            self.follow.set(true);
        }
        self.last_top.set_value(top);
        self.schedule();
    }

    fn stop(self) {
        self.seen.set(self.model.with_value(OutputModel::lines));
        self.follow.set(false);
    }

    fn go_to_end(self) {
        self.follow.set(true);
        self.draw();
        self.scroll_to_end();
    }

    fn go_to_line(self, number: u64) {
        self.stop();
        self.draw();
        if let Some(pane) = self.pane.get_untracked() {
            let height = f64::from(pane.client_height());
            let geometry = Geometry::new(self.lines.get_untracked(), height);
            // A few lines of what came before are shown too.
            let top = geometry.top_of(number.saturating_sub(4));
            pane.set_scroll_top(top as i32);
            self.last_top.set_value(f64::from(pane.scroll_top()));
        }
        self.schedule();
    }
}

#[component]
fn Pane(run: RunId, machine: MachineId, begun: UnixMillis, model: OutputModel) -> impl IntoView {
    let live = use_live();
    let download = format!("{}/raw", routes::output_api(&run, &machine));
    let file = format!("{run}_{machine}.log");
    let state = PaneState::new(live, run, machine, model);
    let wrap = RwSignal::new(true);
    let chosen = RwSignal::new(None);
    let context = LineContext {
        live,
        times: RwSignal::new(Times::Off),
        begun,
        chosen,
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
            <div
                class="output"
                class:wrap=move || wrap.get()
                data-testid="output"
                data-lines=move || state.lines.get()
                role="log"
                aria-label="Output"
                tabindex="0"
                node_ref=state.pane
                on:scroll=move |_| state.scrolled()
            >
                <div class="output-space" node_ref=state.space>
                    <div class="output-block" node_ref=state.block style="position:static">
                        <For
                            each=move || state.view.get()
                            key=|shown| (shown.number, shown.revision)
                            children=move |shown| line_view(shown, &context)
                        />
                    </div>
                </div>
                <Show when=move || state.lines.get() == 0>
                    <p class="output-empty">"No output."</p>
                </Show>
            </div>
            <Show when=move || !state.follow.get()>
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
            </Show>
        </div>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_and_lines_go_together() {
        let geometry = Geometry::new(1000, 400.0);
        assert_eq!(geometry.line_at(geometry.top_of(500)), 500);
        assert_eq!(geometry.rows(), 21);
    }

    #[test]
    fn a_huge_output_still_reaches_its_first_and_last_line() {
        let geometry = Geometry::new(10_000_000, 400.0);
        assert_eq!(geometry.line_at(0.0), 0);
        let last = geometry.line_at(MAX_SPACE - 400.0);
        assert!(last + geometry.rows() >= 10_000_000, "{last}");
        let middle = geometry.line_at(geometry.top_of(5_000_000));
        assert!(middle.abs_diff(5_000_000) < 2, "{middle}");
    }

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
