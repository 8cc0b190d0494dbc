//! The Job page: what one job is, when and where it runs, and how it went.

mod cards;
mod past;

use super::{Loaded, PageTitle};
use crate::actions::{Action, use_actions};
use crate::chunk::Part;
use crate::client;
use crate::components::history::History;
use crate::components::marks::{Mark, MarkIcon, job_word};
use crate::components::rows::Rows;
use crate::components::run_view::{RunBundle, RunView};
use crate::components::shown::Shown;
use crate::components::when::When;
use crate::live::use_live;
use crate::routes;
use cards::{Definition, Effective, Preview, Upcoming};
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos::wasm_split::wasm_split;
use leptos_router::hooks::use_params_map;
use past::{Past, Since};
use saltpeter_protocol::api::{ApiError, ErrorCode, JobDetail, JobRow};
use saltpeter_protocol::{JobName, RunId};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// How many of a job's runs a page brings along; more are fetched when it has come to life.
const RUNS_ALONG: usize = 2;

/// A job as the page brings it along.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct JobBundle {
    detail: JobDetail,
    active: Vec<RunBundle>,
}

impl JobBundle {
    async fn read(name: JobName) -> Result<Self, ApiError> {
        let detail = client::job(name).await?;
        let mut active = Vec::new();
        for run in detail.row.active.iter().take(RUNS_ALONG) {
            // One that has gone meanwhile is not missed.
            active.extend(RunBundle::read(run.id.clone(), None, None).await.ok());
        }
        Ok(Self { detail, active })
    }
}

/// The page, in a chunk of its own.
#[wasm_split(job, wasm_split_path = leptos::wasm_split, preload(load), fallible)]
pub(crate) fn page() -> Part {
    Ok(JobPage().into_any())
}

#[component]
fn JobPage() -> impl IntoView {
    let params = use_params_map();
    let name = Memo::new(move |_| params.with(|params| params.get("job")).unwrap_or_default());
    let bundle = Resource::new(
        move || name.get(),
        |name| async move {
            match JobName::new(name) {
                Ok(name) => JobBundle::read(name).await,
                Err(error) => Err(ApiError::new(ErrorCode::UnknownJob, error.to_string())),
            }
        },
    );
    let show = |bundle| view! { <Content bundle /> }.into_any();
    view! {
        <PageTitle text=move || name.with(|name| super::title(name)) />
        <div class="page job-page">
            <Loaded what="job" page=bundle show />
        </div>
    }
    .into_any()
}

#[component]
fn Content(bundle: JobBundle) -> impl IntoView {
    let live = use_live();
    let JobBundle {
        detail: first,
        active: along,
    } = bundle;
    let along = StoredValue::new(along);
    let name = first.row.name.clone();
    let initial = Arc::new(first.row.clone());
    let detail = RwSignal::new(first);
    let row = {
        let name = name.clone();
        Memo::new(move |before: Option<&Arc<JobRow>>| {
            live.job(&name)
                .or_else(|| before.cloned())
                .unwrap_or_else(|| initial.clone())
        })
    };
    let gone = {
        let name = name.clone();
        // Only when all jobs are here does a missing one mean that it is gone.
        move || live.first_selected().is_none() && live.job(&name).is_none()
    };
    // What is not in the row is read again whenever the row says that it may have changed.
    let fingerprint = Memo::new(move |_| {
        row.with(|row| {
            let ended = row.last.as_ref().map(|run| run.id.clone());
            let active: Vec<RunId> = row.active.iter().map(|run| run.id.clone()).collect();
            (ended, active, row.next, row.config.clone())
        })
    });
    Effect::new(move |before: Option<()>| {
        fingerprint.with(|_| ());
        if before.is_some() {
            let name = name.clone();
            spawn_local(async move {
                if let Ok(new) = client::job(name).await
                    && !detail.is_disposed()
                {
                    detail.set(new);
                }
            });
        }
    });
    // What was running stays until something else runs: its end is what one waited for.
    let active = Memo::new(move |before: Option<&Vec<RunId>>| {
        let active: Vec<RunId> =
            row.with(|row| row.active.iter().map(|run| run.id.clone()).collect());
        match before {
            Some(before) if active.is_empty() => before.clone(),
            _ => active,
        }
    });
    view! {
        <Head row />
        <Shown when=gone>
            <p class="problem" role="alert">
                "This job is no longer defined. What it has done stays here."
            </p>
        </Shown>
        <div class="active-runs" data-group=move || row.with(|row| row.group.clone())>
            <Rows
                each=move || active.get()
                key=|run| run.to_string()
                children=move |run| {
                    let bundle = along
                        .with_value(|along| along.iter().find(|bundle| *bundle.run() == run).cloned());
                    view! { <ActiveRun run bundle /> }
                }
            />
        </div>
        <Since detail />
        <div class="cards">
            <section class="card">
                <h2>"What"</h2>
                <Definition detail row />
            </section>
            <section class="card">
                <h2>"When"</h2>
                <Upcoming detail row />
            </section>
            <section class="card">
                <h2>"Where"</h2>
                <Preview detail />
            </section>
        </div>
        <Past detail />
        <History runs=Signal::derive(move || detail.with(|detail| detail.history.clone())) />
        <section class="card">
            <details>
                <summary>
                    <h2>"Configuration in force"</h2>
                </summary>
                <Effective detail />
            </details>
        </section>
    }
    .into_any()
}

