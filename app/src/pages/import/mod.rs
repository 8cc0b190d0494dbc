//! The Import page: a crontab is pasted, the jobs that it makes are shown, and what could not be converted and why.

mod form;
mod result;

use super::Loaded;
use crate::chunk::Part;
use crate::components::shown::Shown;
use crate::first::use_first;
use form::Form;
use leptos::prelude::*;
use leptos::wasm_split::wasm_split;
use leptos_meta::Title;
use result::{Answer, Lines, Yaml};
use saltpeter_protocol::api::CrontabForm;

/// A crontab for whoever has none at hand.
const EXAMPLE: &str = "\
MAILTO=ops@example.com
PATH=/usr/local/bin:/usr/bin:/bin

# m  h  dom mon dow  command
30 2  *   *   *    /usr/local/bin/backup.sh --full
*/10 8-18 * *  mon-fri  sync.py >/dev/null 2>&1
0  6  1   *   mon  report | mail -s Report%\\%100 done
@reboot            /opt/agent/start
";

/// In a chunk of its own: the page.
#[wasm_split(import, wasm_split_path = leptos::wasm_split, preload(load), fallible)]
pub(crate) fn page() -> Part {
    Ok(view! { <ImportPage /> }.into_any())
}

#[component]
fn ImportPage() -> impl IntoView {
    let show = |_| view! { <Content /> }.into_any();
    view! {
        <Title text="Import · Saltpeter" />
        <div class="page import-page">
            <h1>"Import a crontab"</h1>
            <Loaded what="import" page=use_first() show />
        </div>
    }
    .into_any()
}

#[component]
fn Content() -> impl IntoView {
    let form = Form::new();
    view! {
        <p class="weak">
            "Paste what " <code>"crontab -l"</code> " prints, or " <code>"/etc/crontab"</code>
            ". Nothing is written until you save it."
        </p>
        <div class="editor-columns">
            <form class="card editor" on:submit=|event| event.prevent_default()>
                <label class="field">
                    <span>"Crontab"</span>
                    <textarea
                        name="crontab"
                        rows="14"
                        wrap="off"
                        spellcheck="false"
                        autocomplete="off"
                        autocapitalize="off"
                        data-testid="import-text"
                        placeholder="30 2 * * * /usr/local/bin/backup.sh"
                        prop:value=move || form.crontab.get()
                        on:input=move |event| form.crontab.set(event_target_value(&event))
                    ></textarea>
                </label>
                <Shown when=move || form.crontab.with(String::is_empty)>
                    <p>
                        <button
                            type="button"
                            class="small"
                            data-testid="import-example"
                            on:click=move |_| form.crontab.set(EXAMPLE.to_owned())
                        >
                            "Try it with an example"
                        </button>
                    </p>
                </Shown>
                <Fields form />
            </form>
            <div class="editor-side">
                <Answer form />
                <Lines form />
                <Yaml form />
            </div>
        </div>
    }
    .into_any()
}

#[component]
fn Fields(form: Form) -> impl IntoView {
    let kind = |kind: CrontabForm, word: &'static str, text: &'static str| {
        let selected = move || form.kind.get() == kind;
        view! {
            <option value=word selected=move || selected()>
                {text}
            </option>
        }
    };
    let choose = move |event| {
        form.kind.set(match event_target_value(&event).as_str() {
            "user" => CrontabForm::User,
            "system" => CrontabForm::System,
            _ => CrontabForm::Detect,
        });
    };
    view! {
        <div class="import-fields">
            <label class="field">
                <span>"Machines"</span>
                <input
                    type="text"
                    name="targets"
                    placeholder="web*"
                    autocomplete="off"
                    spellcheck="false"
                    data-testid="import-targets"
                    prop:value=move || form.targets.get()
                    on:input=move |event| form.targets.set(event_target_value(&event))
                />
                <span class="weak hint">"A glob over their names; " <code>"*"</code> " is all."</span>
            </label>
            <label class="field">
                <span>"File"</span>
                <input
                    type="text"
                    name="group"
                    autocomplete="off"
                    spellcheck="false"
                    data-testid="import-group"
                    prop:value=move || form.group.get()
                    on:input=move |event| form.group.set(event_target_value(&event))
                />
                <span class="weak hint">"Without its ending; also the jobs' group."</span>
            </label>
            <label class="field">
                <span>"Each line names a user"</span>
                <select name="kind" data-testid="import-kind" on:change=choose>
                    {kind(CrontabForm::Detect, "detect", "find out")}
                    {kind(CrontabForm::User, "user", "no: it is one user's")}
                    {kind(CrontabForm::System, "system", "yes: it is the system's")}
                </select>
                <span class="weak hint">"As in " <code>"/etc/crontab"</code> "."</span>
            </label>
            <Shown when=move || form.kind.get() != CrontabForm::System>
                <label class="field">
                    <span>"Run as"</span>
                    <input
                        type="text"
                        name="user"
                        placeholder="the wrapper's user"
                        autocomplete="off"
                        spellcheck="false"
                        data-testid="import-user"
                        prop:value=move || form.user.get()
                        on:input=move |event| form.user.set(event_target_value(&event))
                    />
                    <span class="weak hint">"Whose crontab it is."</span>
                </label>
            </Shown>
        </div>
    }
    .into_any()
}
