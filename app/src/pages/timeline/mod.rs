//! The Timeline page: what ran when, and what will.

mod axis;
mod bands;
mod lane;

use super::Loaded;
use crate::chunk::Part;
use crate::client;
use crate::components::fields::{Choice, Form, Text};
use crate::components::keys::is_typing;
use crate::components::rows::Rows;
use crate::components::shown::Shown;
use crate::format;
use crate::live::use_live;
use crate::query::{Asked, asked_of};
use crate::reading::{self, Answered, Back, Refused, refused};
use axis::{Axis, View};
use bands::Told;
use lane::{LaneRow, drawn, key};
use leptos::prelude::*;
use leptos::wasm_split::wasm_split;
use leptos::{ev, html};
use leptos_meta::Title;
use saltpeter_protocol::api::{LaneBy, Timeline};

/// How often it is read again though nothing happens, in milliseconds.
const READ_AT_LEAST_EVERY: i64 = 30_000;

/// Where the page is.
const PATH: &str = "/timeline";

/// Spans to be chosen with one click, in seconds.
const SPANS: [(&str, i64); 4] = [
    ("1 h", 3_600),
    ("6 h", 6 * 3_600),
    ("24 h", 86_400),
    ("7 d", 7 * 86_400),
];

/// The page, in a chunk of its own.
#[wasm_split(timeline, wasm_split_path = leptos::wasm_split, preload(load), fallible)]
pub(crate) fn page() -> Part {
    Ok(TimelinePage().into_any())
}

#[component]
fn TimelinePage() -> impl IntoView {
    let asked = asked_of(PATH);
    let timeline = reading::begin(asked, client::timeline);
    let show = move |first| view! { <Content asked first /> }.into_any();
    view! {
        <Title text="Timeline · Saltpeter" />
        <div class="page timeline-page">
            <h1>"Timeline"</h1>
            <Loaded what="timeline" page=timeline show />
        </div>
    }
    .into_any()
}

