//! The job editor: a job's text, what is wrong with it, what it would do and what will be written.

mod cards;
mod draft;
mod form;
mod text;

use super::{Failure, Loaded, PageTitle};
use crate::chunk::Part;
use crate::client;
use crate::components::confirm::{Confirm, Question};
use crate::components::shown::Shown;
use crate::first::use_first;
use crate::routes;
use cards::{Changes, Conflict, Preview, Problems};
use form::{Form, Saving};
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos::wasm_split::wasm_split;
use leptos_router::hooks::{use_params_map, use_query_map};
use saltpeter_protocol::api::{ApiError, EditorPage as Page};
use text::Code;

/// In a chunk of its own: the page, for a job that is there and for a new one.
#[wasm_split(editor, wasm_split_path = leptos::wasm_split, preload(load), fallible)]
pub(crate) fn page() -> Part {
    Ok(view! { <EditorPage /> }.into_any())
}

#[component]
fn EditorPage() -> impl IntoView {
    let params = use_params_map();
    let query = use_query_map();
    // What to begin with, as the address of the REST interface.
    let begin = Memo::new(move |_| {
        let job = params.with(|params| params.get("job"));
        let file = query.with(|query| query.get("file"));
        match (job, file) {
            (Some(job), _) => format!("/api/v1/editor?job={}", routes::escape(&job)),
            (None, Some(file)) => format!("/api/v1/editor?file={}", routes::escape(&file)),
            (None, None) => "/api/v1/editor".to_owned(),
        }
    });
    let job = move || params.with(|params| params.get("job"));
    let title = move || match job() {
        Some(job) => super::title(&job).replace(" · ", ", edit · "),
        None => "New job · Saltpeter".to_owned(),
    };
    let heading = move || match job() {
        Some(job) => format!("Edit {job}"),
        None => "New job".to_owned(),
    };
    let show = move |_| view! { <Begin begin /> }.into_any();
    view! {
        <PageTitle text=title />
        <div class="page editor-page">
            <div class="title">
                <h1>{move || heading()}</h1>
                {move || {
                    job()
                        .map(|job| {
                            let href = format!("/jobs/{}", routes::escape(&job));
                            view! {
                                <a class="up" href=href>
                                    {job}
                                </a>
                            }
                        })
                }}
            </div>
            <Loaded what="editor" page=use_first() show />
        </div>
    }
    .into_any()
}

/// Reads the text in the browser: it may have secrets in it, and a page that the server renders is anybody's who is logged
/// in.
#[component]
fn Begin(begin: Memo<String>) -> impl IntoView {
    let read = RwSignal::new(None::<Result<Page, ApiError>>);
    Effect::new(move || {
        let address = begin.get();
        read.set(None);
        spawn_local(async move {
            let answer = client::fetch(&address).await;
            if !read.is_disposed() && begin.get_untracked() == address {
                read.set(Some(answer));
            }
        });
    });
    move || match read.get() {
        None => view! { <div class="skeleton page-skeleton"></div> }.into_any(),
        Some(Ok(page)) => view! { <Editor page /> }.into_any(),
        Some(Err(error)) => view! { <Failure what="job" error /> }.into_any(),
    }
}

#[component]
fn Editor(page: Page) -> impl IntoView {
    let form = Form::new(page);
    // At once, for the problems that it has already, and what it does now.
    Effect::new(move || form.look());
    let job = form.page.with_untracked(|page| page.job.clone());
    let is_new = job.is_none();
    let disabled = move || !form.can_save();
    view! {
        <p class="weak editor-where">
            {move || form.place()}
            ". Comments stay, and so does everything else in the file."
        </p>
        <div class="editor-columns">
            <form
                class="card editor"
                on:submit=move |event| {
                    event.prevent_default();
                    form.save();
                }
            >
                {is_new.then(|| view! { <FileField form /> })}
                <Shown when=move || form.is_draft.get() && form.is_changed()>
                    <p class="weak" role="status" data-testid="editor-draft">
                        "This is what you had typed here, not saved yet."
                    </p>
                </Shown>
                <Code form />
                <Problems form />
                <div class="buttons">
                    <button
                        type="submit"
                        class="primary"
                        data-testid="editor-save"
                        disabled=move || disabled()
                    >
                        {move || if form.saving.get() == Saving::Busy { "Saving…" } else { "Save" }}
                    </button>
                    <Shown when=move || form.is_changed()>
                        <button type="button" data-testid="editor-discard" on:click=move |_| form.discard()>
                            "Discard"
                        </button>
                    </Shown>
                    {job.map(|job| view! { <Delete form job /> })}
                </div>
                <Conflict form />
            </form>
            <div class="editor-side">
                <Preview form />
                <Changes form />
            </div>
        </div>
    }
    .into_any()
}

/// Where a new job goes.
#[component]
fn FileField(form: Form) -> impl IntoView {
    let files = move || {
        form.page.with_untracked(|page| {
            let option = |file: &String| view! { <option value=file.clone()></option> };
            page.files.iter().map(option).collect_view()
        })
    };
    view! {
        <label class="field">
            <span>"File"</span>
            <input
                type="text"
                name="file"
                list="config-files"
                autocomplete="off"
                spellcheck="false"
                data-testid="editor-file"
                prop:value=move || form.file.get()
                on:change=move |event| form.choose(&event_target_value(&event))
            />
            <datalist id="config-files">{files()}</datalist>
            <span class="weak hint">
                "Its name is the job's group. A file that is not there yet is made."
            </span>
        </label>
    }
    .into_any()
}

#[component]
fn Delete(form: Form, job: String) -> impl IntoView {
    let confirm: Confirm = expect_context();
    let ask = move |_| {
        confirm.ask(Question {
            title: format!("Delete {job}?"),
            text: "Its lines are taken out of the file. What is running goes on to its end, and its history stays."
                .to_owned(),
            answer: "Delete",
            dangerous: true,
            yes: Callback::new(move |()| form.delete()),
        });
    };
    view! {
        <button
            type="button"
            class="danger"
            data-testid="editor-delete"
            disabled=move || form.saving.get() == Saving::Busy
            on:click=ask
        >
            "Delete job"
        </button>
    }
    .into_any()
}
