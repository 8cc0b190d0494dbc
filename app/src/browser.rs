//! The few things that pages ask of the browser itself. Called from effects and event handlers only,
//! which do not run on the server.

use crate::visitor::May;
use leptos::prelude::{document, window};
use leptos::wasm_bindgen::prelude::Closure;
use leptos::wasm_bindgen::{JsCast, JsValue};
use saltpeter_protocol::UnixMillis;
use web_sys::{
    Event, HtmlElement, Notification, NotificationOptions, NotificationPermission, js_sys,
};

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

/// Whether its keyboard has `⌘` where others have `Ctrl`.
pub(crate) fn has_command_key() -> bool {
    let platform = window().navigator().platform().unwrap_or_default();
    ["Mac", "iPhone", "iPad"]
        .iter()
        .any(|apple| platform.starts_with(apple))
}

/// The first element that matches.
pub(crate) fn find(selector: &str) -> Option<HtmlElement> {
    document().query_selector(selector).ok()??.dyn_into().ok()
}

/// What whoever the page was made for may do.
pub(crate) fn may() -> May {
    let root = document().document_element();
    let said = |name| root.as_ref().and_then(|root| root.get_attribute(name));
    May::read(
        said("data-visitor").as_deref(),
        said("data-groups").as_deref(),
    )
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
        let _ = history.replace_state_with_url(&JsValue::NULL, "", Some(&url));
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

/// Nothing waits where pages are only drawn.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn sleep(_: std::time::Duration) -> std::future::Pending<()> {
    std::future::pending()
}

/// A number from 0 to 1, to spread out what many tabs do at once.
#[cfg(target_arch = "wasm32")]
pub(crate) fn random() -> f64 {
    js_sys::Math::random()
}

/// Whether the tab is hidden.
pub(crate) fn hidden() -> bool {
    document().hidden()
}

/// Whether somebody works in this tab.
pub(crate) fn has_focus() -> bool {
    document().has_focus().unwrap_or(false)
}

/// Calls back whenever the tab is hidden or shown.
pub(crate) fn on_visibility(call: impl Fn() + 'static) {
    let call = Closure::<dyn Fn()>::new(call).into_js_value();
    // Only a listener that is no function is refused.
    let _ = document().add_event_listener_with_callback("visibilitychange", call.unchecked_ref());
}

/// Has the browser ask before this page is closed, loaded anew or left for another site, whenever `asks` says so.
pub(crate) fn ask_before_leaving(asks: impl Fn() -> bool + 'static) {
    let call = Closure::<dyn Fn(Event)>::new(move |event: Event| {
        if asks() {
            event.prevent_default();
        }
    })
    .into_js_value();
    // Only a listener that is no function is refused.
    let _ = window().add_event_listener_with_callback("beforeunload", call.unchecked_ref());
}

/// Shows `href` as the tab's icon.
pub(crate) fn set_icon(href: &str) {
    if let Ok(Some(link)) = document().query_selector("link[rel=icon]") {
        // An attribute with this name can always be set.
        let _ = link.set_attribute("href", href);
    }
}

/// Whether this browser lets this site notify.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notifications {
    /// It asks.
    Undecided,
    /// It does.
    Granted,
    /// It does not, or cannot: sites in plain text may not.
    Denied,
}

/// What this browser says now.
pub(crate) fn notifications() -> Notifications {
    let is_there = js_sys::Reflect::has(&window(), &"Notification".into()).unwrap_or(false);
    if !is_there {
        return Notifications::Denied;
    }
    match Notification::permission() {
        NotificationPermission::Granted => Notifications::Granted,
        NotificationPermission::Denied => Notifications::Denied,
        _ => Notifications::Undecided,
    }
}

/// Has the browser ask whether this site may notify, where that is open, and calls back when it is not any more.
pub(crate) fn ask_for_notifications(then: impl FnOnce() + 'static) {
    if notifications() != Notifications::Undecided {
        return then();
    }
    if let Ok(asking) = Notification::request_permission() {
        let answered = Closure::once(move |_: JsValue| then());
        let _ = asking.then(&answered);
        // It is let go of when it is called.
        answered.forget();
    }
}

/// Shows a notification; a click on it leads to `page`. One about the same page takes the place of the last, also of
/// that of another tab.
pub(crate) fn notify(title: &str, body: &str, page: String) {
    let options = NotificationOptions::new();
    options.set_body(body);
    options.set_icon("/favicon-failed.svg");
    options.set_tag(&page);
    // Some browsers have them for service workers only.
    if let Ok(shown) = Notification::new_with_options(title, &options) {
        let clicked = Closure::once_into_js(move || {
            let _ = window().focus();
            let _ = window().location().set_href(&page);
        });
        shown.set_onclick(Some(clicked.unchecked_ref()));
    }
}
