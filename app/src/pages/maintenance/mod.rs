//! The Maintenance page: an editor for one key of one file, that shows what it will write.

mod diff;
mod form;

use super::Loaded;
use crate::chunk::Part;
use crate::client;
use crate::components::rows::Rows;
use crate::components::shown::Shown;
use crate::live::use_live;
use diff::Diff;
use form::{Form, Saving};
use leptos::prelude::*;
use leptos::wasm_split::wasm_split;
use leptos_meta::Title;
use saltpeter_protocol::api::{ErrorCode, MaintenancePage as Page};

/// The page, in a chunk of its own.
#[wasm_split(maintenance, wasm_split_path = leptos::wasm_split, preload(load), fallible)]
pub(crate) fn page() -> Part {
    Ok(MaintenancePage().into_any())
}

#[component]
fn MaintenancePage() -> impl IntoView {
    let page = Resource::new(|| (), |()| client::maintenance_page());
    let show = |first| view! { <Editor first /> }.into_any();
    view! {
        <Title text="Maintenance · Saltpeter" />
        <div class="page maintenance-page">
            <h1>"Maintenance"</h1>
            <Loaded what="maintenance editor" page show />
        </div>
    }
    .into_any()
}

#[component]
fn Editor(first: Page) -> impl IntoView {
    let live = use_live();
    let form = Form::new(first);
    // Somebody else may change it meanwhile. Without an edit of one's own the new state is simply
    // shown; with one, saving will say that there is a conflict.
    let in_force = Memo::new(move |_| live.maintenance());
    Effect::new(move |before: Option<()>| {
        in_force.with(|_| ());
        if before.is_some() && !form.is_changed_untracked() {
            form.reload_quietly();
        }
    });
    let disabled =
        move || !form.is_changed() || form.has_problems() || form.saving.get() == Saving::Busy;
    view! {
        <div class="columns">
            <form
                class="card editor"
                on:submit=move |event| {
                    event.prevent_default();
                    form.save();
                }
            >
                <label class="switch of-all">
                    <input
                        type="checkbox"
                        role="switch"
                        name="global"
                        data-testid="maintenance-global"
                        checked=form.global.get_untracked()
                        prop:checked=move || form.global.get()
                        on:change=move |event| {
                            form.global.set(event_target_checked(&event));
                            form.changed();
                        }
                    />
                    <span>
                        <strong>"Global maintenance"</strong>
                        <span class="weak">"Nothing new starts. What is running goes on to its end."</span>
                    </span>
                </label>
                <Problems form field="global" />
                <Names
                    form
                    field="groups"
                    label="Groups under maintenance"
                    one="group"
                    names=form.groups
                    known=move || form.page.with(|page| page.known_groups.clone())
                />
                <div class="of-all">
                    <Names
                        form
                        field="machines"
                        label="Machines under maintenance"
                        one="machine"
                        names=form.machines
                        known=move || {
                            form.page
                                .with(|page| {
                                    let machines = page.known_machines.iter();
                                    machines.map(ToString::to_string).collect::<Vec<_>>()
                                })
                        }
                    />
                </div>
                <label class="field">
                    <span>"Reason"</span>
                    <input
                        type="text"
                        name="reason"
                        maxlength="200"
                        placeholder="kernel rollout"
                        data-testid="maintenance-reason"
                        value=form.reason.get_untracked()
                        prop:value=move || form.reason.get()
                        on:input=move |event| {
                            form.reason.set(event_target_value(&event));
                            form.changed();
                        }
                    />
                </label>
                <Problems form field="reason" />
                <label class="field">
                    <span>"Until (UTC), when it ends by itself"</span>
                    <input
                        type="datetime-local"
                        name="until"
                        data-testid="maintenance-until"
                        value=form.until.get_untracked()
                        prop:value=move || form.until.get()
                        on:change=move |event| {
                            form.until.set(event_target_value(&event));
                            form.changed();
                        }
                    />
                </label>
                <Problems form field="until" />
                <div class="buttons deed">
                    <button
                        type="submit"
                        class="primary"
                        data-testid="maintenance-save"
                        disabled=move || disabled()
                    >
                        {move || if form.saving.get() == Saving::Busy { "Saving…" } else { "Save" }}
                    </button>
                    <Shown when=move || form.is_changed()>
                        <button type="button" on:click=move |_| form.reload()>
                            "Discard"
                        </button>
                    </Shown>
                    <SavingState form />
                </div>
            </form>
            <Diff form />
        </div>
    }
    .into_any()
}

