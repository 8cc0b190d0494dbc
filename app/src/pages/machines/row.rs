//! A machine in the list.

use crate::client;
use crate::components::toast::{Toast, Toasts};
use crate::components::when::When;
use crate::format;
use crate::query::Asked;
use crate::routes;
use leptos::prelude::*;
use saltpeter_protocol::MachineId;
use saltpeter_protocol::api::{ApiError, Edited, KnownMachine, MaintenanceEdit};

/// Runs that a row names; the others are counted.
const NAMED: usize = 2;

/// Rows are drawn anew when anything in them has changed.
pub(super) fn key(machine: &KnownMachine) -> String {
    let mut key = format!(
        "{} {} {} {} {}",
        machine.machine,
        // What is heard is heard each time anew, and the row stays.
        machine
            .seen
            .filter(|_| !machine.heard)
            .map_or(0, |seen| seen.0),
        machine.results,
        machine.failed,
        machine.maintenance
    );
    for run in &machine.running {
        key.push(' ');
        key.push_str(run.as_str());
    }
    key.push(' ');
    key.push_str(machine.wrapper.as_deref().unwrap_or_default());
    key
}

/// The row.
#[component]
pub(super) fn Row(machine: KnownMachine) -> impl IntoView {
    let name = machine.machine.to_string();
    let title = name.clone();
    let runs = Asked::default().with("machine", &name).address("/runs");
    let failing = machine.failed > 0;
    let share = if machine.results == 0 {
        "–".to_owned()
    } else {
        format!("{} of {}", machine.failed, machine.results)
    };
    let wrapper = machine.wrapper.clone().unwrap_or_else(|| "–".to_owned());
    let width =
        format::decimal(f64::from(machine.failed) * 100.0 / f64::from(machine.results.max(1)));
    let more = machine.running.len().saturating_sub(NAMED);
    let running = machine
        .running
        .iter()
        .take(NAMED)
        .map(|run| {
            let href = routes::machine_page(run, &machine.machine);
            view! {
                <a class="running-run" href=href>
                    <span class="mark running" aria-hidden="true">
                        "◐"
                    </span>
                    {run.to_string()}
                </a>
            }
        })
        .collect_view();
    let idle = machine.running.is_empty();
    view! {
        <tr data-row="" data-testid="machine-row" data-machine=name>
            <td class="col-machine">
                <a href=runs.clone()>{title}</a>
            </td>
            <td class="col-seen">
                {if machine.heard {
                    "now".into_any()
                } else {
                    view! { <When at=machine.seen /> }.into_any()
                }}
            </td>
            <td class="col-wrapper weak">{wrapper}</td>
            <td class="col-running" class:idle=idle data-testid="machine-running">
                {running}
                {(more > 0).then(|| format!("+{more}"))}
                {idle.then_some("–")}
            </td>
            <td class="col-failures" data-testid="machine-failures">
                <span class="share" class:failing=failing>
                    <span class="share-bar" aria-hidden="true">
                        <span style=format!("width:{width}%")></span>
                    </span>
                    {share}
                </span>
            </td>
            <td class="col-maintenance">
                <Switch machine=machine.machine on=machine.maintenance />
            </td>
            <td class="col-actions">
                <a class="button small" href=runs>
                    "Runs"
                </a>
            </td>
        </tr>
    }
    .into_any()
}

/// Takes the machine out of every job's targets, or puts it back.
#[component]
fn Switch(machine: MachineId, on: bool) -> impl IntoView {
    let toasts: Option<Toasts> = use_context();
    let shown = RwSignal::new(on);
    let busy = RwSignal::new(false);
    let label = format!("Maintenance of {machine}");
    view! {
        <span class="deed-of-all">
            <span class="switch">
                <input
                    type="checkbox"
                    role="switch"
                    aria-label=label
                    data-testid="machine-maintenance"
                    checked=on
                    disabled=move || busy.get()
                    prop:checked=move || shown.get()
                    on:change=move |event| {
                        let wanted = event_target_checked(&event);
                        let machine = machine.clone();
                        shown.set(wanted);
                        busy.set(true);
                        leptos::task::spawn_local(async move {
                            let result = switch(&machine, wanted).await;
                            let _ = busy.try_set(false);
                            if let Err(error) = result {
                                let _ = shown.try_set(!wanted);
                                if let Some(toasts) = toasts {
                                    let what = if wanted { "on" } else { "off" };
                                    toasts.show(Toast::bad(
                                        format!("Maintenance of {machine} was not turned {what}"),
                                        error,
                                    ));
                                }
                            }
                        });
                    }
                />
            </span>
        </span>
    }
    .into_any()
}

/// Changes the list of machines under maintenance as it is now, by this one.
async fn switch(machine: &MachineId, on: bool) -> Result<(), ApiError> {
    let page = client::maintenance_page().await?;
    let others = page.current.machines.into_iter().filter(|m| m != machine);
    let mut machines: Vec<String> = others.map(Into::into).collect();
    if on {
        machines.push(machine.to_string());
    }
    client::maintenance_save(MaintenanceEdit {
        version: page.version,
        global: page.current.global,
        groups: Edited::AsItIs,
        machines,
        reason: Edited::AsItIs,
        until: Edited::AsItIs,
    })
    .await?;
    Ok(())
}
