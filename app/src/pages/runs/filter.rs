//! What narrows the list: a form that the server reads as well, so that it works without JavaScript.

use super::PATH;
use crate::format;
use crate::live::use_live;
use crate::query::Asked;
use leptos::prelude::*;
use saltpeter_protocol::UnixMillis;
use saltpeter_protocol::api::{CauseKind, OutcomeKind};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

/// Spans of time up to now, to be chosen with one click.
const SPANS: [(&str, i64); 4] = [
    ("1 h", HOUR),
    ("24 h", 24 * HOUR),
    ("7 d", 7 * 24 * HOUR),
    ("30 d", 30 * 24 * HOUR),
];

/// The form.
#[component]
pub(super) fn Filter(
    /// What the address says.
    asked: Memo<Asked>,
    /// Goes to another address.
    go: Callback<Asked>,
) -> impl IntoView {
    let live = use_live();
    let outcomes = OutcomeKind::ALL.map(|kind| (kind.as_str(), kind.label()));
    let causes = CauseKind::ALL.map(|kind| (kind.as_str(), kind.label()));
    // By the minute, so that the links do not change all the time.
    let minute = Memo::new(move |_| live.now().0 / MINUTE);
    let span = move |length: i64| {
        let from = format::iso(UnixMillis(minute.get() * MINUTE - length));
        let from = from.get(..16).unwrap_or_default().to_owned();
        let asked = asked.get().with("before", "").with("to", "");
        asked.with("from", &from).address(PATH)
    };
    view! {
        <form class="list-filter" method="get" action=PATH role="search" data-testid="runs-filter">
            <Text asked go name="job" label="Job" kind="text" />
            <Text asked go name="machine" label="Machine" kind="text" />
            <Choice asked go name="outcome" label="State" any="any state" options=outcomes.to_vec() />
            <Choice asked go name="cause" label="Cause" any="any cause" options=causes.to_vec() />
            <Text asked go name="from" label="From (UTC)" kind="datetime-local" />
            <Text asked go name="to" label="To (UTC)" kind="datetime-local" />
            <span class="spans">
                "Last "
                {SPANS
                    .map(|(name, length)| {
                        view! { <a href=move || span(length)>{name}</a> }
                    })
                    .collect_view()}
                <a
                    href=PATH
                    data-testid="runs-clear"
                    hidden=move || asked.with(|asked| asked.is_empty())
                >
                    "Show all"
                </a>
            </span>
            <button type="submit" class="without-script">
                "Filter"
            </button>
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
    view! {
        <label>
            <span>{label}</span>
            <select
                name=name
                data-testid=format!("filter-{name}")
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