#[component]
fn Head(row: Memo<Arc<JobRow>>) -> impl IntoView {
    let actions = use_actions();
    let name = row.with_untracked(|row| row.name.clone());
    let mark = Signal::derive(move || row.with(|row| Mark::of_job(row)));
    let word = move || row.with(|row| job_word(row));
    let start = Action::Start(name.clone());
    let starting = move || actions.is_pending(&start);
    let start_disabled = starting.clone();
    let kill = Action::KillJob(name.clone());
    let active = move || row.with(|row| !row.active.is_empty());
    let killing = {
        let kill = kill.clone();
        Signal::derive(move || {
            actions.is_pending(&kill)
                || row.with(|row| {
                    !row.active.is_empty() && row.active.iter().all(|run| run.kill.is_some())
                })
        })
    };
    let paused = move || row.with(|row| row.paused.clone());
    let turn = {
        let name = name.clone();
        move || {
            if paused().is_some() {
                Action::Resume(name.clone())
            } else {
                Action::Pause(name.clone())
            }
        }
    };
    let turning = {
        let turn = turn.clone();
        move || actions.is_pending(&turn())
    };
    let run = name.clone();
    view! {
        <header class="page-head" data-group=move || row.with(|row| row.group.clone())>
            <div class="title">
                <h1>{name.to_string()}</h1>
                <span class="state" role="status" data-testid="job-state" data-state=move || word()>
                    <MarkIcon mark />
                    {move || word()}
                </span>
                <span class="weak">
                    "group "
                    {move || row.with(|row| row.group.clone())}
                </span>
                {move || {
                    paused()
                        .map(|pause| {
                            view! {
                                <span class="tag" data-testid="paused">
                                    {format!("paused by {} ", pause.by)}
                                    <When at=Some(pause.at) />
                                </span>
                            }
                        })
                }}
            </div>
            <div class="buttons deed">
                <EditLink job=name.clone() />
                <button
                    data-testid="pause"
                    data-key="p"
                    title="Start no more by the schedule, or start again (p)"
                    disabled=move || turning()
                    on:click=move |_| actions.perform(turn())
                >
                    {move || if paused().is_some() { "Resume schedule" } else { "Pause schedule" }}
                </button>
                <Shown when=active>
                    <button
                        class="danger"
                        data-testid="kill"
                        data-key="k"
                        title="End every run of this job, after a question (k)"
                        disabled=killing
                        on:click={
                            let kill = kill.clone();
                            move |_| actions.kill(kill.clone())
                        }
                    >
                        {move || if killing.get() { "Killing…" } else { "■ Kill" }}
                    </button>
                </Shown>
                <button
                    class="primary"
                    data-testid="run-now"
                    data-key="r"
                    title="Run the job now (r)"
                    disabled=move || start_disabled()
                    on:click=move |_| actions.start(run.clone())
                >
                    {move || if starting() { "Starting…" } else { "▶ Run now" }}
                </button>
            </div>
        </header>
    }
    .into_any()
}

/// Leads to the editor, where there is one.
#[component]
fn EditLink(job: JobName) -> impl IntoView {
    let live = use_live();
    let has_editor = move || live.server().is_some_and(|server| server.editor);
    let href = routes::edit_page(job.as_str());
    view! {
        <Shown when=has_editor>
            <a
                class="button for-admins"
                href=href.clone()
                data-testid="edit"
                data-key="e"
                title="Edit the job (e)"
            >
                "Edit"
            </a>
        </Shown>
    }
    .into_any()
}

#[component]
fn ActiveRun(run: RunId, bundle: Option<RunBundle>) -> impl IntoView {
    let read = RwSignal::new(bundle.map(Ok));
    if read.with_untracked(Option::is_none) {
        Effect::new(move || {
            let run = run.clone();
            spawn_local(async move {
                let bundle = RunBundle::read(run, None, None).await;
                if !read.is_disposed() {
                    read.set(Some(bundle));
                }
            });
        });
    }
    move || match read.get() {
        None => view! { <div class="skeleton run-skeleton"></div> }.into_any(),
        Some(Ok(bundle)) => {
            let (asked, merged) = (Signal::stored(None), Signal::stored(None::<String>));
            view! { <RunView bundle asked merged within=true /> }.into_any()
        }
        Some(Err(error)) => view! {
            <p class="problem" role="alert">
                {error.message}
            </p>
        }
        .into_any(),
    }
}
