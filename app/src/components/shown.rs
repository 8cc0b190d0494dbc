//! What is there only at times.
//!
//! `<Show>` of Leptos is compiled anew for each condition and each content; this is compiled once, which keeps the
//! dashboard's download small.

use leptos::children::ViewFn;
use leptos::either::Either;
use leptos::prelude::*;

/// Shows its children while a condition holds.
#[component]
pub(crate) fn Shown(
    /// The condition.
    #[prop(into)]
    when: Signal<bool>,
    /// What is shown otherwise.
    #[prop(optional, into)]
    fallback: ViewFn,
    /// What is shown while it holds.
    children: ChildrenFn,
) -> impl IntoView {
    // What is shown is drawn anew when the answer changes, not whenever it is asked.
    let when = Memo::new(move |_| when.get());
    let content = move || {
        if when.get() {
            Either::Left(children())
        } else {
            Either::Right(fallback.run())
        }
    };
    view! { {content} }.into_any()
}
