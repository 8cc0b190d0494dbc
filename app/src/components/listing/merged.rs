//! The output of several machines of a run in the order of its time.

use super::{Around, Picked, listing};
use crate::chunk::Part;
use crate::components::line::Times;
use crate::components::matrix::in_order;
use crate::format;
use crate::routes;
use leptos::prelude::*;
use leptos::wasm_split::wasm_split;
use saltpeter_protocol::api::{LinesPage, RunDetail};
use saltpeter_protocol::{MachineId, RunId, UnixMillis};

/// Machines that are merged at most; the server merges no more.
const MOST: usize = 16;

/// The machines that an address asks to be merged: those named, or with `*` the first ones to look at.
pub(crate) fn to_merge(detail: &RunDetail, text: &str) -> Vec<MachineId> {
    if text.trim() == routes::ALL {
        return in_order(detail, MOST);
    }
    let mut machines: Vec<MachineId> = Vec::new();
    for name in text.split_whitespace() {
        let row = detail
            .machines
            .iter()
            .find(|row| row.machine.as_str() == name);
        if let Some(row) = row
            && !machines.contains(&row.machine)
            && machines.len() < MOST
        {
            machines.push(row.machine.clone());
        }
    }
    machines
}

/// Whose output is merged.
pub(crate) struct Merged {
    /// The run.
    pub(crate) run: RunId,
    /// These machines of it.
    pub(crate) machines: Vec<MachineId>,
    /// How many it has in all.
    pub(crate) all: usize,
    /// When it was begun.
    pub(crate) begun: UnixMillis,
    /// Whether there may be more output.
    pub(crate) running: Signal<bool>,
    /// What the page brought along of it.
    pub(crate) first: Option<LinesPage>,
}

/// Their output, in the chunk of what is done with output now and then.
#[wasm_split(lines, wasm_split_path = leptos::wasm_split, fallible)]
#[allow(
    clippy::boxed_local,
    reason = "what goes from one module to another is passed as a pointer"
)]
pub(crate) fn merged(of: Box<Merged>) -> Part {
    Ok(merged_view(*of))
}

fn merged_view(of: Merged) -> AnyView {
    let Merged {
        run,
        machines,
        all,
        begun,
        running,
        first,
    } = of;
    let times = RwSignal::new(Times::Relative);
    let stderr = RwSignal::new(false);
    let names: Vec<_> = machines.iter().map(MachineId::as_str).collect();
    let names = names.join(" ");
    let count = if machines.len() == all {
        format::amount(all as u64, "machine")
    } else {
        let all = format::amount(all as u64, "machine");
        format!("{} of {all}", machines.len())
    };
    let action = routes::run_page(&run);
    let back = action.clone();
    let first = StoredValue::new(first);
    let lines = move || {
        let stderr = stderr.get();
        let picked = Picked {
            run: run.clone(),
            machines: machines.clone(),
            attempt: None,
            stderr,
        };
        let around = Around {
            times,
            begun,
            running,
            go: None,
        };
        // The page brought all lines along, once.
        let first = if stderr {
            None
        } else {
            first.try_update_value(Option::take).flatten()
        };
        listing(picked, around, first)
    };
    view! {
        <div class="output-frame merged" data-testid="merged">
            <div class="output-tools">
                <form class="merged-machines" action=action method="get">
                    <label>
                        {count} " merged by time"
                        <input
                            name="merged"
                            value=names
                            title="Machines, with spaces between them; 16 at most, * for the first ones to look at"
                            data-testid="merged-machines"
                            autocomplete="off"
                            spellcheck="false"
                        />
                    </label>
                    <button class="toggle">"Show"</button>
                </form>
                <button
                    class="toggle"
                    aria-pressed=move || stderr.get().to_string()
                    data-testid="merged-stderr"
                    title="Only lines on standard error"
                    on:click=move |_| stderr.update(|on| *on = !*on)
                >
                    "Only stderr"
                </button>
                <button
                    class="toggle"
                    aria-pressed=move || (times.get() != Times::Off).to_string()
                    data-testid="merged-times"
                    title="Time of each line: off, since the start, time of day"
                    on:click=move |_| times.update(|times| *times = times.next())
                >
                    "Time: "
                    {move || times.get().word()}
                </button>
                <a class="button" href=back data-testid="merged-back">
                    "One machine"
                </a>
            </div>
            {move || lines()}
        </div>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn only_machines_of_the_run_are_merged_and_not_too_many() {
        let names: Vec<String> = (0..40).map(|n| format!("web{n:02}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let detail = sample::run("a_1", &names);
        let merged = |text: &str| {
            let machines = to_merge(&detail, text);
            machines.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(merged("web07  web01 nobody web07"), ["web07", "web01"]);
        assert_eq!(merged("*").len(), MOST);
        assert_eq!(merged(&names.join(" ")).len(), MOST);
        assert!(merged("").is_empty());
    }
}
