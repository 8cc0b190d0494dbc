//! The form that narrows a list, and its fields. What is in them stands in the address, and the server reads the form as well, so
//! that it works without JavaScript.

use crate::query::Asked;
use leptos::prelude::*;

/// The form. A field that is left, or in which Enter is pressed, goes to its address by itself: sent too, the form would load
/// the page anew, and what is changed until that has come to life would be lost.
#[component]
pub(crate) fn Form(
    /// Of the page.
    path: &'static str,
    /// For tests.
    testid: &'static str,
    /// Its fields, and what else stands there.
    children: Children,
) -> impl IntoView {
    view! {
        <form
            class="list-filter"
            method="get"
            action=path
            role="search"
            // What a browser puts into it when one comes back would count as changed by a person.
            autocomplete="off"
            data-testid=testid
            on:submit=|event| event.prevent_default()
        >
            {children()}
        </form>
    }
    .into_any()
}

/// A field of text, or of time.
#[component]
pub(crate) fn Text(
    /// What the address says.
    asked: Memo<Asked>,
    /// Goes to another address.
    go: Callback<Asked>,
    /// Of the parameter.
    name: &'static str,
    /// For people.
    label: &'static str,
    /// Of the input.
    kind: &'static str,
) -> impl IntoView {
    view! {
        <label>
            <span>{label}</span>
            <input
                type=kind
                name=name
                autocomplete="off"
                data-testid=format!("filter-{name}")
                data-key=matches!(name, "job" | "q").then_some("/")
                value=asked.with_untracked(|asked| asked.get(name).to_owned())
                prop:value=move || asked.with(|asked| asked.get(name).to_owned())
                on:change=move |event| {
                    go.run(asked.get_untracked().with(name, event_target_value(&event).trim()));
                }
            />
        </label>
    }
    .into_any()
}

/// A menu.
#[component]
pub(crate) fn Choice(
    /// What the address says.
    asked: Memo<Asked>,
    /// Goes to another address.
    go: Callback<Asked>,
    /// Of the parameter.
    name: &'static str,
    /// For people.
    label: &'static str,
    /// What stands for no choice.
    any: &'static str,
    /// The words of the address, and those that people read.
    options: Vec<(&'static str, &'static str)>,
) -> impl IntoView {
    let words: Vec<_> = options.iter().map(|(word, _)| *word).collect();
    let chosen = move || {
        let is_asked = |word: &&&str| asked.with(|asked| asked.get(name) == **word);
        words.iter().find(is_asked).copied().unwrap_or_default()
    };
    view! {
        <label>
            <span>{label}</span>
            <select
                name=name
                data-testid=format!("filter-{name}")
                // Of an option that somebody has chosen once, browsers do not look at `selected` any more.
                prop:value=chosen
                on:change=move |event| {
                    go.run(asked.get_untracked().with(name, &event_target_value(&event)));
                }
            >
                <option value="" selected=move || asked.with(|asked| asked.get(name).is_empty())>
                    {any}
                </option>
                {options
                    .into_iter()
                    .map(|(word, text)| {
                        view! {
                            <option
                                value=word
                                selected=move || asked.with(|asked| asked.get(name) == word)
                            >
                                {text}
                            </option>
                        }
                    })
                    .collect_view()}
            </select>
        </label>
    }
    .into_any()
}
