//! Editing jobs in their files.

use super::{DiffLine, Severity};
use crate::ids::JobName;
use serde::{Deserialize, Serialize};

/// What an edit begins with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EditorPage {
    /// The configuration directory.
    pub directory: String,
    /// The file.
    pub file: String,
    /// Identifies the file's present content; an edit must name it.
    pub version: String,
    /// The job as written; `None` for a new one.
    pub job: Option<String>,
    /// The job's text as its file has it, or one to begin a new job with.
    pub text: String,
    /// The line of the file that the text begins in, from 1.
    pub line: u32,
    /// The files that there are.
    pub files: Vec<String>,
}

/// An edit. Body of `PUT /api/v1/editor` and of the routes that try it out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEdit {
    /// The file's name within the configuration directory.
    pub file: String,
    /// The version that the edit started from.
    pub version: String,
    /// What is to change.
    #[serde(flatten)]
    pub change: JobEdit,
}

/// What is to become of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum JobEdit {
    /// Another text in place of its own.
    Replace {
        /// The job, as written.
        job: String,
        /// The text from now on.
        text: String,
    },
    /// One job or several at the end of the file, which is made where there is none.
    Add {
        /// Their text.
        text: String,
    },
    /// It goes.
    Delete {
        /// The job, as written.
        job: String,
    },
}

/// What would come of an edit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EditCheck {
    /// What is wrong or doubtful. It can be saved when none is an error.
    pub problems: Vec<EditProblem>,
    /// The lines of the file that change, with a few around them.
    pub diff: Vec<DiffLine>,
    /// The jobs that the text has.
    pub jobs: Vec<String>,
}

impl EditCheck {
    /// Whether it can be saved.
    pub fn is_good(&self) -> bool {
        self.problems
            .iter()
            .all(|problem| problem.severity != Severity::Error)
    }
}

/// Something wrong with an edit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EditProblem {
    /// How bad.
    pub severity: Severity,
    /// Line of the text, from 1; `None` when it is about the rest of the file.
    pub line: Option<u32>,
    /// Column, from 1.
    pub column: u32,
    /// What was wrong and what was expected.
    pub message: String,
}

/// An edit that is written and in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EditSaved {
    /// The file.
    pub file: String,
    /// What identifies its content now.
    pub version: String,
    /// The jobs that were written.
    pub jobs: Vec<JobName>,
}
