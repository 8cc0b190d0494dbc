//! The machines of a run, a cell each, in groups by how they stand; the ones to look at come first.

use super::marks::Mark;
use super::names::Common;
use crate::components::rows::Rows;
use crate::components::shown::Shown;
use crate::format;
use crate::routes;
use leptos::prelude::*;
use saltpeter_protocol::api::{MachineRow, RunDetail};
use saltpeter_protocol::{MachineId, MachineOutcome, RunId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Cells of a group that are drawn before one asks for all.
const CELLS: usize = 120;

/// So many characters of a name have room in a cell, if the window is wide enough; of longer ones what all have in common gives
/// way.
const WIDEST: usize = 40;

/// Machines that stand alike.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Group {
    mark: Mark,
    word: &'static str,
    machines: Vec<Arc<MachineRow>>,
}

fn groups(detail: &RunDetail) -> Vec<Group> {
    let mut groups: BTreeMap<(Mark, &'static str), Vec<Arc<MachineRow>>> = BTreeMap::new();
    for row in &detail.machines {
        let key = (Mark::of_machine(&row.state), row.state.label());
        groups.entry(key).or_default().push(row.clone());
    }
    groups
        .into_iter()
        .map(|((mark, word), machines)| Group {
            mark,
            word,
            machines,
        })
        .collect()
}

/// With what a machine's command has failed.
fn code(row: &MachineRow) -> Option<i32> {
    match row.state.outcome() {
        Some(MachineOutcome::Failed { code }) => Some(*code),
        _ => None,
    }
}

/// What is being waited for.
fn note(row: &MachineRow) -> Option<&'static str> {
    match &row.kill {
        Some(kill) if !row.state.is_ended() => Some(if kill.unconfirmed {
            "not killed"
        } else {
            "killing…"
        }),
        _ => None,
    }
}

/// The machine to show when none is asked for: the first one that somebody should look at.
pub(crate) fn first_to_show(detail: &RunDetail) -> Option<MachineId> {
    groups(detail)
        .first()
        .and_then(|group| group.machines.first())
        .map(|row| row.machine.clone())
}

/// The first `most` machines in the order in which somebody should look at them.
pub(crate) fn in_order(detail: &RunDetail, most: usize) -> Vec<MachineId> {
    let groups = groups(detail);
    let rows = groups.iter().flat_map(|group| &group.machines);
    rows.take(most).map(|row| row.machine.clone()).collect()
}

/// The machines of a run.
#[component]
pub(crate) fn Matrix(
    /// The run.
    #[prop(into)]
    detail: Signal<Arc<RunDetail>>,
    /// The machine whose output is shown.
    #[prop(into)]
    selected: Signal<Option<MachineId>>,
) -> impl IntoView {
    let all = Memo::new(move |_| detail.with(|detail| groups(detail)));
    let run = Memo::new(move |_| detail.with(|detail| detail.summary.id.clone()));
    let total = Memo::new(move |_| detail.with(|detail| detail.machines.len()));
    // Which machines there are changes only with how many there are.
    let common = Memo::new(move |_| {
        total.get();
        detail.with_untracked(|detail| {
            Common::of(detail.machines.iter().map(|row| row.machine.as_str()))
        })
    });
    let room = move || format!("--name:{}ch", common.get().longest.min(WIDEST));
    view! {
        <div class="matrix" style=room data-testid="matrix">
            <Rows
                each=move || all.get()
                key=|group| group.word.to_owned()
                children=move |group| {
                    let word = group.word;
                    let machines = Memo::new(move |_| {
                        all.with(|all| {
                            all.iter()
                                .find(|group| group.word == word)
                                .map(|group| group.machines.clone())
                                .unwrap_or_default()
                        })
                    });
                    view! { <MatrixGroup mark=group.mark word machines run total common selected /> }
                }
            />
        </div>
    }
    .into_any()
}

