//! Lines that the server picks: those on standard error, or those of several machines in the order of their time.

mod held;
mod merged;
mod seen;

pub(crate) use merged::{Merged, merged, to_merge};

use super::line::{Times, pieces};
use super::shown::Shown;
use crate::chunk::Part;
use crate::client;
use crate::components::rows::Rows;
use crate::live::{Live, use_live};
use crate::output::Line;
use crate::routes;
use held::Held;
use leptos::html;
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos::wasm_split::wasm_split;
use saltpeter_protocol::api::{LinesPage, LinesQuery, MergedLine, Reading, write_position};
use saltpeter_protocol::{Attempt, MachineId, RunId, UnixMillis};
use seen::Seen;
use std::sync::Arc;
use std::time::Duration;

/// How often it is looked whether there is more, while there may be.
const AGAIN: Duration = Duration::from_secs(1);

/// So close to an end, in CSS pixels, the lines beyond it are read: they are there before one has come to it.
const NEAR: i32 = 2_000;

/// Lines that are read at a time, once the page is there: to draw more would take longer than a frame may.
const PAGE: usize = 200;

/// Pages without a line that are passed over at a time: among many lines those on standard error may be few.
const EMPTY_PAGES: usize = 20;

/// Which lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Picked {
    /// Of this run.
    pub(crate) run: RunId,
    /// Of these machines.
    pub(crate) machines: Vec<MachineId>,
    /// Of one machine: this attempt.
    pub(crate) attempt: Option<Attempt>,
    /// Only those with standard error.
    pub(crate) stderr: bool,
}

impl Picked {
    fn query(&self, at: Option<String>, reading: Reading) -> LinesQuery {
        let machines: Vec<_> = self.machines.iter().map(MachineId::as_str).collect();
        LinesQuery {
            machines: machines.join(" "),
            attempt: self.attempt,
            stderr: self.stderr,
            at,
            reading,
            limit: None,
        }
    }

    /// The next lines in one direction.
    fn next(&self, at: Option<String>, reading: Reading) -> LinesQuery {
        LinesQuery {
            limit: Some(PAGE),
            ..self.query(at, reading)
        }
    }

    /// Reads the last lines.
    pub(crate) async fn read(&self) -> Result<LinesPage, saltpeter_protocol::api::ApiError> {
        client::lines(self.run.clone(), self.query(None, Reading::Before)).await
    }
}

/// What goes with the lines.
#[derive(Clone, Copy)]
pub(crate) struct Around {
    /// How times are shown.
    pub(crate) times: RwSignal<Times>,
    /// When the run was begun.
    pub(crate) begun: UnixMillis,
    /// Whether there may be more lines.
    pub(crate) running: Signal<bool>,
    /// Where a line's number leads, from 0; to the machine's own output without it.
    pub(crate) go: Option<Callback<u64>>,
}

#[derive(Clone, Copy)]
struct Listing {
    live: Live,
    picked: StoredValue<Picked>,
    around: Around,
    held: RwSignal<Option<Held>>,
    problem: RwSignal<Option<String>>,
    busy: StoredValue<bool>,
    /// More may have come since what is being read was asked for.
    again: StoredValue<bool>,
    /// Whether the end stays in view.
    follow: StoredValue<bool>,
    frame: NodeRef<html::Div>,
}

/// The lines, in the chunk of what is done with output now and then.
#[wasm_split(lines, wasm_split_path = leptos::wasm_split, preload(load), fallible)]
#[allow(
    clippy::boxed_local,
    reason = "what goes from one module to another is passed as a pointer"
)]
pub(crate) fn entry(of: Box<(Picked, Around)>) -> Part {
    let (picked, around) = *of;
    Ok(listing(picked, around, None))
}

