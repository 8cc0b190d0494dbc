//! A run with its machines and the output of one of them.

use super::listing::{self, Merged, Picked, to_merge};
use super::machine_head::MachineHead;
use super::marks::{Mark, MarkIcon, run_word};
use super::matrix::{Matrix, first_to_show};
use super::output_pane::{OutputPane, Source, Start};
use super::same::same_output;
use super::when::{Lasting, When};
use crate::actions::{Action, use_actions};
use crate::chunk;
use crate::client;
use crate::components::shown::Shown;
use crate::format;
use crate::live::use_live;
use crate::routes;
use leptos::either::{Either, EitherOf3};
use leptos::prelude::*;
use saltpeter_protocol::api::{
    ApiError, Counts, LinesPage, MachineRow, RunDetail, RunSummary, SameOutput,
};
use saltpeter_protocol::{Attempt, MachineId, RunCause, RunId, RunOutcome, RunState};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A run as a page brings it along: with the end of one machine's output.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RunBundle {
    detail: RunDetail,
    output: Option<(Source, Start)>,
    merged: Option<(Vec<MachineId>, LinesPage)>,
    same: Option<Vec<SameOutput>>,
}

/// What the address asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// This machine.
    pub(crate) machine: MachineId,
    /// This attempt of it; the newest without one.
    pub(crate) attempt: Option<Attempt>,
}

/// The attempt to show of a machine: the one that is asked for, if there was such a one, or else the newest.
fn attempt_to_show(row: &MachineRow, asked: Option<&Asked>) -> Attempt {
    asked
        .filter(|asked| asked.machine == row.machine)
        .and_then(|asked| asked.attempt)
        .filter(|attempt| *attempt <= row.attempt)
        .unwrap_or(row.attempt)
}

impl RunBundle {
    /// Reads a run, and the output of the machine asked for or of the first one to look at; or of several, merged.
    pub(crate) async fn read(
        run: RunId,
        asked: Option<Asked>,
        merged: Option<String>,
    ) -> Result<Self, ApiError> {
        let detail = client::run(run.clone()).await?;
        let same = match detail.machines.len() {
            // The page asks again for what could not be read.
            2.. => client::same_output(run.clone()).await.ok(),
            _ => None,
        };
        let machines = merged
            .map(|text| to_merge(&detail, &text))
            .unwrap_or_default();
        if !machines.is_empty() {
            let page = merge(run, machines.clone()).read().await.ok();
            return Ok(Self {
                detail,
                output: None,
                merged: page.map(|page| (machines, page)),
                same,
            });
        }
        let machine = asked.as_ref().map(|asked| asked.machine.clone());
        let machine = machine.or_else(|| first_to_show(&detail));
        let row = detail
            .machines
            .iter()
            .find(|row| Some(&row.machine) == machine.as_ref());
        let output = match row {
            // When there is none to read, the pane tries again and says why.
            Some(row) => {
                let source = Source {
                    run,
                    machine: row.machine.clone(),
                    attempt: attempt_to_show(row, asked.as_ref()),
                };
                let start = Start::read(source.clone()).await.ok();
                start.map(|start| (source, start))
            }
            None => None,
        };
        Ok(Self {
            detail,
            output,
            merged: None,
            same,
        })
    }

    /// Its name.
    pub(crate) fn run(&self) -> &RunId {
        &self.detail.summary.id
    }
}

fn merge(run: RunId, machines: Vec<MachineId>) -> Picked {
    Picked {
        run,
        machines,
        attempt: None,
        stderr: false,
    }
}

