//! What stands above a run: how it is, and what can be done about it.

use super::{Cause, counts_text, ended_at};
use crate::actions::{Action, use_actions};
use crate::components::marks::{Mark, MarkIcon, run_word};
use crate::components::shown::Shown;
use crate::components::when::{Lasting, When};
use crate::format;
use crate::routes;
use leptos::either::Either;
use leptos::prelude::*;
use saltpeter_protocol::api::RunDetail;
use std::sync::Arc;

/// The head of the run's page, or, `within` another page, of the run's part of it.
#[component]
pub(super) fn RunHead(detail: Memo<Arc<RunDetail>>, within: bool) -> impl IntoView {
    let actions = use_actions();
    let summary = Memo::new(move |_| detail.with(|detail| detail.summary.clone()));
    let mark = Signal::derive(move || summary.with(|s| Mark::of_run(&s.state)));
    let word = move || summary.with(|s| run_word(&s.state));
    let ended = move || summary.with(|s| s.state.is_ended());
    let id = move || summary.with_untracked(|s| s.id.clone());
    let killing = move || {
        summary.with(|s| s.kill.is_some() && !s.state.is_ended())
            || actions.is_pending(&Action::KillRun(id()))
    };
    let unconfirmed = Memo::new(move |_| {
        detail.with(|detail| {
            let rows = detail.machines.iter().filter(|row| {
                let kill = row.kill.as_ref();
                kill.is_some_and(|kill| kill.unconfirmed) && !row.state.is_ended()
            });
            rows.count() as u64
        })
    });
    let again = move || {
        summary.with(|s| s.state.is_ended() && (s.counts.failed > 0 || s.counts.not_attempted > 0))
    };
    let again_pending = move || actions.is_pending(&Action::Again(id()));
    let (page, name, job) =
        summary.with_untracked(|s| (routes::run_page(&s.id), s.id.to_string(), s.job.clone()));
    let cause = summary.with_untracked(|s| s.cause.clone());
    let command = detail.with_untracked(|detail| detail.command.clone());
    view! {
        <header class="run-head">
            <div class="title">
                {if within {
                    Either::Left(
                        view! {
                            <h2>
                                <a href=page>{name}</a>
                            </h2>
                        },
                    )
                } else {
                    Either::Right(
                        view! {
                            <h1>{name}</h1>
                            <a class="up" href=routes::job_page(&job)>
                                {job.to_string()}
                            </a>
                        },
                    )
                }}
                <span class="state" role="status" data-testid="run-state" data-state=move || word()>
                    <MarkIcon mark />
                    {move || word()}
                </span>
            </div>
            <div class="buttons deed">
                <Shown when=again>
                    <button
                        data-testid="run-again"
                        data-key=(!within).then_some("r")
                        disabled=move || again_pending()
                        on:click=move |_| actions.perform(Action::Again(id()))
                    >
                        {move || {
                            if again_pending() { "Starting…" } else { "Run again where it did not succeed" }
                        }}
                    </button>
                </Shown>
                <Shown when=move || !ended()>
                    <button
                        class="danger"
                        data-testid=if within { "kill-run" } else { "kill" }
                        data-key=(!within).then_some("k")
                        disabled=move || killing()
                        on:click=move |_| actions.kill(Action::KillRun(id()))
                    >
                        {move || if killing() { "Killing…" } else { "■ Kill" }}
                    </button>
                </Shown>
            </div>
            <p class="facts">
                <span>
                    <Cause cause />
                </span>
                <span>
                    "begun " <When at=Signal::derive(move || Some(summary.with(|s| s.created))) />
                </span>
                <span>
                    {move || if ended() { "took " } else { "for " }}
                    <Lasting
                        from=Signal::derive(move || Some(summary.with(|s| s.created)))
                        to=Signal::derive(move || summary.with(ended_at))
                    />
                </span>
                <span data-testid="run-counts">{move || summary.with(|s| counts_text(&s.counts))}</span>
                {move || {
                    summary
                        .with(|s| s.kill.clone())
                        .map(|kill| view! { <span>{format!("killed by {}", kill.by)}</span> })
                }}
                {move || {
                    let unconfirmed = unconfirmed.get();
                    (unconfirmed > 0)
                        .then(|| {
                            let machines = format::amount(unconfirmed, "machine");
                            view! {
                                <span class="bad" data-testid="run-unconfirmed">
                                    {format!("kill not confirmed by {machines}")}
                                </span>
                            }
                        })
                }}
                {move || {
                    summary
                        .with(|s| s.stopped)
                        .map(|stop| {
                            let failures = format::amount(u64::from(stop.failures), "failure");
                            view! {
                                <span class="bad" data-testid="run-stopped">
                                    {format!("stopped after {failures}")}
                                </span>
                            }
                        })
                }}
            </p>
            {(!within).then(|| view! { <pre class="command">{command}</pre> })}
        </header>
    }
    .into_any()
}
