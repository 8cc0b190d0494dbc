//! The few things that pages ask of the browser itself. Called from effects and event handlers only,
//! which do not run on the server.

use leptos::prelude::{document, window};
use leptos::wasm_bindgen::JsCast;
use saltpeter_protocol::UnixMillis;
use web_sys::{HtmlElement, js_sys};

/// The browser's clock.
pub(crate) fn now() -> UnixMillis {
    UnixMillis(js_sys::Date::now() as i64)
}

/// How many minutes local time is east of UTC at `at`.
pub(crate) fn offset_minutes(at: UnixMillis) -> i32 {
    let date = js_sys::Date::new(&(at.0 as f64).into());
    -(date.get_timezone_offset() as i32)
}

/// What this browser keeps under `key`. Nothing when it keeps nothing (private windows may not).
pub(crate) fn stored(key: &str) -> Option<String> {
    window().local_storage().ok()??.get_item(key).ok()?
}

/// Keeps `value` under `key`, where the browser lets it.
pub(crate) fn store(key: &str, value: &str) {
    if let Ok(Some(storage)) = window().local_storage() {
        // A full or forbidden storage only means that the choice is not kept.
        let _ = storage.set_item(key, value);
    }
}

/// The first element that matches.
pub(crate) fn find(selector: &str) -> Option<HtmlElement> {
    document().query_selector(selector).ok()??.dyn_into().ok()
}

/// The element that has the keyboard.
pub(crate) fn focused() -> Option<HtmlElement> {
    document().active_element()?.dyn_into().ok()
}

/// Puts `hash` into the address without going anywhere.
pub(crate) fn replace_hash(hash: &str) {
    let location = window().location();
    let (path, search) = (location.pathname(), location.search());
    if let (Ok(path), Ok(search), Ok(history)) = (path, search, window().history()) {
        let url = format!("{path}{search}{hash}");
        // Only a document without an address of its own refuses this.
        let _ =
            history.replace_state_with_url(&leptos::wasm_bindgen::JsValue::NULL, "", Some(&url));
    }
}

/// Waits.
#[cfg(target_arch = "wasm32")]
pub(crate) async fn sleep(length: std::time::Duration) {
    let (done, waiting) = futures::channel::oneshot::channel();
    leptos::prelude::set_timeout(
        move || {
            // Nobody waits any more: then there is nothing to tell.
            let _ = done.send(());
        },
        length,
    );
    let _ = waiting.await;
}

/// A number from 0 to 1, to spread out what many tabs do at once.
#[cfg(target_arch = "wasm32")]
pub(crate) fn random() -> f64 {
    js_sys::Math::random()
}
