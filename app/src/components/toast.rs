//! Short notices at the edge of the page.

use crate::components::rows::Rows;
use leptos::prelude::*;
use saltpeter_protocol::api::ApiError;
use std::time::Duration;

/// How long good news stay. Bad news stay until they are put away.
const GOOD_NEWS_STAY: Duration = Duration::from_secs(6);
/// How many are shown; the oldest goes first.
const MOST: usize = 4;

/// A notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Toast {
    good: bool,
    title: String,
    text: String,
    details: Vec<String>,
    link: Option<(String, String)>,
}

impl Toast {
    /// Something went well; `link` is a text and an address.
    pub(crate) fn good(title: impl Into<String>, link: Option<(String, String)>) -> Self {
        Self {
            good: true,
            title: title.into(),
            text: String::new(),
            details: Vec::new(),
            link,
        }
    }

    /// Something did not go, and why.
    pub(crate) fn bad(title: impl Into<String>, error: ApiError) -> Self {
        Self {
            good: false,
            title: title.into(),
            text: error.message,
            details: error.details,
            link: None,
        }
    }
}

/// The notices of the page. Components find them in the context.
#[derive(Clone, Copy)]
pub(crate) struct Toasts {
    shown: RwSignal<Vec<(u32, Toast)>>,
    next: StoredValue<u32>,
}

impl Toasts {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self {
            shown: RwSignal::new(Vec::new()),
            next: StoredValue::new(0),
        }
    }

    /// Shows one.
    pub(crate) fn show(self, toast: Toast) {
        let id = self.next.get_value();
        self.next.set_value(id.wrapping_add(1));
        let good = toast.good;
        self.shown.update(|shown| {
            shown.push((id, toast));
            if shown.len() > MOST {
                shown.remove(0);
            }
        });
        if good {
            set_timeout(move || self.remove(id), GOOD_NEWS_STAY);
        }
    }

    fn remove(self, id: u32) {
        self.shown
            .update(|shown| shown.retain(|(other, _)| *other != id));
    }
}

/// Where notices appear.
#[component]
pub(crate) fn ToastArea(
    /// What to show.
    toasts: Toasts,
) -> impl IntoView {
    view! {
        <div class="toasts" role="status" aria-live="polite">
            <Rows each=move || toasts.shown.get() key=|(id, _)| id.to_string() let((id, toast))>
                <div
                    class="toast"
                    class:bad=!toast.good
                    data-testid="toast"
                    data-state=if toast.good { "good" } else { "bad" }
                >
                    <span class=if toast.good { "mark succeeded" } else { "mark failed" } aria-hidden="true">
                        {if toast.good { "✓" } else { "✕" }}
                    </span>
                    <div class="toast-body">
                        <strong>{toast.title}</strong>
                        " "
                        {toast.link.map(|(text, href)| view! { <a href=href>{text}</a> })}
                        {(!toast.text.is_empty()).then(|| view! { <p>{toast.text}</p> })}
                        {(!toast.details.is_empty())
                            .then(|| {
                                view! {
                                    <ul>
                                        {toast
                                            .details
                                            .into_iter()
                                            .map(|text| view! { <li>{text}</li> })
                                            .collect_view()}
                                    </ul>
                                }
                            })}
                    </div>
                    <button class="quiet" aria-label="Dismiss" on:click=move |_| toasts.remove(id)>
                        "×"
                    </button>
                </div>
            </Rows>
        </div>
    }
    .into_any()
}
