//! What `saltpeter check` answers.

use super::{JobSet, Problem, Severity};
use serde::Serialize;
use std::fmt::Write as _;

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
        }
    }

    /// Whether the directory can be used as it is; the command exits with 1 otherwise.
    pub fn is_good(&self) -> bool {
        self.errors == 0
    }

    /// One problem a line.
    pub fn lines(&self) -> String {
        self.problems
            .iter()
            .fold(String::new(), |mut lines, problem| {
                // Writing into a String cannot fail.
                let _ = writeln!(lines, "{problem}");
                lines
            })
    }

    /// The line that sums it up: "3 files, 12 jobs: 1 error, no warnings".
    pub fn summary(&self) -> String {
        let count = |number: usize, noun: &str| match number {
            0 => format!("no {noun}s"),
            1 => format!("1 {noun}"),
            many => format!("{many} {noun}s"),
        };
        format!(
            "{}, {}: {}, {}",
            count(self.files, "file"),
            count(self.jobs, "job"),
            count(self.errors, "error"),
            count(self.warnings, "warning")
        )
    }
}
