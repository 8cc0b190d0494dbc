//! What narrows the list: a form that the server reads as well, so that it works without JavaScript.

use super::PATH;
use crate::components::fields::{Choice, Form, Text};
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
        <Form path=PATH testid="runs-filter">
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
                    hidden=move || asked.with(Asked::is_empty)
                >
                    "Show all"
                </a>
            </span>
            <button type="submit" class="without-script">
                "Filter"
            </button>
        </Form>
    }
    .into_any()
}
