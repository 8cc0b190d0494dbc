//! The text with the numbers of its lines.

use super::form::Form;
use crate::browser;
use crate::components::rows::Rows;
use leptos::prelude::*;
use leptos::wasm_bindgen::JsCast;
use saltpeter_protocol::api::Severity;
use web_sys::HtmlTextAreaElement;

/// The fewest lines that are shown.
const LEAST: usize = 8;

/// A line's number, and the mark beside it.
#[derive(Clone, PartialEq, Eq)]
struct Line {
    number: u32,
    mark: Option<Severity>,
}

/// The text, with line numbers and a mark where something is wrong.
#[component]
pub(super) fn Code(form: Form) -> impl IntoView {
    let count = Memo::new(move |_| form.text.with(|text| text.split('\n').count()));
    let lines = move || -> Vec<Line> {
        let first = form.page.with(|page| page.line);
        let count = u32::try_from(count.get()).unwrap_or(u32::MAX);
        form.check.with(|check| {
            let problems = check.as_ref().map_or(&[][..], |check| &check.problems);
            (1..=count)
                .map(|line| Line {
                    number: first + line - 1,
                    mark: problems
                        .iter()
                        .filter(|problem| problem.line == Some(line))
                        .map(|problem| problem.severity)
                        .min(),
                })
                .collect()
        })
    };
    view! {
        <div class="code">
            <ol class="line-numbers" aria-hidden="true">
                <Rows
                    each=lines
                    key=|line| format!("{} {:?}", line.number, line.mark)
                    children=|line| {
                        let mark = line.mark.map(Severity::as_str);
                        view! { <li data-mark=mark>{line.number}</li> }
                    }
                />
            </ol>
            <textarea
                id="job-text"
                data-testid="editor-text"
                aria-label="The job's text, as YAML"
                aria-describedby="editor-problems"
                wrap="off"
                spellcheck="false"
                autocomplete="off"
                autocapitalize="off"
                rows=move || (count.get() + 1).max(LEAST)
                prop:value=move || form.text.get()
                on:input=move |event| form.typed(event_target_value(&event))
            ></textarea>
        </div>
    }
    .into_any()
}

/// Puts the cursor at a place of the text; both count from 1.
pub(super) fn go_to(text: &str, line: u32, column: u32) {
    let Some(area) = browser::find("#job-text") else {
        return;
    };
    let Ok(area) = area.dyn_into::<HtmlTextAreaElement>() else {
        return;
    };
    let at = offset(text, line, column);
    // Only a removed element refuses.
    let _ = area.focus();
    let _ = area.set_selection_range(at, at);
}

/// The place as browsers count: in UTF-16.
fn offset(text: &str, line: u32, column: u32) -> u32 {
    let mut at = 0;
    for (index, row) in text.split('\n').enumerate() {
        if index as u32 + 1 == line {
            let before = row.chars().take(column.saturating_sub(1) as usize);
            return at + before.map(|c| c.len_utf16() as u32).sum::<u32>();
        }
        at += row.encode_utf16().count() as u32 + 1;
    }
    at.saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_as_browsers_do() {
        let text = "a\n𝄞b\nc";
        assert_eq!(offset(text, 1, 1), 0);
        assert_eq!(offset(text, 2, 2), 4);
        assert_eq!(offset(text, 3, 1), 6);
        assert_eq!(offset(text, 3, 9), 7);
        assert_eq!(offset(text, 9, 1), 7);
    }
}
