//! What is wrong with the configuration.

use crate::live::use_live;
use crate::routes;
use leptos::prelude::*;
use saltpeter_protocol::api::{Problem, Severity};
use std::sync::Arc;

/// `file:line:column`, as far as known.
pub(crate) fn place(problem: &Problem) -> String {
    match (problem.line, problem.column) {
        (0, _) => problem.file.clone(),
        (line, 0) => format!("{}:{line}", problem.file),
        (line, column) => format!("{}:{line}:{column}", problem.file),
    }
}

/// The problems, one row each.
#[component]
pub(crate) fn ProblemList(
    /// What to list.
    #[prop(into)]
    problems: Signal<Arc<Vec<Problem>>>,
) -> impl IntoView {
    let live = use_live();
    let rows = move || {
        let has_editor = live.server().is_some_and(|server| server.editor);
        problems.with(|problems| {
            let row = |problem| row(problem, has_editor);
            problems.iter().map(row).collect_view()
        })
    };
    view! { <ul class="problems">{move || rows()}</ul> }
}

fn row(problem: &Problem, has_editor: bool) -> impl IntoView + use<> {
    let (symbol, class) = match problem.severity {
        Severity::Error => ("✕", "mark failed"),
        Severity::Warning => ("⚠\u{fe0e}", "mark maintenance"),
    };
    view! {
        <li data-testid="problem-row" data-state=problem.severity.as_str()>
            <span class=class aria-hidden="true">
                {symbol}
            </span>
            <code class="place">{place(problem)}</code>
            <span class="message">
                {problem.job.clone().map(|job| view! { <strong>{job} " "</strong> })}
                {problem
                    .job
                    .as_deref()
                    .filter(|_| has_editor)
                    .map(|job| {
                        view! {
                            <a class="for-admins" href=routes::edit_page(job)>
                                "Edit"
                            </a>
                            " "
                        }
                    })}
                <span class="severity">{problem.severity.as_str()} ": "</span>
                {problem.message.clone()}
                {problem
                    .last_good_in_force
                    .then(|| view! { <em>" The last good version stays in force."</em> })}
            </span>
        </li>
    }
    .into_any()
}
