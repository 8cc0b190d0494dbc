//! What `saltpeter check` answers.

use super::{JobSet, MigrationNote, Problem, Severity};
use crate::secret::SecretSource;
use saltpeter_protocol::JobName;
use serde::Serialize;
use std::fmt::Write as _;

/// A secret of a job, by where it is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobSecret {
    /// The job.
    pub job: JobName,
    /// The variable that the command finds it in.
    pub name: String,
    /// Where the server reads it.
    pub source: SecretSource,
}

/// What `saltpeter check` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// How many files were read.
    pub files: usize,
    /// How many jobs are valid.
    pub jobs: usize,
    /// How many errors there are.
    pub errors: usize,
    /// How many warnings.
    pub warnings: usize,
    /// All of them, ordered by file and place.
    pub problems: Vec<Problem>,
    /// Where the jobs' secrets are read; not whether they can be, for that is up to the server's user.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<JobSecret>,
    /// What the earlier implementation did otherwise; `None` when that was not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notes: Option<Vec<MigrationNote>>,
}

impl CheckReport {
    /// The report on a directory that has just been read.
    pub fn new(set: &JobSet) -> Self {
        let errors = set
            .problems
            .iter()
            .filter(|problem| problem.severity == Severity::Error)
            .count();
        Self {
            files: set.files.len(),
            jobs: set.jobs.len(),
            errors,
            warnings: set.problems.len() - errors,
            problems: set.problems.clone(),
            secrets: set
                .jobs
                .values()
                .flat_map(|job| {
                    job.secrets.iter().map(|(name, source)| JobSecret {
                        job: job.name.clone(),
                        name: name.clone(),
                        source: source.clone(),
                    })
                })
                .collect(),
            notes: None,
        }
    }

    /// The report with these notes in it.
    pub fn with_notes(self, notes: Vec<MigrationNote>) -> Self {
        Self {
            notes: Some(notes),
            ..self
        }
    }

    /// Whether the directory can be used as it is; the command exits with 1 otherwise.
    pub fn is_good(&self) -> bool {
        self.errors == 0
    }

    /// One problem or note a line.
    pub fn lines(&self) -> String {
        let problems = self.problems.iter().map(|problem| {
            let place = (&problem.file, problem.line, problem.column);
            (place, problem.to_string())
        });
        let notes = self.notes.iter().flatten().map(|note| {
            let place = (&note.file, note.line, note.column);
            (place, note.to_string())
        });
        let mut lines: Vec<_> = problems.chain(notes).collect();
        lines.sort_by_key(|(place, _)| *place);
        lines
            .into_iter()
            .fold(String::new(), |mut text, (_, line)| {
                // Writing into a String cannot fail.
                let _ = writeln!(text, "{line}");
                text
            })
    }

    /// One secret a line, by where it is read.
    pub fn secret_lines(&self) -> String {
        self.secrets.iter().fold(String::new(), |mut text, secret| {
            let JobSecret { job, name, source } = secret;
            // Writing into a String cannot fail.
            let _ = writeln!(text, "{job}: {name} from {source}");
            text
        })
    }

    /// The line that sums it up: "3 files, 12 jobs: 1 error, no warnings".
    pub fn summary(&self) -> String {
        let count = |number: usize, noun: &str| match number {
            0 => format!("no {noun}s"),
            1 => format!("1 {noun}"),
            many => format!("{many} {noun}s"),
        };
        let notes = self.notes.as_ref().map_or(String::new(), |notes| {
            format!(", {}", count(notes.len(), "note"))
        });
        format!(
            "{}, {}: {}, {}{notes}",
            count(self.files, "file"),
            count(self.jobs, "job"),
            count(self.errors, "error"),
            count(self.warnings, "warning")
        )
    }
}
