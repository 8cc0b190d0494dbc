//! The Maintenance page: an editor for one key of one file, that shows what it will write.

use super::Loaded;
use crate::client;
use crate::format;
use crate::live::use_live;
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_meta::Title;
use saltpeter_protocol::MachineId;
use saltpeter_protocol::api::{
    ApiError, DiffChange, DiffLine, ErrorCode, MaintenanceDiff, MaintenanceEdit,
    MaintenancePage as Page,
};
use std::time::Duration;

/// How long typing must rest before the server is asked what would be written.
const DIFF_AFTER: Duration = Duration::from_millis(150);

/// The page.
#[component]
pub(crate) fn MaintenancePage() -> impl IntoView {
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

/// Where saving stands.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Saving {
    /// Nothing has been saved yet.
    Idle,
    /// On its way.
    Busy,
    /// Written, and in force.
    Saved,
    /// Refused.
    Failed(ApiError),
}

/// The editor's fields and what the server says of them.
#[derive(Clone, Copy)]
struct Form {
    page: RwSignal<Page>,
    global: RwSignal<bool>,
    machines: RwSignal<Vec<String>>,
    reason: RwSignal<String>,
    diff: RwSignal<Option<MaintenanceDiff>>,
    saving: RwSignal<Saving>,
    /// Counts edits, so that an answer to an older one is known as such.
    edits: StoredValue<u32>,
}

impl Form {
    fn new(page: Page) -> Self {
        let current = page.current.clone();
        Self {
            global: RwSignal::new(current.global),
            machines: RwSignal::new(current.machines.into_iter().map(Into::into).collect()),
            reason: RwSignal::new(current.reason.unwrap_or_default()),
            page: RwSignal::new(page),
            diff: RwSignal::new(None),
            saving: RwSignal::new(Saving::Idle),
            edits: StoredValue::new(0),
        }
    }

    fn take(self, page: Page) {
        let current = page.current.clone();
        self.global.set(current.global);
        self.machines
            .set(current.machines.into_iter().map(Into::into).collect());
        self.reason.set(current.reason.unwrap_or_default());
        self.page.set(page);
        self.diff.set(None);
    }

    fn edit(self) -> MaintenanceEdit {
        let reason = self.reason.get_untracked().trim().to_owned();
        MaintenanceEdit {
            version: self.page.with_untracked(|page| page.version.clone()),
            global: self.global.get_untracked(),
            machines: self.machines.get_untracked(),
            reason: (!reason.is_empty()).then_some(reason),
        }
    }

    fn is_changed(self) -> bool {
        self.page.with(|page| {
            let machines: Vec<&str> = page
                .current
                .machines
                .iter()
                .map(MachineId::as_str)
                .collect();
            page.current.global != self.global.get()
                || self.machines.with(|edited| *edited != machines)
                || page.current.reason.as_deref().unwrap_or_default()
                    != self.reason.with(|reason| reason.trim().to_owned())
        })
    }

    /// Asks, after a moment without another edit, what would be written.
    fn changed(self) {
        self.saving.set(Saving::Idle);
        let edit = self.edits.get_value().wrapping_add(1);
        self.edits.set_value(edit);
        let is_current = move || self.edits.try_get_value() == Some(edit);
        set_timeout(
            move || {
                if !is_current() {
                    return;
                }
                spawn_local(async move {
                    let answer = client::maintenance_diff(self.edit()).await;
                    if is_current() {
                        match answer {
                            Ok(diff) => self.diff.set(Some(diff)),
                            Err(error) => self.saving.set(Saving::Failed(error)),
                        }
                    }
                });
            },
            DIFF_AFTER,
        );
    }

    fn save(self) {
        // A preview that is still on its way would be of a file that has changed by then.
        self.edits
            .update_value(|edits| *edits = edits.wrapping_add(1));
        self.saving.set(Saving::Busy);
        spawn_local(async move {
            let answer = client::maintenance_save(self.edit()).await;
            if self.page.is_disposed() {
                return;
            }
            match answer {
                Ok(page) => {
                    self.take(page);
                    self.saving.set(Saving::Saved);
                }
                Err(error) => self.saving.set(Saving::Failed(error)),
            }
        });
    }

    /// Takes the file as it is now, and forgets the edit.
    fn reload(self) {
        spawn_local(async move {
            let answer = client::maintenance_page().await;
            if self.page.is_disposed() {
                return;
            }
            match answer {
                Ok(page) => {
                    self.take(page);
                    self.saving.set(Saving::Idle);
                }
                Err(error) => self.saving.set(Saving::Failed(error)),
            }
        });
    }

    /// What the server says is wrong with a field.
    fn problems(self, field: &str) -> Vec<String> {
        self.diff.with(|diff| {
            diff.iter()
                .flat_map(|diff| &diff.problems)
                .filter(|problem| problem.field == field)
                .map(|problem| problem.message.clone())
                .collect()
        })
    }

    fn has_problems(self) -> bool {
        self.diff
            .with(|diff| diff.as_ref().is_some_and(|diff| !diff.problems.is_empty()))
    }
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
                <label class="switch">
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
                <Machines form />
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
                <div class="buttons">
                    <button
                        type="submit"
                        class="primary"
                        data-testid="maintenance-save"
                        disabled=disabled
                    >
                        {move || if form.saving.get() == Saving::Busy { "Saving…" } else { "Save" }}
                    </button>
                    <Show when=move || form.is_changed()>
                        <button type="button" on:click=move |_| form.reload()>
                            "Discard"
                        </button>
                    </Show>
                    <SavingState form />
                </div>
            </form>
            <Diff form />
        </div>
    }
    .into_any()
}