#[component]
fn Problems(form: Form, field: &'static str) -> impl IntoView {
    let problems = move || {
        form.problems(field)
            .into_iter()
            .map(|message| {
                view! {
                    <p class="problem" role="alert" data-testid=format!("problem-{field}")>
                        {message}
                    </p>
                }
            })
            .collect_view()
    };
    view! { {move || problems()} }
}

/// Names that are taken out, one by one. `field` is what the server calls them, `one` what one of them is.
#[component]
fn Names(
    form: Form,
    field: &'static str,
    label: &'static str,
    one: &'static str,
    names: RwSignal<Vec<String>>,
    /// Those that there are.
    #[prop(into)]
    known: Callback<(), Vec<String>>,
) -> impl IntoView {
    let text = RwSignal::new(String::new());
    let add = move || {
        let name = text.get_untracked().trim().to_owned();
        if name.is_empty() {
            return;
        }
        names.update(|names| {
            if !names.contains(&name) {
                names.push(name);
            }
        });
        text.set(String::new());
        form.changed();
    };
    let remove = move |name: &str| {
        names.update(|names| names.retain(|other| other != name));
        form.changed();
    };
    let others = move || {
        let mut known = known.run(());
        names.with(|chosen| known.retain(|name| !chosen.contains(name)));
        known
    };
    view! {
        <div class="field">
            <span id=format!("{field}-label")>{label}</span>
            <ul class="chips" data-testid=format!("maintenance-{field}")>
                <Rows
                    each=move || names.get()
                    key=|name| name.clone()
                    children=move |name| {
                        let removed = name.clone();
                        // Only those of a group that somebody sees to may take it away.
                        let group = (one == "group").then(|| name.clone());
                        view! {
                            <li class="chip" data-group=group data-testid=format!("maintenance-{one}-{name}")>
                                {name.clone()}
                                <button
                                    type="button"
                                    class="quiet deed"
                                    aria-label=format!("Remove {name}")
                                    on:click=move |_| remove(&removed)
                                >
                                    "×"
                                </button>
                            </li>
                        }
                    }
                />
            </ul>
            <div class="adder deed">
                <input
                    type="text"
                    list=format!("known-{field}")
                    placeholder=one
                    aria-labelledby=format!("{field}-label")
                    autocomplete="off"
                    data-testid=format!("maintenance-{one}-input")
                    prop:value=move || text.get()
                    on:input=move |event| text.set(event_target_value(&event))
                    on:keydown=move |event| {
                        if event.key() == "Enter" {
                            event.prevent_default();
                            add();
                        }
                    }
                />
                <datalist id=format!("known-{field}")>
                    <Rows
                        each=others
                        key=|name| name.clone()
                        children=|name| view! { <option value=name></option> }
                    />
                </datalist>
                <button type="button" data-testid=format!("maintenance-{one}-add") on:click=move |_| add()>
                    "Add"
                </button>
            </div>
            <Problems form field />
        </div>
    }
    .into_any()
}

#[component]
fn SavingState(form: Form) -> impl IntoView {
    move || match form.saving.get() {
        Saving::Idle | Saving::Busy => ().into_any(),
        Saving::Saved => view! {
            <span class="state" role="status" data-testid="maintenance-saved">
                <span class="mark succeeded" aria-hidden="true">"✓"</span>
                "Saved and in force"
            </span>
        }
        .into_any(),
        Saving::Failed(error) if error.code == ErrorCode::Conflict => view! {
            <div class="problem" role="alert" data-testid="maintenance-conflict">
                <p>{error.message}</p>
                <button type="button" on:click=move |_| form.reload()>
                    "Show the file as it is now"
                </button>
            </div>
        }
        .into_any(),
        Saving::Failed(error) => view! {
            <div class="problem" role="alert" data-testid="maintenance-error">
                <p>{error.message}</p>
                {error.details.into_iter().map(|text| view! { <p>{text}</p> }).collect_view()}
            </div>
        }
        .into_any(),
    }
}