/// A run, live: it is followed as long as this stands.
#[component]
pub(crate) fn RunView(
    /// What was read of it.
    bundle: RunBundle,
    /// The machine and the attempt that the address asks for.
    #[prop(into)]
    asked: Signal<Option<Asked>>,
    /// The machines whose output the address asks to be merged.
    #[prop(into)]
    merged: Signal<Option<String>>,
    /// Whether it stands within another page, under that page's head.
    within: bool,
) -> impl IntoView {
    let live = use_live();
    let RunBundle {
        detail,
        output,
        merged: merged_start,
        same,
    } = bundle;
    let output = StoredValue::new(output);
    let merged_start = StoredValue::new(merged_start);
    let same = StoredValue::new(same);
    let id = detail.summary.id.clone();
    let begun = detail.summary.created;
    let initial = Arc::new(detail);
    live.watch_run((*initial).clone());
    let detail = {
        let id = id.clone();
        // Looking at all of it for a difference would take longer than showing it.
        Memo::new_owning(move |before: Option<Arc<RunDetail>>| {
            let now = live.run(&id).unwrap_or_else(|| initial.clone());
            let is_same = before.is_some_and(|before| Arc::ptr_eq(&before, &now));
            (now, !is_same)
        })
    };
    let cleanup = id.clone();
    on_cleanup(move || live.unwatch_run(&cleanup));

    // Once shown, a machine stays shown: another one that fails must not take its place.
    let selected = Memo::new(move |before: Option<&Option<MachineId>>| {
        asked
            .get()
            .map(|asked| asked.machine)
            .or_else(|| before.cloned().flatten())
            .or_else(|| detail.with(|detail| first_to_show(detail)))
    });
    let row = Memo::new(move |_| {
        let selected = selected.get()?;
        detail.with(|detail| {
            detail
                .machines
                .iter()
                .find(|row| row.machine == selected)
                .cloned()
        })
    });
    let last = detail.with_untracked(|detail| detail.attempts);
    let shown = Memo::new(move |_| {
        let row = row.get();
        row.map(|row| asked.with(|asked| attempt_to_show(&row, asked.as_ref())))
    });
    let source = {
        let id = id.clone();
        Memo::new(move |_| {
            let run = id.clone();
            let machine = selected.get()?;
            let attempt = shown.get().unwrap_or_default();
            Some(Source {
                run,
                machine,
                attempt,
            })
        })
    };
    let running = Signal::derive(move || detail.with(|detail| !detail.summary.state.is_ended()));
    let count = Memo::new(move |_| detail.with(|detail| detail.machines.len()));
    let merging = Memo::new(move |_| {
        // Which are the first ones to look at changes; those that are shown stay.
        let all = count.get();
        let machines = detail.with_untracked(|detail| Some(to_merge(detail, &merged.get()?)));
        machines.filter(|machines| all > 0 && !machines.is_empty())
    });
    let id_of_merged = id.clone();
    let several = move |machines: Vec<MachineId>| {
        let first = merged_start.with_value(|start| {
            let (of, page) = start.as_ref()?;
            (*of == machines).then(|| page.clone())
        });
        let all = count.get_untracked();
        chunk::page(listing::merged(Box::new(Merged {
            run: id_of_merged.clone(),
            machines,
            all,
            begun,
            running,
            first,
        })))
    };
    let id_of_same = id.clone();
    let many = Memo::new(move |_| count.get() > 1);
    let same = move || {
        many.get()
            .then(|| same_output(id_of_same.clone(), detail, same.get_value()))
    };
    let pane = move || match source.get() {
        Some(source) => {
            let start = output.with_value(|output| {
                let (of, start) = output.as_ref()?;
                (*of == source).then(|| start.clone())
            });
            Either::Left(view! { <OutputPane source begun running start /> })
        }
        None => Either::Right(view! { <NoMachines detail /> }),
    };
    let one = move || {
        let id = id.clone();
        view! {
            {move || {
                row.get()
                    .map(|row| {
                        let shown = shown.get().unwrap_or(row.attempt);
                        let row = MachineRow::clone(&row);
                        view! { <MachineHead run=id.clone() row shown last /> }
                    })
            }}
            {move || pane()}
        }
        .into_any()
    };
    view! {
        <section class="run" class:within=within data-group=move || detail.with(|detail| detail.group.clone())>
            <RunHead detail within />
            <Matrix detail selected />
            {move || same()}
            {move || match merging.get() {
                Some(machines) => several(machines),
                None => one(),
            }}
        </section>
    }
    .into_any()
}

#[component]
fn NoMachines(detail: Memo<Arc<RunDetail>>) -> impl IntoView {
    let text = move || {
        detail.with(|detail| match &detail.summary.state {
            RunState::Queued => "Waiting for the job's earlier run to end.".to_owned(),
            RunState::Resolving | RunState::Running => {
                "Asking which machines match the targets.".to_owned()
            }
            RunState::Ended { outcome, .. } => match outcome {
                RunOutcome::NoTargets => {
                    "No machine matched the targets, so nothing was run.".to_owned()
                }
                RunOutcome::Maintenance => {
                    "Nothing was run: maintenance was on, or every matched machine was under it."
                        .to_owned()
                }
                RunOutcome::SkippedOverlap => {
                    "Nothing was run: an earlier run of this job was still going.".to_owned()
                }
                RunOutcome::Missed { reason } => {
                    format!("Nothing was run. {}", reason.sentence())
                }
                RunOutcome::ResolveFailed { message } => {
                    format!("The machines could not be found out: {message}")
                }
                _ => "No machine took part.".to_owned(),
            },
        })
    };
    view! { <p class="empty">{move || text()}</p> }
}

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
pub(crate) fn ended_at(summary: &RunSummary) -> Option<saltpeter_protocol::UnixMillis> {
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

#[component]
fn RunHead(detail: Memo<Arc<RunDetail>>, within: bool) -> impl IntoView {
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