impl Form {
    fn is_changed_untracked(self) -> bool {
        untrack(move || self.is_changed())
    }

    fn reload_quietly(self) {
        if self.saving.get_untracked() != Saving::Busy {
            let saved = self.saving.get_untracked();
            spawn_local(async move {
                let answer = client::maintenance_page().await;
                if let Ok(page) = answer
                    && !self.page.is_disposed()
                    && !self.is_changed_untracked()
                {
                    self.take(page);
                    self.saving.set(saved);
                }
            });
        }
    }
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
    view! { {problems} }
}

#[component]
fn Machines(form: Form) -> impl IntoView {
    let text = RwSignal::new(String::new());
    let add = move || {
        let name = text.get_untracked().trim().to_owned();
        if name.is_empty() {
            return;
        }
        form.machines.update(|machines| {
            if !machines.contains(&name) {
                machines.push(name);
            }
        });
        text.set(String::new());
        form.changed();
    };
    let remove = move |name: &str| {
        form.machines
            .update(|machines| machines.retain(|machine| machine != name));
        form.changed();
    };
    let known = move || {
        form.page.with(|page| {
            form.machines.with(|chosen| {
                page.known_machines
                    .iter()
                    .map(MachineId::as_str)
                    .filter(|machine| !chosen.iter().any(|other| other == machine))
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
            })
        })
    };
    view! {
        <div class="field">
            <span id="machines-label">"Machines under maintenance"</span>
            <ul class="chips" data-testid="maintenance-machines">
                <For
                    each=move || form.machines.get()
                    key=|machine| machine.clone()
                    children=move |machine| {
                        let name = machine.clone();
                        view! {
                            <li class="chip" data-testid=format!("maintenance-machine-{machine}")>
                                {machine.clone()}
                                <button
                                    type="button"
                                    class="quiet"
                                    aria-label=format!("Remove {machine}")
                                    on:click=move |_| remove(&name)
                                >
                                    "×"
                                </button>
                            </li>
                        }
                    }
                />
            </ul>
            <div class="adder">
                <input
                    type="text"
                    list="known-machines"
                    placeholder="machine"
                    aria-labelledby="machines-label"
                    autocomplete="off"
                    data-testid="maintenance-machine-input"
                    prop:value=move || text.get()
                    on:input=move |event| text.set(event_target_value(&event))
                    on:keydown=move |event| {
                        if event.key() == "Enter" {
                            event.prevent_default();
                            add();
                        }
                    }
                />
                <datalist id="known-machines">
                    <For
                        each=known
                        key=|machine| machine.clone()
                        children=|machine| view! { <option value=machine></option> }
                    />
                </datalist>
                <button type="button" data-testid="maintenance-machine-add" on:click=move |_| add()>
                    "Add"
                </button>
            </div>
            <Problems form field="machines" />
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

/// The changed lines with some around them; `None` stands for lines left out.
fn excerpt(lines: &[DiffLine]) -> Vec<Option<&DiffLine>> {
    const AROUND: usize = 3;
    let mut shown = Vec::new();
    let mut left_out = false;
    for (i, line) in lines.iter().enumerate() {
        let near = &lines[i.saturating_sub(AROUND)..lines.len().min(i + AROUND + 1)];
        if near.iter().any(|line| line.change != DiffChange::Same) {
            if std::mem::take(&mut left_out) {
                shown.push(None);
            }
            shown.push(Some(line));
        } else {
            left_out = true;
        }
    }
    if left_out {
        shown.push(None);
    }
    shown
}

#[component]
fn Diff(form: Form) -> impl IntoView {
    let lines = move || {
        form.diff.with(|diff| {
            let lines = diff.as_ref().map_or(&[][..], |diff| &diff.lines);
            excerpt(lines)
                .into_iter()
                .map(|line| {
                    let (class, sign, text) = match line {
                        None => ("left-out", "", "⋯".to_owned()),
                        Some(line) => match line.change {
                            DiffChange::Same => ("same", " ", line.text.clone()),
                            DiffChange::Added => ("added", "+", line.text.clone()),
                            DiffChange::Removed => ("removed", "−", line.text.clone()),
                        },
                    };
                    view! {
                        <div class=format!("diff-line {class}")>
                            <span class="sign">{sign}</span>
                            <span>{text}</span>
                        </div>
                    }
                })
                .collect_view()
        })
    };
    let changes = move || {
        form.diff.with(|diff| {
            diff.iter()
                .flat_map(|diff| &diff.lines)
                .filter(|line| line.change != DiffChange::Same)
                .count() as u64
        })
    };
    view! {
        <section class="card">
            <h2>"What will be written"</h2>
            <p class="weak">
                "To " <code data-testid="maintenance-file">{move || form.page.with(|page| page.file.clone())}</code>
                ". Comments and everything else in it stay."
            </p>
            <Show
                when=move || form.is_changed() && form.diff.with(Option::is_some)
                fallback=|| view! { <p class="empty">"No changes."</p> }
            >
                <p>{move || format::amount(changes(), "changed line")}</p>
                <div class="diff" data-testid="maintenance-diff">
                    {lines}
                </div>
            </Show>
        </section>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_shows_changes_and_what_is_around_them() {
        let mut lines: Vec<DiffLine> = (0..20)
            .map(|n| DiffLine {
                change: DiffChange::Same,
                text: n.to_string(),
            })
            .collect();
        lines[10].change = DiffChange::Added;
        let texts: Vec<&str> = excerpt(&lines)
            .iter()
            .map(|line| line.map_or("⋯", |line| &line.text))
            .collect();
        assert_eq!(texts, ["⋯", "7", "8", "9", "10", "11", "12", "13", "⋯"]);
        assert!(excerpt(&[]).is_empty());
    }
}