/// The lines, live; `first` is what the page brought along of them.
fn listing(picked: Picked, around: Around, first: Option<LinesPage>) -> AnyView {
    let listing = Listing {
        live: use_live(),
        picked: StoredValue::new(picked),
        around,
        held: RwSignal::new(first.map(Held::new)),
        problem: RwSignal::new(None),
        busy: StoredValue::new(false),
        again: StoredValue::new(false),
        follow: StoredValue::new(true),
        frame: NodeRef::new(),
    };
    Effect::new(move || {
        // Once at the beginning, and once at the end.
        around.running.track();
        listing.read(Reading::After);
    });
    Effect::new(move || {
        let again = set_interval_with_handle(
            move || {
                if around.running.get_untracked() && listing.follow.get_value() {
                    listing.read(Reading::After);
                }
            },
            AGAIN,
        );
        on_cleanup(move || {
            if let Ok(again) = again {
                again.clear();
            }
        });
    });
    Effect::new(move || {
        listing.held.track();
        if listing.follow.get_value()
            && let Some(frame) = listing.frame.get()
        {
            frame.set_scroll_top(frame.scroll_height());
        }
    });
    let of = move |what: fn(&Held) -> bool| {
        Signal::derive(move || listing.held.with(|held| held.as_ref().is_some_and(what)))
    };
    let has_before = of(|held| held.has_before);
    let has_after = of(|held| held.has_after);
    let nothing = of(|held| held.sheets.is_empty() && !held.has_before && !held.has_after);
    let more = move |reading, label: &'static str| {
        view! {
            <button class="quiet more" on:click=move |_| listing.read(reading)>
                {label}
            </button>
        }
    };
    view! {
        <Shown when=move || listing.problem.with(Option::is_some)>
            <p class="problem" role="alert">
                "The lines cannot be read: "
                {move || listing.problem.get()}
            </p>
        </Shown>
        <div
            class="output wrap listing"
            data-testid="listing"
            role="log"
            aria-label="Lines"
            tabindex="0"
            node_ref=listing.frame
            on:scroll=move |_| listing.scrolled()
        >
            <Shown when=has_before>{move || more(Reading::Before, "▲ earlier lines")}</Shown>
            <Rows
                each=move || listing.sheets()
                key=|place| place.to_string()
                children=move |place| listing.sheet(place)
            />
            <Shown when=has_after>{move || more(Reading::After, "▼ later lines")}</Shown>
            <Shown when=nothing>
                <p class="output-empty">
                    {move || {
                        if listing.picked.with_value(|picked| picked.stderr) {
                            "Nothing was written to standard error."
                        } else {
                            "No output."
                        }
                    }}
                </p>
            </Shown>
        </div>
    }
    .into_any()
}

impl Listing {
    fn scrolled(self) {
        let Some(frame) = self.frame.get_untracked() else {
            return;
        };
        let rest = frame.scroll_height() - frame.scroll_top() - frame.client_height();
        self.follow.set_value(rest < 2);
        let ends = self.held.with_untracked(|held| {
            held.as_ref()
                .map_or((false, false), |held| (held.has_before, held.has_after))
        });
        if frame.scroll_top() < NEAR && ends.0 {
            self.read(Reading::Before);
        } else if rest < NEAR && ends.1 {
            self.read(Reading::After);
        }
    }

    /// Reads on in one direction, unless it is being read already.
    fn read(self, reading: Reading) {
        if self.busy.get_value() {
            if reading == Reading::After {
                self.again.set_value(true);
            }
            return;
        }
        self.busy.set_value(true);
        spawn_local(async move {
            for _ in 0..EMPTY_PAGES {
                let picked = self.picked.get_value();
                let at = self.held.with_untracked(|held| {
                    let held = held.as_ref()?;
                    Some(write_position(match reading {
                        Reading::Before => &held.before,
                        Reading::After => &held.after,
                    }))
                });
                let query = match at {
                    Some(at) => picked.next(Some(at), reading),
                    None => picked.query(None, Reading::Before),
                };
                let page = client::lines(picked.run.clone(), query).await;
                if self.held.is_disposed() {
                    return;
                }
                match page {
                    Ok(page) => {
                        let more = match reading {
                            Reading::Before => page.has_before,
                            Reading::After => page.has_after,
                        };
                        let empty = page.lines.is_empty();
                        self.take(page, reading);
                        self.problem.set(None);
                        if !(empty && more) {
                            break;
                        }
                    }
                    Err(error) => {
                        self.problem.set(Some(error.message));
                        break;
                    }
                }
            }
            self.busy.set_value(false);
            if self.again.get_value() {
                self.again.set_value(false);
                self.read(Reading::After);
            }
        });
    }

