//! A run in words.

use crate::format;
use crate::routes;
use leptos::either::EitherOf3;
use leptos::prelude::*;
use saltpeter_protocol::api::{Counts, RunSummary};
use saltpeter_protocol::{RunCause, RunState, UnixMillis};

/// Why a run exists.
#[component]
pub(crate) fn Cause(
    /// The cause.
    cause: RunCause,
) -> impl IntoView {
    match cause {
        RunCause::Schedule { .. } => EitherOf3::A("by schedule"),
        RunCause::CatchUp { .. } => EitherOf3::A("to make up for a missed start"),
        RunCause::Manual { by } => EitherOf3::B(format!("started by {by}")),
        RunCause::Again { by, of } => EitherOf3::C(view! {
            <span>
                {format!("run again by {by}, after ")} <a href=routes::run_page(&of)>{of.to_string()}</a>
            </span>
        }),
    }
}

/// When a run ended, if it has.
pub(crate) fn ended_at(summary: &RunSummary) -> Option<UnixMillis> {
    match summary.state {
        RunState::Ended { at, .. } => Some(at),
        _ => None,
    }
}

/// How many machines are how, in words: `3 failed of 812`.
pub(crate) fn counts_text(counts: &Counts) -> String {
    let parts: Vec<String> = [
        (counts.failed, "did not succeed"),
        (counts.lost_contact, "out of contact"),
        (counts.running, "running"),
        (counts.starting, "starting"),
        (counts.retrying, "waiting to retry"),
        (counts.waiting, "waiting"),
        (counts.succeeded, "succeeded"),
        (counts.maintenance, "under maintenance"),
        (counts.not_attempted, "not attempted"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, word)| match counts.total {
        1 => word.to_owned(),
        all if all == count && count == counts.failed => "none succeeded".to_owned(),
        all if all == count => format!("all {word}"),
        _ => format!("{} {word}", format::number(u64::from(count))),
    })
    .collect();
    let machines = format::amount(u64::from(counts.total), "machine");
    if parts.is_empty() {
        machines
    } else {
        format!("{machines}: {}", parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_say_what_matters_first() {
        let counts = Counts {
            total: 812,
            failed: 3,
            succeeded: 809,
            ..Counts::default()
        };
        assert_eq!(
            counts_text(&counts),
            "812 machines: 3 did not succeed, 809 succeeded"
        );
        let all = Counts {
            total: 12,
            running: 12,
            ..Counts::default()
        };
        assert_eq!(counts_text(&all), "12 machines: all running");
        let none = Counts {
            total: 2,
            failed: 2,
            ..Counts::default()
        };
        assert_eq!(counts_text(&none), "2 machines: none succeeded");
        let one = Counts {
            total: 1,
            failed: 1,
            ..Counts::default()
        };
        assert_eq!(counts_text(&one), "1 machine: did not succeed");
        assert_eq!(counts_text(&Counts::default()), "0 machines");
    }
}
