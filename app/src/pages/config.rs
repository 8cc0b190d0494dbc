//! The Config page: files, what is wrong with them, and the settings in force.

use super::Loaded;
use crate::chunk::Part;
use crate::client;
use crate::components::problems::ProblemList;
use crate::components::rows::Rows;
use crate::components::shown::Shown;
use crate::components::when::When;
use crate::format;
use crate::live::use_live;
use leptos::prelude::*;
use leptos::wasm_split::wasm_split;
use leptos_meta::Title;
use saltpeter_protocol::api::{
    ConfigFile, ConfigFileState, ConfigPage as Page, SettingEffect, SettingRow, SinkHealth, SinkRow,
};
use std::sync::Arc;

/// How often files and settings are read again, in milliseconds.
const READ_EVERY: i64 = 2_000;

/// The page, in a chunk of its own.
#[wasm_split(config, wasm_split_path = leptos::wasm_split, preload(load), fallible)]
pub(crate) fn page() -> Part {
    Ok(ConfigPage().into_any())
}

#[component]
fn ConfigPage() -> impl IntoView {
    let page = Resource::new(|| (), |()| client::config_page());
    let show = |first| view! { <Content first /> }.into_any();
    view! {
        <Title text="Config · Saltpeter" />
        <div class="page config-page">
            <h1>"Config"</h1>
            <Loaded what="configuration" page show />
        </div>
    }
    .into_any()
}

#[component]
fn Content(first: Page) -> impl IntoView {
    let live = use_live();
    let page = RwSignal::new(first);
    // The socket tells of problems and jobs; files and settings are asked for while one looks at them.
    let beat = Memo::new(move |_| (live.problems(), live.now().0 / READ_EVERY));
    Effect::new(move |before: Option<()>| {
        // Read, not only tracked: what nobody reads is never computed.
        beat.with(|_| ());
        if before.is_some() {
            leptos::task::spawn_local(async move {
                if let Ok(new) = client::config_page().await
                    && !page.is_disposed()
                    && page.with_untracked(|page| *page != new)
                {
                    page.set(new);
                }
            });
        }
    });
    let problems = Signal::derive(move || page.with(|page| Arc::new(page.problems.clone())));
    let none = move || problems.with(|problems| problems.is_empty());
    let pending = Memo::new(move |_| {
        let waits = |row: &&SettingRow| matches!(row.effect, SettingEffect::RestartPending { .. });
        page.with(|page| page.settings.iter().filter(waits).count())
    });
    view! {
        <section class="card">
            <h2>
                "Problems"
                <Shown when=move || !none()>
                    <span class="count">{move || problems.with(|problems| problems.len())}</span>
                </Shown>
            </h2>
            <Shown
                when=move || !none()
                fallback=|| {
                    view! {
                        <p class="all-good">
                            <span class="mark succeeded" aria-hidden="true">"✓"</span>
                            "Everything in the files is valid and in force."
                        </p>
                    }
                }
            >
                <ProblemList problems />
            </Shown>
        </section>
        <section class="card">
            <h2>"Files"</h2>
            <p class="weak">
                "In " <code>{move || page.with(|page| page.directory.clone())}</code>
                ", noticed within a second of a change."
            </p>
            <p class="weak">
                <a href="/import" data-testid="import-link">
                    "Import a crontab"
                </a>
                <span class="for-admins">
                    " · " <a href="/new-job">"New job"</a>
                </span>
            </p>
            <div class="table-scroll">
                <table class="files" data-testid="config-files">
                    <thead>
                        <tr>
                            <th>"File"</th>
                            <th class="numeric">"Jobs"</th>
                            <th>"State"</th>
                            <th>"Read"</th>
                        </tr>
                    </thead>
                    <tbody>
                        <Rows
                            each=move || page.with(|page| page.files.clone())
                            key=file_key
                            children=|file| view! { <FileRow file /> }
                        />
                    </tbody>
                </table>
            </div>
        </section>
        <section class="card">
            <h2>"Machines"</h2>
            <p data-testid="executor">
                "They are reached by " {move || page.with(|page| page.executor.clone())} "."
            </p>
        </section>
        <Shown when=move || page.with(|page| !page.sinks.is_empty())>
            <section class="card">
                <h2>"Documents"</h2>
                <div class="table-scroll">
                    <table class="sinks" data-testid="sinks">
                        <thead>
                            <tr>
                                <th>"Sent to"</th>
                                <th>"State"</th>
                                <th class="numeric">"Sent"</th>
                                <th class="numeric">"Waiting"</th>
                                <th class="numeric">"Lost"</th>
                            </tr>
                        </thead>
                        <tbody>
                            <Rows
                                each=move || page.with(|page| page.sinks.clone())
                                key=sink_key
                                children=|row| view! { <Sink row /> }
                            />
                        </tbody>
                    </table>
                </div>
            </section>
        </Shown>
        <section class="card">
            <h2>"Settings in force"</h2>
            <Shown when=move || { pending.get() > 0 }>
                <p class="pending" role="status" data-testid="pending">
                    <span class="mark maintenance" aria-hidden="true">"⚠\u{fe0e}"</span>
                    {move || {
                        format!("{} in the files until the next start.", match pending.get() {
                            1 => "1 setting waits".to_owned(),
                            many => format!("{many} settings wait"),
                        })
                    }}
                </p>
            </Shown>
            <Settings rows=Signal::derive(move || page.with(|page| some(page, false))) />
            <details>
                <summary>
                    "Defaults that nothing changes "
                    {move || format!("({})", page.with(|page| some(page, true).len()))}
                </summary>
                <Settings rows=Signal::derive(move || page.with(|page| some(page, true))) />
            </details>
        </section>
    }
    .into_any()
}

