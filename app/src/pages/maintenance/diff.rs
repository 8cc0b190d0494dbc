//! What an edit will write.

use super::form::Form;
use crate::components::diff::{changed_lines, diff_lines};
use crate::components::shown::Shown;
use crate::format;
use leptos::prelude::*;

#[component]
pub(super) fn Diff(form: Form) -> impl IntoView {
    let lines = move || {
        form.diff
            .with(|diff| diff_lines(diff.as_ref().map_or(&[][..], |diff| &diff.lines)))
    };
    let changes = move || {
        form.diff
            .with(|diff| diff.as_ref().map_or(0, |diff| changed_lines(&diff.lines)))
    };
    view! {
        <section class="card">
            <h2>"What will be written"</h2>
            <p class="weak">
                "To " <code data-testid="maintenance-file">{move || form.page.with(|page| page.file.clone())}</code>
                ". Comments and everything else in it stay."
            </p>
            <Shown
                when=move || form.is_changed() && form.diff.with(Option::is_some)
                fallback=|| view! { <p class="empty">"No changes."</p> }
            >
                <p>{move || format::amount(changes(), "changed line")}</p>
                <div class="diff" data-testid="maintenance-diff">
                    {move || lines()}
                </div>
            </Shown>
        </section>
    }
    .into_any()
}
