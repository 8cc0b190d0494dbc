//! The help dialog: keys, and what the marks mean.

use super::marks::Mark;
use leptos::html;
use leptos::prelude::*;

const KEYS: [(&str, &str); 17] = [
    ("Ctrl K", "go to, or do (⌘K on a Mac)"),
    ("/", "filter"),
    ("↓ ↑", "next, previous row"),
    ("g j", "Jobs"),
    ("g r", "Runs"),
    ("g t", "Timeline"),
    ("g m", "Machines"),
    ("g w", "Maintenance (work)"),
    ("g c", "Config"),
    ("r", "run now, or again"),
    ("k", "kill (asks first)"),
    ("p", "pause, resume"),
    ("e", "edit the job"),
    ("f", "follow the output"),
    ("w", "wrap long lines"),
    ("s", "search the output"),
    ("?", "this help"),
];

const MARKS: [(Mark, &str); 10] = [
    (Mark::Running, "running"),
    (Mark::Succeeded, "succeeded"),
    (Mark::Failed, "failed"),
    (Mark::TimedOut, "timed out"),
    (Mark::Killed, "killed"),
    (Mark::Lost, "lost"),
    (Mark::Maintenance, "under maintenance"),
    (Mark::Waiting, "waiting"),
    (Mark::Skipped, "skipped, missed or not attempted"),
    (Mark::Never, "never run"),
];

/// The help; `open` is set to show it.
#[component]
pub(crate) fn Help(
    /// Whether it is shown.
    open: RwSignal<bool>,
) -> impl IntoView {
    let dialog = NodeRef::<html::Dialog>::new();
    Effect::new(move || {
        if let Some(dialog) = dialog.get()
            && open.get()
            && !dialog.open()
        {
            // Refused only for a dialog that is open or not in the page.
            let _ = dialog.show_modal();
        }
    });
    let close = move |_| {
        if let Some(dialog) = dialog.get() {
            dialog.close();
        }
    };
    view! {
        <dialog
            class="help"
            node_ref=dialog
            data-testid="help"
            aria-labelledby="help-title"
            on:close=move |_| open.set(false)
        >
            <h2 id="help-title">"Keys and marks"</h2>
            <div class="columns">
                <dl>
                    {KEYS
                        .map(|(key, text)| {
                            view! {
                                <div>
                                    <dt>
                                        <kbd>{key}</kbd>
                                    </dt>
                                    <dd>{text}</dd>
                                </div>
                            }
                        })
                        .collect_view()}
                </dl>
                <dl>
                    {MARKS
                        .map(|(mark, text)| {
                            view! {
                                <div>
                                    <dt>
                                        <span class=mark.class()>{mark.symbol()}</span>
                                    </dt>
                                    <dd>{text}</dd>
                                </div>
                            }
                        })
                        .collect_view()}
                </dl>
            </div>
            <div class="buttons">
                <button type="button" autofocus on:click=close>
                    "Close"
                </button>
            </div>
        </dialog>
    }
    .into_any()
}
