//! The switch for notifications.

use crate::attention;
use crate::browser::{self, Notifications};
use leptos::prelude::*;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Bell {
    Off,
    On,
    /// The browser does not let this site notify, or cannot.
    Blocked,
}

impl Bell {
    fn now() -> Self {
        match browser::notifications() {
            Notifications::Denied => Self::Blocked,
            _ if attention::wanted() => Self::On,
            _ => Self::Off,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Off => "Notify me when a job fails: off",
            Self::On => "Notify me when a job fails: on",
            Self::Blocked => {
                "Notify me when a job fails: this browser does not let this site (it takes HTTPS, and your permission)"
            }
        }
    }
}

/// Switches notifications on and off in this browser.
#[component]
pub(crate) fn BellToggle() -> impl IntoView {
    let bell = RwSignal::new(Bell::Off);
    Effect::new(move || bell.set(Bell::now()));
    let turn = move |_| match bell.get_untracked() {
        Bell::Blocked => {}
        Bell::On => {
            attention::want(false);
            bell.set(Bell::Off);
        }
        Bell::Off => {
            attention::want(true);
            browser::ask_for_notifications(move || bell.set(Bell::now()));
        }
    };
    view! {
        <button
            class="quiet bell"
            data-testid="bell"
            aria-pressed=move || (bell.get() == Bell::On).to_string()
            aria-disabled=move || (bell.get() == Bell::Blocked).then_some("true")
            aria-label=move || bell.get().words()
            title=move || bell.get().words()
            on:click=turn
        >
            <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
                <path d="M8 1.8a4 4 0 0 0-4 4c0 3.6-1.4 4.6-1.4 5.6h10.8c0-1-1.4-2-1.4-5.6a4 4 0 0 0-4-4zM6.6 13a1.5 1.5 0 0 0 2.8 0" />
                <path class="stroke" d="M2.2 2.2l11.6 11.6" />
            </svg>
        </button>
    }
    .into_any()
}
