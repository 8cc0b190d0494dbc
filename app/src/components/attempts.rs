//! What became of a machine so far: its attempts, what was assumed of it, and a kill that nothing comes of.

use super::marks::Mark;
use super::when::{Lasting, When};
use crate::format;
use crate::routes;
use leptos::prelude::*;
use saltpeter_protocol::api::{MachineRow, OutputLength};
use saltpeter_protocol::{Attempt, MachineOutcome, MachineState, RunId, UnixMillis};

/// An attempt as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Listed {
    attempt: Attempt,
    mark: Mark,
    word: &'static str,
    code: Option<i32>,
    began: Option<UnixMillis>,
    ended: Option<UnixMillis>,
    output: OutputLength,
}

/// Every attempt of a machine, oldest first.
fn listed(row: &MachineRow) -> Vec<Listed> {
    let past = row.earlier.iter().enumerate().map(|(earlier, past)| {
        let state = MachineState::Ended {
            since: past.since,
            at: past.at,
            outcome: past.outcome.clone(),
        };
        of_state(Attempt::after(earlier), &state, past.output)
    });
    let present = match row.state {
        // The last of those above, or none yet.
        MachineState::Retrying { .. } | MachineState::Waiting => None,
        _ => Some(of_state(row.attempt, &row.state, row.output)),
    };
    past.chain(present).collect()
}

fn of_state(attempt: Attempt, state: &MachineState, output: OutputLength) -> Listed {
    let ended = match state {
        MachineState::Ended { at, .. } => Some(*at),
        _ => None,
    };
    Listed {
        attempt,
        mark: Mark::of_machine(state),
        word: state.label(),
        code: state.outcome().and_then(MachineOutcome::exit_code),
        began: state.started_at(),
        ended,
        output,
    }
}

/// The attempts of a machine, each a link to its output; `shown` is the one whose output is shown. Nothing where there
/// has been one only.
pub(crate) fn attempts_view(run: &RunId, row: &MachineRow, shown: Attempt) -> AnyView {
    if row.earlier.is_empty() {
        return ().into_any();
    }
    let items = listed(row)
        .into_iter()
        .map(|listed| {
            let Listed {
                attempt,
                mark,
                word,
                code,
                began,
                ended,
                output,
            } = listed;
            let href = routes::attempt_page(run, &row.machine, attempt);
            view! {
                <li>
                    <a
                        href=href
                        aria-current=(attempt == shown).then_some("true")
                        data-testid=format!("attempt-{attempt}")
                        data-state=word
                    >
                        <span class=mark.class() aria-hidden="true">
                            {mark.symbol()}
                        </span>
                        {format!("Attempt {attempt}: {word}")}
                    </a>
                    {code.map(|code| view! { <span>{format!("exit code {code}")}</span> })}
                    {began.map(|_| view! { <Lasting from=began to=ended /> })}
                    {ended.map(|_| view! { <When at=ended /> })}
                    <span class="weak">{format::size(output.bytes)}</span>
                </li>
            }
        })
        .collect_view();
    view! {
        <ol class="attempts" data-testid="attempts">
            {items}
        </ol>
    }
    .into_any()
}

/// What else there is to say of a machine: a guess that did not hold, a kill that is not confirmed.
pub(crate) fn notes_view(row: &MachineRow) -> impl IntoView + use<> {
    let replaced = row.replaced.as_ref().map(|replaced| {
        let word = replaced.outcome.label();
        view! {
            <p class="message" data-testid="replaced">
                {format!("Given up as {word} ")} <When at=Some(replaced.given) />
                ", until its wrapper came back " <When at=Some(replaced.returned) />
                ". What is shown is its real outcome."
            </p>
        }
    });
    let unconfirmed = row
        .kill
        .as_ref()
        .filter(|kill| kill.unconfirmed && !row.state.is_ended());
    let unconfirmed = unconfirmed.map(|kill| {
        view! {
            <p class="message problem" role="alert" data-testid="kill-unconfirmed">
                {format!("The kill by {} is not confirmed: the machine had not ended 30 s later. ", kill.by)}
                "It is told again whenever it is heard."
            </p>
        }
    });
    view! {
        {replaced}
        {unconfirmed}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{NOW, run};
    use saltpeter_protocol::api::PastAttempt;

    #[test]
    fn attempts_are_listed_once_each() {
        let mut row = MachineRow::clone(&run("a_1", &["web1"]).machines[0]);
        row.earlier = vec![PastAttempt {
            since: Some(NOW),
            at: NOW,
            outcome: MachineOutcome::Failed { code: 3 },
            output: OutputLength::default(),
        }];
        let words = |row: &MachineRow| -> Vec<(u32, &str)> {
            let listed = listed(row);
            listed.iter().map(|l| (l.attempt.get(), l.word)).collect()
        };
        row.state = MachineState::Retrying { at: NOW };
        assert_eq!(words(&row), [(1, "failed")]);
        row.attempt = Attempt::after(1);
        row.state = MachineState::Running { since: NOW };
        assert_eq!(words(&row), [(1, "failed"), (2, "running")]);
    }
}
