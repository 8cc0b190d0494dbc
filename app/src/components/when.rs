//! Moments and lengths of time.

use crate::format;
use crate::live::use_live;
use leptos::prelude::*;
use saltpeter_protocol::UnixMillis;

/// A moment: how far it is from now, with date and time in the tooltip.
#[component]
pub(crate) fn When(
    /// The moment; nothing is shown without one.
    #[prop(into)]
    at: Signal<Option<UnixMillis>>,
) -> impl IntoView {
    let live = use_live();
    let relative = move || {
        at.get()
            .map_or_else(|| "–".to_owned(), |at| format::relative(at, live.now()))
    };
    view! {
        // Who is told when a region changes is not told of each second.
        <time
            aria-live="off"
            datetime=move || at.get().map(format::iso)
            title=move || at.get().map(|at| live.absolute(at))
        >
            {move || relative()}
        </time>
    }
}

/// How long something took, or has been going on.
#[component]
pub(crate) fn Lasting(
    /// When it began.
    #[prop(into)]
    from: Signal<Option<UnixMillis>>,
    /// When it ended; the time until now without one.
    #[prop(into)]
    to: Signal<Option<UnixMillis>>,
) -> impl IntoView {
    let live = use_live();
    let text = move || match (from.get(), to.get()) {
        (None, _) => "–".to_owned(),
        (Some(from), Some(to)) => format::duration(to.since(from)),
        (Some(from), None) => {
            let seconds = live.now().since(from).as_secs();
            match seconds {
                0..=59 => format!("{seconds} s"),
                _ => format::duration(std::time::Duration::from_secs(seconds)),
            }
        }
    };
    view! { <span class="lasting" aria-live="off">{move || text()}</span> }
}
