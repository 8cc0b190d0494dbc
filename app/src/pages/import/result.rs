//! What the server made of a crontab.

use super::form::Form;
use crate::components::shown::Shown;
use crate::format;
use crate::live::use_live;
use crate::routes;
use leptos::prelude::*;
use saltpeter_protocol::JobName;
use saltpeter_protocol::api::{ImportLine, ImportOutcome, ImportResult};

/// Lines that are listed; of more the number is told.
const LISTED: usize = 500;

fn with<T>(form: Form, read: impl Fn(&ImportResult) -> T) -> Option<T> {
    form.answer
        .with(|answer| answer.as_ref()?.as_ref().ok().map(&read))
}

/// In a sentence.
#[component]
pub(super) fn Answer(form: Form) -> impl IntoView {
    let body = move || {
        form.answer.with(|answer| match answer {
            None => view! {
                <p class="empty" data-testid="import-empty">
                    "The jobs, and what could not be converted and why, stand here once there is a crontab."
                </p>
            }
            .into_any(),
            Some(Err(error)) => view! {
                <p class="problem" role="alert" data-testid="import-error">
                    {error.message.clone()}
                </p>
            }
            .into_any(),
            Some(Ok(result)) => summary(result),
        })
    };
    view! {
        <section class="card" aria-live="polite">
            <h2>"What it makes"</h2>
            {move || body()}
        </section>
    }
    .into_any()
}

fn summary(result: &ImportResult) -> AnyView {
    let jobs = format::amount(u64::from(result.jobs), "job");
    let refused = result.refused() as u64;
    let (class, symbol, rest) = match refused {
        0 => ("mark succeeded", "✓", "every line was converted".to_owned()),
        1 => ("mark failed", "✕", "1 line was not converted".to_owned()),
        many => (
            "mark failed",
            "✕",
            format!("{} lines were not converted", format::number(many)),
        ),
    };
    let notes = result.notes.clone();
    view! {
        <p class="state" data-testid="import-summary">
            <span class=class aria-hidden="true">
                {symbol}
            </span>
            {format!("{jobs}; {rest}.")}
        </p>
        <ul class="import-notes weak">
            {notes.into_iter().map(|note| view! { <li>{note}</li> }).collect_view()}
        </ul>
    }
    .into_any()
}

/// Line by line: those that were not converted first.
#[component]
pub(super) fn Lines(form: Form) -> impl IntoView {
    let any = move || with(form, |result| !result.lines.is_empty()).unwrap_or(false);
    let rows = move || {
        with(form, |result| {
            let (refused, others): (Vec<_>, Vec<_>) = result
                .lines
                .iter()
                .partition(|line| line.outcome == ImportOutcome::Refused);
            let lines = refused.into_iter().chain(others);
            lines.take(LISTED).map(row).collect_view()
        })
    };
    let more = move || {
        with(form, |result| result.lines.len().saturating_sub(LISTED))
            .filter(|more| *more > 0)
            .map(|more| format!("and {} more lines", format::number(more as u64)))
    };
    view! {
        <Shown when=any>
            <section class="card">
                <h2>"Line by line"</h2>
                <ul class="import-lines" tabindex="0" aria-label="Line by line" data-testid="import-lines">
                    {move || rows()}
                </ul>
                <p class="weak">{move || more()}</p>
            </section>
        </Shown>
    }
    .into_any()
}

fn row(line: &ImportLine) -> impl IntoView + use<> {
    let (class, symbol, word) = match line.outcome {
        ImportOutcome::Converted => ("mark succeeded", "✓", "converted"),
        ImportOutcome::Remarked => ("mark maintenance", "⚠\u{fe0e}", "converted, with a remark"),
        ImportOutcome::Refused => ("mark failed", "✕", "not converted"),
    };
    let place = match line.column {
        Some(column) => format!("{}:{column}", line.line),
        None => line.line.to_string(),
    };
    let names: Vec<&str> = line.jobs.iter().map(JobName::as_str).collect();
    let names = (!names.is_empty()).then(|| {
        let names = names.join(", ");
        view! {
            <span class="makes">
                "→ " <strong>{names}</strong>
            </span>
        }
    });
    let remarks = line.remarks.clone();
    view! {
        <li data-testid="import-line" data-state=word>
            <span class=class title=word>
                {symbol}
            </span>
            <span class="place weak">{place}</span>
            <div>
                <code>{line.text.clone()}</code>
                {names}
                {remarks.into_iter().map(|remark| view! { <p class="remark">{remark}</p> }).collect_view()}
            </div>
        </li>
    }
    .into_any()
}

/// The file, and what can be done with it.
#[component]
pub(super) fn Yaml(form: Form) -> impl IntoView {
    let live = use_live();
    let yaml = move || with(form, |result| result.yaml.clone()).unwrap_or_default();
    let any = move || with(form, |result| result.jobs > 0).unwrap_or(false);
    let has_editor = move || live.server().is_some_and(|server| server.editor);
    let disabled = move || !form.has_targets() || form.saving.get();
    let download = move || format!("data:text/yaml;charset=utf-8,{}", routes::escape(&yaml()));
    view! {
        <Shown when=any>
            <section class="card">
                <h2>
                    <code>{move || form.file()}</code>
                </h2>
                <pre class="yaml" tabindex="0" aria-label="The jobs, as YAML" data-testid="import-yaml">
                    {move || yaml()}
                </pre>
                <div class="buttons">
                    <Shown when=has_editor>
                        <button
                            type="button"
                            class="primary for-admins"
                            data-testid="import-save"
                            disabled=move || disabled()
                            on:click=move |_| form.save()
                        >
                            {move || if form.saving.get() { "Saving…" } else { "Save to the configuration" }}
                        </button>
                    </Shown>
                    <a
                        class="button"
                        rel="external"
                        download=move || form.file()
                        href=move || download()
                        data-testid="import-download"
                    >
                        "Download"
                    </a>
                    <Shown when=move || !form.has_targets()>
                        <span class="weak" data-testid="import-needs-targets">
                            "Say first which machines they are for; it says all of them now."
                        </span>
                    </Shown>
                </div>
                {move || {
                    form.refused
                        .get()
                        .map(|error| {
                            view! {
                                <div class="problem" role="alert" data-testid="import-refused">
                                    <p>{error.message}</p>
                                    {error
                                        .details
                                        .into_iter()
                                        .map(|text| view! { <p>{text}</p> })
                                        .collect_view()}
                                </div>
                            }
                        })
                }}
            </section>
        </Shown>
    }
    .into_any()
}
