//! What is seen of a listing, so that it stays where it is whatever comes and goes above it.

use leptos::prelude::request_animation_frame;
use leptos::wasm_bindgen::JsCast;
use web_sys::{HtmlDivElement, HtmlElement};

/// The uppermost line in view.
pub(super) struct Seen {
    line: HtmlElement,
    /// How far below the beginning of all lines it stands, in CSS pixels.
    top: i32,
}

impl Seen {
    /// Looks for it in `frame`, whose children stand below each other.
    pub(super) fn of(frame: &HtmlDivElement) -> Option<Self> {
        let (top, all) = (frame.scroll_top(), frame.children());
        let at = |place| -> Option<HtmlElement> { all.item(place)?.dyn_into().ok() };
        let (mut from, mut to) = (0, all.length());
        while from < to {
            let middle = from + (to - from) / 2;
            if at(middle)?.offset_top() < top {
                from = middle + 1;
            } else {
                to = middle;
            }
        }
        // The button above the lines stays there.
        let mut near = [from, from + 1].into_iter().filter_map(at);
        let line = near.find(|line| line.matches(".line").unwrap_or(false))?;
        let top = line.offset_top();
        Some(Self { line, top })
    }

    /// Scrolls `frame`, before it is shown with other lines, so far as the line has moved, if that is wanted by then.
    pub(super) fn stays(self, frame: HtmlDivElement, wanted: impl Fn() -> bool + 'static) {
        let Self { line, top } = self;
        request_animation_frame(move || {
            if line.is_connected() && wanted() {
                frame.set_scroll_top(frame.scroll_top() + line.offset_top() - top);
            }
        });
    }
}