/// The settings that are at their defaults, or the others. What waits for a restart is never a default.
fn some(page: &Page, defaults: bool) -> Vec<SettingRow> {
    let mut rows = Vec::new();
    for row in &page.settings {
        let is_default =
            row.source == "default" && !matches!(row.effect, SettingEffect::RestartPending { .. });
        if is_default == defaults {
            rows.push(row.clone());
        }
    }
    rows
}

#[component]
fn Settings(rows: Signal<Vec<SettingRow>>) -> impl IntoView {
    view! {
        <div class="table-scroll">
            <table class="settings" data-testid="settings">
                <thead>
                    <tr>
                        <th>"Setting"</th>
                        <th>"Value"</th>
                        <th>"From"</th>
                        <th>"A change takes effect"</th>
                    </tr>
                </thead>
                <tbody>
                    <Rows
                        each=move || rows.get()
                        key=setting_key
                        children=|row| view! { <Setting row /> }
                    />
                </tbody>
            </table>
        </div>
    }
    .into_any()
}

/// A cluster that gets documents.
#[component]
fn Sink(row: SinkRow) -> impl IntoView {
    let lost = row.dropped + row.rejected;
    let (class, symbol, words) = match row.health {
        SinkHealth::Failing { reason, .. } => (
            "mark failed",
            "✕",
            format!("not taken, waiting on disk: {reason}"),
        ),
        SinkHealth::Working if lost > 0 => (
            "mark maintenance",
            "⚠\u{fe0e}",
            format!(
                "working; since the start {} dropped for want of room, {} rejected by the cluster",
                format::number(row.dropped),
                format::number(row.rejected)
            ),
        ),
        SinkHealth::Working => ("mark succeeded", "✓", "working".to_owned()),
    };
    view! {
        <tr data-testid="sink-row">
            <td>
                {row.name} " " <code class="value">{row.address}</code>
            </td>
            <td>
                <span class="state">
                    <span class=class aria-hidden="true">
                        {symbol}
                    </span>
                    {words}
                </span>
            </td>
            <td class="numeric">{format::number(row.sent)}</td>
            <td class="numeric">{format::number(row.waiting)}</td>
            <td class="numeric">{format::number(lost)}</td>
        </tr>
    }
    .into_any()
}

/// Rows are drawn anew when anything in them has changed.
fn file_key(file: &ConfigFile) -> String {
    format!(
        "{} {} {:?} {:?} {} {}",
        file.name, file.jobs, file.state, file.loaded, file.errors, file.warnings
    )
}

/// "1 error, 2 warnings"; `None` where there is nothing to say.
fn found(file: &ConfigFile) -> Option<String> {
    let count =
        |number: u32, noun: &str| (number > 0).then(|| format::amount(u64::from(number), noun));
    match (count(file.errors, "error"), count(file.warnings, "warning")) {
        (Some(errors), Some(warnings)) => Some(format!("{errors}, {warnings}")),
        (errors, warnings) => errors.or(warnings),
    }
}

fn sink_key(row: &SinkRow) -> String {
    let counts = [
        row.waiting,
        row.waiting_bytes,
        row.sent,
        row.dropped,
        row.rejected,
    ];
    format!("{} {counts:?} {:?}", row.name, row.health)
}

fn setting_key(row: &SettingRow) -> String {
    format!(
        "{}\n{}\n{}\n{:?}",
        row.key, row.value, row.source, row.effect
    )
}

#[component]
fn FileRow(file: ConfigFile) -> impl IntoView {
    let (class, symbol, word) = match file.state {
        ConfigFileState::InForce => ("mark succeeded", "✓", "in force"),
        ConfigFileState::LastGoodInForce => (
            "mark failed",
            "✕",
            "has errors; its last good version is in force",
        ),
        ConfigFileState::PartlyInForce => {
            ("mark failed", "✕", "has errors; the rest of it is in force")
        }
        ConfigFileState::NotInForce => (
            "mark failed",
            "✕",
            "cannot be read; nothing of it is in force",
        ),
    };
    let found = found(&file);
    view! {
        <tr data-testid="config-file">
            <td>
                <code>{file.name}</code>
            </td>
            <td class="numeric">{format::number(u64::from(file.jobs))}</td>
            <td>
                <span class="state">
                    <span class=class aria-hidden="true">
                        {symbol}
                    </span>
                    {word}
                </span>
                {found.map(|found| view! { <span class="found">{found}</span> })}
            </td>
            <td>
                <When at=file.loaded />
            </td>
        </tr>
    }
    .into_any()
}

#[component]
fn Setting(row: SettingRow) -> impl IntoView {
    let effect = match row.effect {
        SettingEffect::AtOnce => view! { <span>"at once"</span> }.into_any(),
        SettingEffect::Restart => {
            view! { <span class="weak">"at the next start"</span> }.into_any()
        }
        SettingEffect::RestartPending { pending } => view! {
            <span class="pending" data-testid="needs-restart">
                <span class="mark maintenance" aria-hidden="true">"⚠\u{fe0e}"</span>
                "needs a restart: the files say "
                <code>{pending}</code>
            </span>
        }
        .into_any(),
    };
    let value = if row.value.is_empty() {
        "–".to_owned()
    } else {
        row.value
    };
    view! {
        <tr data-testid="setting-row">
            <td>
                <code>{row.key}</code>
            </td>
            <td>
                <code class="value">{value}</code>
            </td>
            <td class="weak">{row.source}</td>
            <td>{effect}</td>
        </tr>
    }
    .into_any()
}
