//! A run with its machines and the output of one of them.

mod bundle;
mod head;
mod summary;

pub(crate) use bundle::{Asked, RunBundle};
pub(crate) use summary::{Cause, counts_text, ended_at};

use super::listing::{self, Merged, to_merge};
use super::machine_head::MachineHead;
use super::matrix::{Matrix, first_to_show};
use super::output_pane::{OutputPane, Source};
use super::same::same_output;
use crate::chunk;
use crate::live::use_live;
use bundle::attempt_to_show;
use head::RunHead;
use leptos::either::Either;
use leptos::prelude::*;
use saltpeter_protocol::api::{MachineRow, RunDetail};
use saltpeter_protocol::{MachineId, RunOutcome, RunState};
use std::sync::Arc;

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
