//! The keyboard. Buttons say by `data-key` which key presses them, so that a page's keys are where
//! its buttons are.

use crate::browser;
use leptos::ev;
use leptos::prelude::*;
use leptos::wasm_bindgen::JsCast;
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;
use web_sys::HtmlElement;

/// How long after `g` the name of a page may follow, in milliseconds.
const SECOND_KEY_WITHIN: i64 = 1_500;

/// Listens for keys as long as the page stands.
pub(crate) fn listen(help: Callback<()>, palette: Callback<()>) {
    let navigate = use_navigate();
    let after_g = StoredValue::new(0_i64);
    Effect::new(move || {
        let navigate = navigate.clone();
        let handle = window_event_listener(ev::keydown, move |event| {
            if is_palette(&event) {
                event.prevent_default();
                palette.run(());
                return;
            }
            if event.ctrl_key() || event.meta_key() || event.alt_key() || event.default_prevented()
            {
                return;
            }
            let key = event.key();
            if is_typing() {
                if key == "Escape" {
                    leave();
                }
                return;
            }
            let now = browser::now().0;
            if now - after_g.get_value() < SECOND_KEY_WITHIN {
                after_g.set_value(0);
                let page = match key.as_str() {
                    "j" => "/",
                    "r" => "/runs",
                    "t" => "/timeline",
                    "m" => "/machines",
                    "w" => "/maintenance",
                    "c" => "/config",
                    _ => return,
                };
                event.prevent_default();
                navigate(page, NavigateOptions::default());
                return;
            }
            match key.as_str() {
                "g" => after_g.set_value(now),
                "?" => help.run(()),
                "/" => {
                    if let Some(filter) = browser::find("[data-key='/']") {
                        event.prevent_default();
                        // Only a removed element cannot be focused.
                        let _ = filter.focus();
                    }
                }
                "ArrowDown" | "ArrowUp" if step(key == "ArrowDown") => event.prevent_default(),
                "r" | "k" | "f" | "w" | "p" | "e" | "s" => {
                    if let Some(button) = button(&key) {
                        event.prevent_default();
                        button.click();
                    }
                }
                _ => {}
            }
        });
        on_cleanup(move || handle.remove());
    });
}

/// `⌘K` or `Ctrl+K`, wherever one is typing, unless a question or the help is open.
fn is_palette(event: &ev::KeyboardEvent) -> bool {
    (event.ctrl_key() || event.meta_key())
        && !event.alt_key()
        && !event.shift_key()
        && event.key().eq_ignore_ascii_case("k")
        && browser::find("dialog[open]:not(.palette)").is_none()
}

/// Whether a key goes into a field or a dialog.
pub(crate) fn is_typing() -> bool {
    browser::focused().is_some_and(|element| {
        matches!(element.tag_name().as_str(), "INPUT" | "TEXTAREA" | "SELECT")
            && element.get_attribute("type").as_deref() != Some("checkbox")
    }) || browser::find("dialog[open]").is_some()
}

fn leave() {
    if browser::find("dialog[open]").is_none()
        && let Some(element) = browser::focused()
    {
        // Only a removed element keeps the focus.
        let _ = element.blur();
    }
}

/// The button for a key: of the table row that has the focus, else of the page.
fn button(key: &str) -> Option<HtmlElement> {
    let within = browser::focused()
        .and_then(|element| element.closest("tr").ok().flatten())
        .and_then(|row| {
            row.query_selector(&format!("[data-row-key='{key}']"))
                .ok()?
        })
        .and_then(|button| button.dyn_into().ok());
    within.or_else(|| browser::find(&format!("[data-key='{key}']")))
}

/// Moves the focus to the next row of a table of links.
fn step(down: bool) -> bool {
    let row = browser::focused().and_then(|element| element.closest("tr[data-row]").ok().flatten());
    let next = match row {
        Some(row) if down => row.next_element_sibling(),
        Some(row) => row.previous_element_sibling(),
        None => browser::find("tr[data-row]").map(Into::into),
    };
    let link = next
        .and_then(|row| row.query_selector("a").ok()?)
        .and_then(|link| link.dyn_into::<HtmlElement>().ok());
    match link {
        Some(link) => link.focus().is_ok(),
        None => false,
    }
}
