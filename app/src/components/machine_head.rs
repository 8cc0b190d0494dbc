//! The head of a machine's part of a run.

use super::attempts::{attempts_view, notes_view};
use super::marks::Mark;
use super::when::{Lasting, When};
use crate::actions::{Action, use_actions};
use leptos::prelude::*;
use saltpeter_protocol::api::MachineRow;
use saltpeter_protocol::{Attempt, MachineOutcome, MachineState, RunId};

/// A machine: how it stands, its attempts, and the button that ends it.
#[component]
pub(crate) fn MachineHead(
    /// The run.
    run: RunId,
    /// The machine.
    row: MachineRow,
    /// The attempt whose output is shown.
    shown: Attempt,
    /// The last attempt that there can be.
    last: Attempt,
) -> impl IntoView {
    let attempts = attempts_view(&run, &row, shown);
    let notes = notes_view(&row);
    let attempt = (!last.is_first()).then(|| format!("attempt {} of {last}", row.attempt));
    let actions = use_actions();
    let ended = row.state.is_ended();
    let mark = Mark::of_machine(&row.state);
    let word = row.state.label();
    let code = row.state.outcome().and_then(MachineOutcome::exit_code);
    let message = row
        .state
        .outcome()
        .and_then(|outcome| outcome.message())
        .map(str::to_owned);
    let next = match row.state {
        MachineState::Retrying { at } => Some(at),
        _ => None,
    };
    let (from, to) = match row.state {
        MachineState::Ended { since, at, .. } => (since, since.map(|_| at)),
        MachineState::Starting { since }
        | MachineState::Running { since }
        | MachineState::LostContact { since, .. } => (Some(since), None),
        MachineState::Waiting | MachineState::Retrying { .. } => (None, None),
    };
    let name = row.machine.to_string();
    let action = Action::KillMachine(run, row.machine);
    let asked = row.kill.is_some();
    let killing = {
        let action = action.clone();
        move || asked || actions.is_pending(&action)
    };
    let label = {
        let killing = killing.clone();
        move || if killing() { "Killing…" } else { "■ Kill" }
    };
    view! {
        <div class="machine-head" data-testid="machine-head">
            <h3>{name}</h3>
            <span class="state" data-testid="machine-state" data-state=word>
                <span class=mark.class() aria-hidden="true">
                    {mark.symbol()}
                </span>
                {word}
            </span>
            {code
                .map(|code| {
                    view! {
                        <span>
                            "exit code " <b data-testid="exit-code">{code}</b>
                        </span>
                    }
                })}
            {attempt.map(|attempt| view! { <span data-testid="attempt">{attempt}</span> })}
            {next
                .map(|next| {
                    view! {
                        <span data-testid="next-attempt">
                            "next attempt " <When at=Some(next) />
                        </span>
                    }
                })}
            {from.map(|from| view! { <Lasting from=Some(from) to /> })}
            {row.pid.map(|pid| view! { <span class="weak">{format!("pid {pid}")}</span> })}
            {message.map(|message| view! { <span class="message">{message}</span> })}
            {(!ended)
                .then(|| {
                    view! {
                        <button
                            class="danger small deed"
                            data-testid="kill-machine"
                            disabled=move || killing()
                            on:click=move |_| actions.kill(action.clone())
                        >
                            {move || label()}
                        </button>
                    }
                })}
            {notes}
            {attempts}
        </div>
    }
    .into_any()
}