#[component]
fn Content(asked: Memo<Asked>, first: Answered<Timeline>) -> impl IntoView {
    let live = use_live();
    let data = RwSignal::new(first);
    let go = reading::go_within(PATH, Back::Kept);
    let move_to = reading::go_within(PATH, Back::Replaced);
    reading::follow(asked, data, client::timeline, Some(READ_AT_LEAST_EVERY));

    // What is shown is the span of the address, at once; what is drawn catches up with it.
    let view = Memo::new(move |_| asked.with(|asked| View::of(asked, live.now())));
    let layer = move || {
        let view = view.get();
        data.with(|data| {
            let Ok(data) = data else { return String::new() };
            let left = view.percent(data.from);
            let width = view.percent(data.to) - left;
            format!(
                "--left:{}%;--width:{}%;--now:{}%",
                format::decimal(left),
                format::decimal(width),
                format::decimal(view.percent(live.now()))
            )
        })
    };
    let plot = NodeRef::<html::Div>::new();
    let wheel = move |event: ev::WheelEvent| {
        let Some(plot) = plot.get_untracked() else {
            return;
        };
        // Sideways (or with Shift) moves, up and down with Ctrl zooms, and without it the page is scrolled as any other.
        let (x, y) = (event.delta_x(), event.delta_y());
        let view = view.get_untracked();
        let next = if event.ctrl_key() || event.meta_key() {
            let rect = plot.get_bounding_client_rect();
            let share = (f64::from(event.client_x()) - rect.left()) / rect.width().max(1.0);
            view.zoomed(if y > 0.0 { 1.25 } else { 0.8 }, share)
        } else if x.abs() > y.abs() {
            view.moved(x / 600.0)
        } else {
            return;
        };
        event.prevent_default();
        move_to.run(next.put_into(asked.get_untracked()));
    };
    Effect::new(move || {
        let handle = window_event_listener(ev::keydown, move |event| {
            if event.ctrl_key() || event.meta_key() || event.alt_key() || is_typing() {
                return;
            }
            let view = view.get_untracked();
            let next = match event.key().as_str() {
                "ArrowLeft" => view.moved(-0.25),
                "ArrowRight" => view.moved(0.25),
                "+" | "=" => view.zoomed(0.5, 0.5),
                "-" => view.zoomed(2.0, 0.5),
                "0" => {
                    move_to.run(asked.get_untracked().with("at", ""));
                    return;
                }
                _ => return,
            };
            event.prevent_default();
            move_to.run(next.put_into(asked.get_untracked()));
        });
        on_cleanup(move || handle.remove());
    });
    let step = move |change: fn(View) -> View| {
        move || change(view.get()).put_into(asked.get()).address(PATH)
    };
    let by = move || {
        let is_machine = asked.with_untracked(|asked| asked.get("by") == LaneBy::Machine.as_str());
        if is_machine {
            LaneBy::Machine
        } else {
            LaneBy::Job
        }
    };
    let lanes = move || {
        data.with(|data| {
            let drawn = |data| drawn(data, by());
            data.as_ref().map_or_else(|_| Vec::new(), drawn)
        })
    };
    let is_empty = move || data.with(|data| data.as_ref().is_ok_and(|data| data.lanes.is_empty()));
    let bands = Signal::derive(move || {
        data.with(|data| {
            data.as_ref()
                .map_or_else(|_| Vec::new(), |data| data.maintenance.clone())
        })
    });
    let note = move || {
        data.with(|data| match data {
            Ok(data) if data.cut => {
                Some("There is more in this span than is drawn: zoom in to see all of it.")
            }
            Ok(data) if data.more => {
                Some("Only the first lanes are drawn: filter by name to see others.")
            }
            _ => None,
        })
    };
    view! {
        <Form path=PATH testid="timeline-filter">
            <Choice
                asked
                go
                name="by"
                label="Lanes"
                any="by job"
                options=vec![(LaneBy::Machine.as_str(), "by machine")]
            />
            <Text asked go name="q" label="Name" kind="search" />
            <span class="spans">
                {SPANS
                    .map(|(name, seconds)| {
                        let chosen = move || {
                            (view.get().span() == seconds * 1_000).then_some("true")
                        };
                        let href = move || {
                            asked.get().with("span", &seconds.to_string()).address(PATH)
                        };
                        view! {
                            <a href=move || href() aria-current=move || chosen()>
                                {name}
                            </a>
                        }
                    })
                    .collect_view()}
            </span>
            <span class="spans steps">
                <a class="button small" aria-label="Earlier" title="Earlier (←)" href=step(|view| view.moved(-0.5))>"◀\u{fe0e}"</a>
                <a class="button small" data-testid="timeline-now" title="Around now (0)" href=move || asked.get().with("at", "").address(PATH)>"Now"</a>
                <a class="button small" aria-label="Later" title="Later (→)" href=step(|view| view.moved(0.5))>"▶\u{fe0e}"</a>
                <a class="button small" aria-label="Closer" title="Closer (+)" data-testid="timeline-closer" href=step(|view| view.zoomed(0.5, 0.5))>"+"</a>
                <a class="button small" aria-label="Farther" title="Farther (−)" href=step(|view| view.zoomed(2.0, 0.5))>"−"</a>
            </span>
            <button type="submit" class="without-script">
                "Show"
            </button>
        </Form>
        <Refused problem=refused(data) testid="timeline-problem" />
        <section class="card timeline" style=move || layer() on:wheel=wheel data-testid="timeline">
            <div class="lane head">
                <span></span>
                <div class="track" node_ref=plot>
                    <Axis view />
                </div>
            </div>
            <div class="lanes">
                <div class="overlay" aria-hidden="true">
                    <span class="now" data-testid="timeline-now-line"></span>
                </div>
                <Rows each=move || lanes() key=key children=|drawn| view! { <LaneRow drawn /> } />
            </div>
            <Shown when=move || is_empty()>
                <p class="empty" data-testid="timeline-empty">
                    {move || if asked.with(|asked| asked.get("q").is_empty()) {
                        "Nothing ran in this span, and nothing is due."
                    } else {
                        "No lane with such a name: nothing of it ran in this span, and nothing is due."
                    }}
                </p>
            </Shown>
        </section>
        <Told bands />
        <p class="weak">
            {move || note()}
            <span class="wide-only">
                " Keys: ← → move, + − zoom, 0 now. Wheel: Ctrl zooms, Shift moves."
            </span>
        </p>
    }
    .into_any()
}
