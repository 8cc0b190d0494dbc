//! A row of the job table.

use super::columns::Column;
use super::query::config_value;
use crate::actions::{Action, use_actions};
use crate::components::marks::{Mark, MarkIcon, job_word, run_word};
use crate::components::rows::Rows;
use crate::components::run_view::ended_at;
use crate::components::shown::Shown;
use crate::components::spark::Spark;
use crate::components::when::When;
use crate::live::use_live;
use crate::routes;
use leptos::prelude::*;
use saltpeter_protocol::JobName;
use saltpeter_protocol::api::{JobRow, RunSummary};
use std::sync::Arc;

/// The row of one job, live.
#[component]
pub(crate) fn Row(
    /// The job.
    name: JobName,
    /// The columns between name and actions.
    columns: RwSignal<Vec<Column>>,
) -> impl IntoView {
    let live = use_live();
    let job = {
        let name = name.clone();
        // A job that has just gone keeps its last look until its row goes too.
        Memo::new_owning(move |before: Option<Option<Arc<JobRow>>>| {
            let before = before.flatten();
            let now = live.job(&name).or_else(|| before.clone());
            let is_same = before.as_ref().map(Arc::as_ptr) == now.as_ref().map(Arc::as_ptr);
            (now, !is_same)
        })
    };
    let mark = Signal::derive(move || with(job, Mark::Never, Mark::of_job));
    let word = Signal::derive(move || with(job, "never run", job_word));
    let paused = move || with(job, false, |job| job.paused.is_some());
    let title = name.to_string();
    let data_row = title.clone();
    let testid = format!("job-row-{name}");
    view! {
        <tr
            data-row=data_row
            data-testid=testid
            data-state=move || word.get()
            data-group=move || with(job, String::new(), |job| job.group.clone())
        >
            <td class="col-name">
                <MarkIcon mark title=word />
                <a href=routes::job_page(&name)>{title}</a>
                <Shown when=paused>
                    <span class="tag">"paused"</span>
                </Shown>
            </td>
            <Rows
                each=move || columns.get()
                key=|column| column.key.to_owned()
                children=move |column| {
                    view! { <td class=format!("col-{}", column.key)>{cell(column, job)}</td> }
                }
            />
            <td class="col-actions">
                // The cell stays for whoever may do nothing, or its border would be missing.
                <span class="deed">
                    <RowActions name job />
                </span>
            </td>
        </tr>
    }
    .into_any()
}

fn with<T>(job: Memo<Option<Arc<JobRow>>>, none: T, read: impl FnOnce(&JobRow) -> T) -> T {
    job.with(|job| match job {
        Some(job) => read(job),
        None => none,
    })
}

fn text(
    job: Memo<Option<Arc<JobRow>>>,
    read: impl Fn(&JobRow) -> String + Send + Sync + 'static,
) -> AnyView {
    text_of(Signal::derive(move || with(job, String::new(), &read)))
}

fn text_of(value: Signal<String>) -> AnyView {
    view! { <span class="cell-text" title=value>{value}</span> }.into_any()
}

fn cell(column: Column, job: Memo<Option<Arc<JobRow>>>) -> AnyView {
    match column.key {
        "group" => text(job, |job| job.group.clone()),
        "schedule" => text(job, |job| job.schedule.clone()),
        "next" => {
            let next = Signal::derive(move || with(job, None, |job| job.next));
            view! { <When at=next /> }.into_any()
        }
        "last" => view! { <Last job /> }.into_any(),
        "running" => view! { <RunningOn job /> }.into_any(),
        "recent" => {
            let recent = Signal::derive(move || with(job, Vec::new(), |job| job.recent.clone()));
            view! { <Spark recent /> }.into_any()
        }
        key => text(job, move |job| {
            config_value(job, key).unwrap_or_default().to_owned()
        }),
    }
}

/// How the newest run ended: `failed on 1 of 12`.
fn last_text(run: &RunSummary) -> String {
    let word = run_word(&run.state);
    if run.counts.failed > 0 && run.counts.total > 1 {
        format!("{word} on {} of {}", run.counts.failed, run.counts.total)
    } else {
        word.to_owned()
    }
}