#[component]
fn MatrixGroup(
    mark: Mark,
    word: &'static str,
    machines: Memo<Vec<Arc<MachineRow>>>,
    run: Memo<RunId>,
    total: Memo<usize>,
    common: Memo<Common>,
    selected: Signal<Option<MachineId>>,
) -> impl IntoView {
    let whole = RwSignal::new(false);
    let shown = move || {
        machines.with(|machines| {
            let count = if whole.get() { machines.len() } else { CELLS };
            machines.iter().take(count).cloned().collect::<Vec<_>>()
        })
    };
    let hidden = move || {
        machines.with(|machines| {
            if whole.get() {
                0
            } else {
                machines.len().saturating_sub(CELLS)
            }
        })
    };
    let title = move || {
        let (count, total) = (machines.with(Vec::len), total.get());
        if count == total {
            format!("{} {word}", format::number(count as u64))
        } else {
            format!(
                "{} {word} of {}",
                format::number(count as u64),
                format::number(total as u64)
            )
        }
    };
    view! {
        <section class="matrix-group" data-state=word>
            <h3>
                <span class=mark.class() aria-hidden="true">
                    {mark.symbol()}
                </span>
                {move || title()}
            </h3>
            <div class="cells">
                <Rows
                    each=shown
                    key=move |row| cell_key(row, common.get_untracked())
                    children=move |row| {
                        cell_view(&row, mark, word, run, common.get_untracked(), selected)
                    }
                />
                <Shown when=move || { hidden() > 0 }>
                    <button class="quiet" on:click=move |_| whole.set(true)>
                        {move || format!("+ {} more", format::number(hidden() as u64))}
                    </button>
                </Shown>
            </div>
        </section>
    }
    .into_any()
}

/// Cells are drawn anew when anything in them has changed.
fn cell_key(row: &Arc<MachineRow>, common: Common) -> String {
    let (code, note) = (code(row).unwrap_or_default(), note(row).unwrap_or_default());
    let (prefix, name, suffix) = common.parts(row.machine.as_str());
    format!("{prefix} {name} {suffix} {code} {note}")
}

fn cell_view(
    row: &MachineRow,
    mark: Mark,
    word: &'static str,
    run: Memo<RunId>,
    common: Common,
    selected: Signal<Option<MachineId>>,
) -> impl IntoView + use<> {
    let machine = row.machine.clone();
    let (prefix, name, suffix) = common.parts(machine.as_str());
    let common = |part: &str| {
        let part = part.to_owned();
        (!part.is_empty()).then(|| view! { <span class="common">{part}</span> })
    };
    let (prefix, name, suffix) = (common(prefix), name.to_owned(), common(suffix));
    let (code, note) = (code(row), note(row));
    let mut label = format!("{machine}: {word}");
    for more in [code.map(|code| code.to_string()), note.map(str::to_owned)] {
        label.extend(more.map(|more| format!(", {more}")));
    }
    let href = {
        let machine = machine.clone();
        move || run.with(|run| routes::machine_page(run, &machine))
    };
    let current = {
        let machine = machine.clone();
        move || {
            selected
                .with(|selected| selected.as_ref() == Some(&machine))
                .then_some("true")
        }
    };
    view! {
        <a
            class="cell"
            href=move || href()
            aria-current=move || current()
            data-testid=format!("machine-{machine}")
            data-state=word
            title=label.clone()
            // Read as one name, not in three.
            aria-label=label
        >
            <span class=mark.class() aria-hidden="true">
                {mark.symbol()}
            </span>
            <span class="cell-name">{prefix} <span>{name}</span> {suffix}</span>
            {code.map(|code| view! { <span class="cell-code">{code}</span> })}
            {note.map(|note| view! { <span class="cell-code">{note}</span> })}
        </a>
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use saltpeter_protocol::MachineState;

    #[test]
    fn what_failed_comes_first() {
        let mut detail = sample::run("a_1", &["web1", "web2", "web3"]);
        Arc::make_mut(&mut detail.machines[0]).state = ended(MachineOutcome::Succeeded);
        Arc::make_mut(&mut detail.machines[2]).state = ended(MachineOutcome::Failed { code: 3 });
        let words: Vec<_> = groups(&detail).iter().map(|group| group.word).collect();
        assert_eq!(words, ["failed", "running", "succeeded"]);
        assert_eq!(first_to_show(&detail).unwrap().as_str(), "web3");
        assert_eq!(code(&groups(&detail)[0].machines[0]), Some(3));
    }

    fn ended(outcome: MachineOutcome) -> MachineState {
        MachineState::Ended {
            since: None,
            at: sample::NOW,
            outcome,
        }
    }
}
