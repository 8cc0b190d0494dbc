//! What the server says of the text: what is wrong with it, what it would do, what would be written.

use super::form::{Form, Saving};
use super::text;
use crate::components::diff::{changed_lines, diff_lines};
use crate::components::preview::{FireTimes, Machines};
use crate::components::shown::Shown;
use crate::format;
use leptos::prelude::*;
use saltpeter_protocol::api::{EditProblem, JobPreview, Severity};

/// What is wrong, each a button that leads to its place.
#[component]
pub(super) fn Problems(form: Form) -> impl IntoView {
    let rows = move || {
        let first = form.page.with(|page| page.line);
        form.check.with(|check| match check {
            None => view! { <li class="weak">"Checking…"</li> }.into_any(),
            Some(check) if check.problems.is_empty() => view! {
                <li class="all-good" data-testid="editor-good">
                    <span class="mark succeeded" aria-hidden="true">
                        "✓"
                    </span>
                    "Valid"
                </li>
            }
            .into_any(),
            Some(check) => check
                .problems
                .iter()
                .map(|problem| row(form, problem, first))
                .collect_view()
                .into_any(),
        })
    };
    view! {
        // Not the list itself: with another role it would be none.
        <div id="editor-problems" role="status" aria-label="Problems">
            <ul class="problems editor-problems">{move || rows()}</ul>
        </div>
    }
    .into_any()
}

fn row(form: Form, problem: &EditProblem, first: u32) -> impl IntoView + use<> {
    let (symbol, class) = match problem.severity {
        Severity::Error => ("✕", "mark failed"),
        Severity::Warning => ("⚠\u{fe0e}", "mark maintenance"),
    };
    let column = problem.column;
    let place = problem.line.map(|line| {
        let shown = format!("{}:{column}", first + line - 1);
        let go = move |_| {
            form.text
                .with_untracked(|text| text::go_to(text, line, column));
        };
        view! {
            <button type="button" class="quiet small place" title="Go there" on:click=go>
                {shown}
            </button>
        }
    });
    view! {
        <li data-testid="editor-problem" data-state=problem.severity.as_str()>
            <span class=class aria-hidden="true">
                {symbol}
            </span>
            {place}
            <span class="message">
                <span class="severity">{problem.severity.as_str()} ": "</span>
                {problem.message.clone()}
            </span>
        </li>
    }
    .into_any()
}

/// What the text would do.
#[component]
pub(super) fn Preview(form: Form) -> impl IntoView {
    let cards = move || {
        form.preview.with(|preview| {
            let jobs = preview.as_ref().map_or(&[][..], |preview| &preview.jobs);
            jobs.iter().map(job).collect_view().into_any()
        })
    };
    let none = move || {
        form.preview.with(|preview| {
            preview
                .as_ref()
                .is_none_or(|preview| preview.jobs.is_empty())
        })
    };
    let stale = move || {
        form.check
            .with(|check| check.as_ref().is_some_and(|check| !check.is_good()))
    };
    view! {
        <section class="card" data-testid="editor-preview">
            <h2>"What it would do"</h2>
            <Shown when=move || stale() && !none()>
                <p class="weak">"As of the last text that was valid."</p>
            </Shown>
            <Shown when=none>
                {move || if form.check.with(Option::is_none) || (!stale() && form.preview.with(Option::is_none)) {
                    view! { <div class="skeleton"></div> }.into_any()
                } else {
                    view! { <p class="empty">"Its next start times and its machines stand here once the text is valid."</p> }.into_any()
                }}
            </Shown>
            {move || cards()}
        </section>
    }
    .into_any()
}

fn job(job: &JobPreview) -> impl IntoView + use<> {
    let job = job.clone();
    view! {
        <div class="previewed">
            <h3>
                {job.job.to_string()} " "
                <span class="weak">{job.schedule} " · " {job.timezone}</span>
            </h3>
            <FireTimes times=Signal::stored(job.upcoming) />
            <Machines machines=Signal::stored(job.machines) takes=Signal::stored(job.takes) />
        </div>
    }
    .into_any()
}

/// What would be written.
#[component]
pub(super) fn Changes(form: Form) -> impl IntoView {
    let with_diff = move |read: fn(&[saltpeter_protocol::api::DiffLine]) -> AnyView| {
        form.check
            .with(|check| read(check.as_ref().map_or(&[][..], |check| &check.diff)))
    };
    let changes = move || {
        form.check
            .with(|check| check.as_ref().map_or(0, |check| changed_lines(&check.diff)))
    };
    view! {
        <section class="card">
            <h2>"What will be written"</h2>
            <Shown
                when=move || { changes() > 0 }
                fallback=|| view! { <p class="empty">"No changes."</p> }
            >
                <p class="weak">
                    {move || format::amount(changes(), "changed line")} " in "
                    <code>{move || form.page.with(|page| page.file.clone())}</code>
                </p>
                <div class="diff" data-testid="editor-diff">
                    {move || with_diff(diff_lines)}
                </div>
            </Shown>
        </section>
    }
    .into_any()
}

/// Why nothing was saved.
#[component]
pub(super) fn Conflict(form: Form) -> impl IntoView {
    move || {
        match form.saving.get() {
        Saving::Idle | Saving::Busy => ().into_any(),
        Saving::Failed(error) if form.is_conflict() => view! {
            <div class="problem" role="alert" data-testid="editor-conflict">
                <p>{error.message}</p>
                <div class="buttons">
                    <button type="button" data-testid="editor-reload" on:click=move |_| form.reload(false)>
                        "Show the file as it is now"
                    </button>
                    <button type="button" data-testid="editor-keep" on:click=move |_| form.reload(true)>
                        "Keep my text, and compare it with the file"
                    </button>
                </div>
            </div>
        }
        .into_any(),
        Saving::Failed(error) => view! {
            <div class="problem" role="alert" data-testid="editor-error">
                <p>{error.message}</p>
                {error.details.into_iter().map(|text| view! { <p>{text}</p> }).collect_view()}
            </div>
        }
        .into_any(),
    }
    }
}