/// Where a job is running: `web1, web2 +10`.
pub(super) fn running_on(job: &JobRow) -> String {
    const NAMED: usize = 1;
    let machines: Vec<_> = job.active.iter().flat_map(|run| &run.running_on).collect();
    let all: u32 = job
        .active
        .iter()
        .map(|run| run.counts.running + run.counts.starting + run.counts.lost_contact)
        .sum();
    let named: Vec<&str> = machines.iter().take(NAMED).map(|m| m.as_str()).collect();
    let rest = (all as usize).saturating_sub(named.len());
    match (named.is_empty(), rest) {
        (true, 0) if job.active.is_empty() => "–".to_owned(),
        (true, 0) => run_word(&job.active[0].state).to_owned(),
        (true, rest) => rest.to_string(),
        (false, 0) => named.join(", "),
        (false, rest) => format!("{} +{rest}", named.join(", ")),
    }
}

/// The same, of which the name gives way where there is no room for both.
#[component]
fn RunningOn(job: Memo<Option<Arc<JobRow>>>) -> impl IntoView {
    let words = Memo::new(move |_| with(job, String::new(), running_on));
    let part = move |rest: bool| {
        words.with(|words| match words.split_once(" +") {
            Some((_, more)) if rest => format!(" +{more}"),
            Some((name, _)) if !rest => name.to_owned(),
            _ if rest => String::new(),
            _ => words.clone(),
        })
    };
    view! {
        <span class="running-on" title=move || words.get()>
            <span>{move || part(false)}</span>
            <span>{move || part(true)}</span>
        </span>
    }
    .into_any()
}

#[component]
fn Last(job: Memo<Option<Arc<JobRow>>>) -> impl IntoView {
    let last = Memo::new(move |_| with(job, None, |job| job.last.clone()));
    let mark = Signal::derive(move || {
        last.with(|run| {
            run.as_ref()
                .map_or(Mark::Never, |run| Mark::of_run(&run.state))
        })
    });
    let at = Signal::derive(move || last.with(|run| run.as_ref().and_then(ended_at)));
    let href = move || {
        last.with(|run| run.as_ref().map(|run| routes::run_page(&run.id)))
            .unwrap_or_default()
    };
    let words = move || last.with(|run| run.as_ref().map(last_text));
    view! {
        <Shown when=move || last.with(Option::is_some) fallback=|| view! { <span class="weak">"never run"</span> }>
            <a class="last" href=move || href()>
                <MarkIcon mark />
                <span class="last-word">{move || words()}</span>
                <When at />
            </a>
        </Shown>
    }
    .into_any()
}

#[component]
fn RowActions(name: JobName, job: Memo<Option<Arc<JobRow>>>) -> impl IntoView {
    let actions = use_actions();
    let active = move || with(job, false, |job| !job.active.is_empty());
    let start = Action::Start(name.clone());
    let kill = Action::KillJob(name.clone());
    let starting = move || actions.is_pending(&start);
    let killing = {
        let kill = kill.clone();
        Signal::derive(move || {
            actions.is_pending(&kill)
                || with(job, false, |job| {
                    !job.active.is_empty() && job.active.iter().all(|run| run.kill.is_some())
                })
        })
    };
    let run = name.clone();
    let disabled = starting.clone();
    view! {
        <button
            class="small danger"
            class:absent=move || !active()
            data-testid="kill"
            data-row-key="k"
            disabled=move || killing.get() || !active()
            on:click=move |_| actions.kill(kill.clone())
        >
            {move || if killing.get() { "Killing…" } else { "■ Kill" }}
        </button>
        <button
            class="small"
            data-testid="run-now"
            data-row-key="r"
            disabled=move || disabled()
            on:click=move |_| actions.start(run.clone())
        >
            {move || if starting() { "Starting…" } else { "▶ Run now" }}
        </button>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use saltpeter_protocol::api::Counts;
    use saltpeter_protocol::{MachineId, RunState};

    #[test]
    fn running_on_names_one_and_counts_the_rest() {
        let mut job = sample::job("a");
        assert_eq!(running_on(&job), "–");
        let mut run = sample::summary("a_1", RunState::Running);
        run.running_on = vec![
            MachineId::new("web1").unwrap(),
            MachineId::new("web2").unwrap(),
        ];
        run.counts = Counts {
            total: 12,
            running: 10,
            starting: 2,
            ..Counts::default()
        };
        job.active = vec![run];
        assert_eq!(running_on(&job), "web1 +11");
        job.active = vec![sample::summary("a_1", RunState::Queued)];
        assert_eq!(running_on(&job), "queued");
    }
}
