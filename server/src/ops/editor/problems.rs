//! What is wrong with an edit, in the words and places of whoever writes it.

use crate::view;
use saltpeter_domain::config::{ChangedFile, JobSet, Problem, Standing, Trial};
use saltpeter_protocol::api::{ApiError, EditCheck, EditProblem, ErrorCode, Severity};

/// Said of an error that is not the edit's.
const NOT_NEW: &str = "; until that is mended, the last good version of the file may stay in force";

/// What is wrong with a text that is no job at all.
pub(super) fn unreadable(line: u32, column: u32, message: String) -> EditCheck {
    EditCheck {
        problems: vec![EditProblem {
            severity: Severity::Error,
            line: Some(line),
            column,
            message,
        }],
        diff: Vec::new(),
        jobs: Vec::new(),
    }
}

/// What stands in the way of an edit of `file`, and what its author should know. `earlier` is what was wrong with the file
/// before.
pub(super) fn found(
    file: &str,
    changed: &ChangedFile,
    trial: &Trial,
    before: &JobSet,
    earlier: impl FnOnce() -> Vec<Problem>,
) -> Vec<EditProblem> {
    let (own, others): (Vec<_>, Vec<_>) = trial
        .standing(&changed.lines, earlier)
        .into_iter()
        .partition(|(_, standing)| *standing == Standing::Own);
    let own = own.into_iter().map(|(problem, _)| EditProblem {
        severity: view::problem(problem, false).severity,
        line: Some(problem.line - changed.lines.start + 1),
        column: problem.column,
        message: problem.message.clone(),
    });
    let others = others.into_iter().map(|(problem, standing)| {
        let (severity, hint) = match standing {
            Standing::Known => (Severity::Warning, NOT_NEW),
            Standing::Own | Standing::New => (Severity::Error, ""),
        };
        EditProblem {
            severity,
            line: None,
            column: problem.column,
            message: format!("{problem}{hint}"),
        }
    });
    own.chain(defined_elsewhere(file, changed, trial, before))
        .chain(others)
        .collect()
}

/// The jobs of an edit whose names are taken in another file.
fn defined_elsewhere(
    file: &str,
    changed: &ChangedFile,
    trial: &Trial,
    before: &JobSet,
) -> Vec<EditProblem> {
    let mut found = Vec::new();
    for name in &changed.jobs {
        let elsewhere = before.jobs.get(name.as_str());
        let elsewhere = elsewhere.filter(|job| *job.source.file != *file);
        if let (Some(first), Some(job)) = (elsewhere, trial.jobs.get(name.as_str())) {
            found.push(EditProblem {
                severity: Severity::Error,
                line: Some((job.source.line + 1).saturating_sub(changed.lines.start)),
                column: job.source.column,
                message: format!("job {name:?} is already defined at {}", first.source),
            });
        }
    }
    found
}

/// Why an edit is not saved.
pub(super) fn not_saved(check: &EditCheck) -> ApiError {
    let errors = check
        .problems
        .iter()
        .filter(|problem| problem.severity == Severity::Error);
    ApiError {
        code: ErrorCode::Invalid,
        message: "the edit is not saved: correct what is wrong with it".to_owned(),
        details: errors
            .map(|problem| match problem.line {
                Some(line) => format!(
                    "line {line}, column {}: {}",
                    problem.column, problem.message
                ),
                None => problem.message.clone(),
            })
            .collect(),
    }
}