    fn take(self, page: LinesPage, reading: Reading) {
        let changed = self.held.with_untracked(|held| match (held, reading) {
            (None, _) | (_, Reading::Before) => true,
            // Most of the time there is nothing new.
            (Some(held), Reading::After) => {
                !page.lines.is_empty()
                    || held.after != page.after
                    || held.has_after != page.has_after
            }
        });
        if !changed {
            return;
        }
        let frame = self.frame.get_untracked();
        let seen = frame.as_ref().and_then(Seen::of);
        self.held.update(|held| match held {
            None => *held = Some(Held::new(page)),
            Some(held) => match reading {
                Reading::Before => held.prepend(page),
                Reading::After => held.append(page),
            },
        });
        if let (Some(frame), Some(seen)) = (frame, seen) {
            seen.stays(frame, move || self.follow.try_get_value() == Some(false));
        }
    }

    /// The places of those that are held.
    fn sheets(self) -> Vec<i64> {
        self.held.with(|held| {
            let sheets = held.iter().flat_map(|held| &held.sheets);
            sheets.map(|sheet| sheet.place).collect()
        })
    }

    /// The lines of the sheet at `place`, as long as it is held.
    fn sheet(self, place: i64) -> AnyView {
        let lines = Memo::new_owning(move |before: Option<Arc<Vec<MergedLine>>>| {
            let now = self.held.with(|held| {
                let mut sheets = held.iter().flat_map(|held| &held.sheets);
                let sheet = sheets.find(|sheet| sheet.place == place);
                sheet.map(|sheet| sheet.lines.clone())
            });
            let now = now.or_else(|| before.clone()).unwrap_or_default();
            let is_same = before.is_some_and(|before| Arc::ptr_eq(&before, &now));
            (now, !is_same)
        });
        view! {
            <Rows
                each=move || lines.with(|lines| Vec::clone(lines))
                key=|line| format!("{} {} {}", line.machine, line.number, line.text.len())
                children=move |line| self.line(&line)
            />
        }
        .into_any()
    }

    fn line(self, line: &MergedLine) -> AnyView {
        let (run, machine, attempt, several) = self.picked.with_value(|picked| {
            let machine = picked.machines.get(line.machine).cloned();
            (
                picked.run.clone(),
                machine,
                picked.attempt,
                picked.machines.len() > 1,
            )
        });
        let name = machine
            .as_ref()
            .map(MachineId::to_string)
            .unwrap_or_default();
        let (number, at, stderr) = (line.number, line.at, line.stderr);
        let href = match (&machine, attempt) {
            (Some(machine), Some(attempt)) => routes::attempt_page(&run, machine, attempt),
            (Some(machine), None) => routes::machine_page(&run, machine),
            (None, _) => routes::run_page(&run),
        };
        let around = self.around;
        let go = move |event: leptos::ev::MouseEvent| {
            if let Some(go) = around.go {
                event.prevent_default();
                go.run(number);
            }
        };
        let time = move || {
            let times = around.times.get();
            let offset = match times {
                Times::Absolute => self.live.offset_minutes(at),
                Times::Off | Times::Relative => 0,
            };
            let text = times.text(at, around.begun, offset)?;
            Some(view! { <span class="line-time">{text}</span> })
        };
        let text = Line::read(&line.text, stderr, at);
        let cut = (line.cut || text.cut)
            .then(|| view! { <em class="line-cut">" … the line goes on"</em> });
        view! {
            <div
                class="line"
                class:stderr=stderr
                data-testid="listing-line"
                data-machine=name.clone()
                data-line=number + 1
            >
                {several.then(|| view! { <span class="line-machine" title=name.clone()>{name.clone()}</span> })}
                <a class="line-number" href=format!("{href}#L{}", number + 1) tabindex="-1" on:click=go>
                    {number + 1}
                </a>
                <span class="line-mark" title=stderr.then_some("standard error")>
                    {if stderr { "E" } else { "" }}
                </span>
                {move || time()}
                <span class="line-text">{pieces(&text, &[])} {cut}</span>
            </div>
        }
        .into_any()
    }
}
