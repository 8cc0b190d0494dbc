//! The one question dialog.

use leptos::html;
use leptos::prelude::*;

/// A question that is answered by yes or by leaving.
#[derive(Clone)]
pub(crate) struct Question {
    /// The question.
    pub(crate) title: String,
    /// What yes will do.
    pub(crate) text: String,
    /// The word on the button.
    pub(crate) answer: &'static str,
    /// Whether yes ends or undoes something.
    pub(crate) dangerous: bool,
    /// Yes.
    pub(crate) yes: Callback<()>,
}

/// Asks. Components find it in the context.
#[derive(Clone, Copy)]
pub(crate) struct Confirm(RwSignal<Option<Question>>);

impl Confirm {
    /// Nothing asked yet.
    pub(crate) fn new() -> Self {
        Self(RwSignal::new(None))
    }

    /// Asks; an earlier question that is still open is dropped.
    pub(crate) fn ask(self, question: Question) {
        self.0.set(Some(question));
    }
}

/// Where questions appear.
#[component]
pub(crate) fn ConfirmDialog(
    /// Who asks.
    confirm: Confirm,
) -> impl IntoView {
    let dialog = NodeRef::<html::Dialog>::new();
    let question = confirm.0;
    Effect::new(move || {
        let Some(dialog) = dialog.get() else {
            return;
        };
        if question.with(Option::is_some) {
            if !dialog.open() {
                // Refused only for a dialog that is open or not in the page.
                let _ = dialog.show_modal();
            }
        } else if dialog.open() {
            dialog.close();
        }
    });
    let read = move |part: fn(&Question) -> String| move || question.with(|q| q.as_ref().map(part));
    let yes = move |_| {
        let answered = question.with_untracked(|q| q.as_ref().map(|q| q.yes));
        question.set(None);
        if let Some(yes) = answered {
            yes.run(());
        }
    };
    view! {
        <dialog
            class="confirm"
            node_ref=dialog
            data-testid="confirm"
            aria-labelledby="confirm-title"
            on:close=move |_| question.set(None)
        >
            <h2 id="confirm-title">{read(|q| q.title.clone())}</h2>
            <p>{read(|q| q.text.clone())}</p>
            <div class="buttons">
                <button type="button" on:click=move |_| question.set(None)>
                    "Cancel"
                </button>
                <button
                    type="button"
                    class="primary"
                    class:danger=move || question.with(|q| q.as_ref().is_some_and(|q| q.dangerous))
                    data-testid="confirm-yes"
                    autofocus
                    on:click=yes
                >
                    {read(|q| q.answer.to_owned())}
                </button>
            </div>
        </dialog>
    }
    .into_any()
}
