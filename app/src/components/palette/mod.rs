//! The command palette: pages, jobs, machines, runs and what can be done with them, by a few letters of their names.

mod find;
mod fuzzy;

use crate::actions::{Action, use_actions};
use crate::browser;
use crate::chunk::{self, Part};
use crate::client;
use crate::format;
use crate::live::use_live;
use crate::typing::Changes;
use find::{Found, What, find, machines_address};
use leptos::html;
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos::wasm_split::wasm_split;
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;
use saltpeter_protocol::MachineId;
use serde::Deserialize;
use std::time::Duration;

/// How long typing must rest before the server is asked for machines.
const ASK_AFTER: Duration = Duration::from_millis(120);

/// Of a list of machines, what the palette needs.
#[derive(Deserialize)]
struct Machines {
    machines: Vec<Known>,
}

/// One of them.
#[derive(Deserialize)]
struct Known {
    machine: MachineId,
}

/// The palette; `open` is set to show it.
#[component]
pub(crate) fn Palette(
    /// Whether it is shown.
    open: RwSignal<bool>,
    /// Opens the help.
    help: Callback<()>,
) -> impl IntoView {
    let dialog = NodeRef::<html::Dialog>::new();
    Effect::new(move || {
        let Some(dialog) = dialog.get() else {
            return;
        };
        if open.get() && !dialog.open() {
            // Refused only for a dialog that is open or not in the page. The browser keeps the focus within it.
            let _ = dialog.show_modal();
        } else if !open.get() && dialog.open() {
            dialog.close();
        }
    });
    view! {
        <dialog
            class="palette"
            node_ref=dialog
            data-testid="palette"
            aria-label="Go to, or do"
            on:close=move |_| open.set(false)
        >
            // Made when it is opened, with an empty query.
            {move || open.get().then(|| chunk::page(content(open, help)))}
        </dialog>
    }
    .into_any()
}

/// What is in it while it is open, in a chunk of its own.
#[wasm_split(palette, wasm_split_path = leptos::wasm_split, fallible)]
fn content(open: RwSignal<bool>, help: Callback<()>) -> Part {
    Ok(view! { <Content open help /> }.into_any())
}

#[component]
fn Content(open: RwSignal<bool>, help: Callback<()>) -> impl IntoView {
    let live = use_live();
    let actions = use_actions();
    let navigate = use_navigate();
    let may = browser::may();
    let query = RwSignal::new(String::new());
    let chosen = RwSignal::new(0_usize);
    let machines = RwSignal::new(Vec::new());
    let found = Memo::new(move |_| {
        machines.with(|machines| query.with(|query| find(live, machines, query, &may)))
    });
    // There may be thousands: the server finds the few that go with the query.
    let changes = Changes::new();
    Effect::new(move || {
        let change = changes.next();
        let Some(address) = query.with(|query| machines_address(query)) else {
            return;
        };
        change.rested(ASK_AFTER, move || {
            spawn_local(async move {
                let answer = client::fetch::<Machines>(&address).await;
                // Without an answer there is all the rest.
                if let Ok(answer) = answer
                    && change.is_last()
                {
                    let names = answer.machines.into_iter().map(|known| known.machine);
                    machines.set(names.collect());
                }
            });
        });
    });
    let choose = Callback::new(move |index: usize| {
        let Some(found) = found.with_untracked(|found| found.get(index).cloned()) else {
            return;
        };
        open.set(false);
        match found.what {
            What::Go(to) => navigate(&to, NavigateOptions::default()),
            What::Leave(to) => {
                // Only a browser that is about to close the page refuses.
                let _ = window().location().set_href(to);
            }
            What::Do(Action::Start(job)) => actions.start(job),
            What::Do(action) => actions.kill(action),
            What::Help => help.run(()),
        }
    });
    let step = move |by: isize| {
        let count = found.with_untracked(Vec::len);
        if count > 0 {
            let at = chosen.get_untracked() as isize + by;
            chosen.set(at.rem_euclid(count as isize) as usize);
            show(chosen.get_untracked());
        }
    };
    let key = move |event: leptos::ev::KeyboardEvent| {
        match event.key().as_str() {
            "ArrowDown" => step(1),
            "ArrowUp" => step(-1),
            "PageDown" => step(8),
            "PageUp" => step(-8),
            "Enter" => choose.run(chosen.get_untracked()),
            "Escape" => open.set(false),
            _ => return,
        }
        event.prevent_default();
    };
    let rows = move || {
        found.with(|found| {
            let row = |(index, found)| row(index, found, chosen, choose);
            found.iter().enumerate().map(row).collect_view()
        })
    };
    let count = move || match found.with(Vec::len) {
        0 => "Nothing goes with that".to_owned(),
        count => format::amount(count as u64, "result"),
    };
    let input = NodeRef::<html::Input>::new();
    Effect::new(move || {
        if let Some(input) = input.get() {
            // Only a removed element cannot be focused.
            let _ = input.focus();
        }
    });
    view! {
        <input
            type="text"
            class="palette-input"
            placeholder="A job, a page, a machine, or: run backup"
            node_ref=input
            autocomplete="off"
            autocapitalize="off"
            spellcheck="false"
            role="combobox"
            aria-label="Go to, or do"
            aria-expanded="true"
            aria-autocomplete="list"
            aria-controls="palette-list"
            aria-activedescendant=move || {
                (!found.with(Vec::is_empty)).then(|| format!("palette-{}", chosen.get()))
            }
            data-testid="palette-input"
            on:input=move |event| {
                query.set(event_target_value(&event));
                chosen.set(0);
            }
            on:keydown=key
        />
        <ul id="palette-list" role="listbox" aria-label="Results">
            {move || rows()}
        </ul>
        <p class="palette-foot weak">
            <span role="status" data-testid="palette-count">
                {move || count()}
            </span>
            <span class="palette-keys" aria-hidden="true">
                <kbd>"↑"</kbd>
                " "
                <kbd>"↓"</kbd>
                " choose  "
                <kbd>"⏎"</kbd>
                " go  "
                <kbd>"esc"</kbd>
                " close"
            </span>
        </p>
    }
    .into_any()
}

fn row(
    index: usize,
    found: &Found,
    chosen: RwSignal<usize>,
    choose: Callback<usize>,
) -> impl IntoView + use<> {
    let found = found.clone();
    view! {
        <li
            id=format!("palette-{index}")
            role="option"
            aria-selected=move || (chosen.get() == index).to_string()
            data-testid="palette-row"
            on:click=move |_| choose.run(index)
            on:mousemove=move |_| {
                if chosen.get_untracked() != index {
                    chosen.set(index);
                }
            }
        >
            <span class="kind">{found.kind}</span>
            <span class="label">{found.label}</span>
            <span class="weak hint">{found.hint}</span>
        </li>
    }
    .into_any()
}

/// Brings a row into sight.
fn show(index: usize) {
    if let Some(row) = browser::find(&format!("#palette-{index}")) {
        row.scroll_into_view_with_bool(false);
    }
}
