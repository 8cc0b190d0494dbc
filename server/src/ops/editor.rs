//! The job editor: it changes one job in the text of its file and leaves all else in it as it was.

mod excerpt;
mod problems;
mod told;

use self::excerpt::excerpt;
use super::config_file::{Target, blocking, replace, version};
use super::{Ops, job_name};
use crate::people::Caller;
use crate::settings::host_zone;
use saltpeter_domain::Job;
use saltpeter_domain::access::Deed;
use saltpeter_domain::config::{
    ChangedFile, JobChange, JobEditError, JobSet, Trial, change_job, is_config_file, job_block,
};
use saltpeter_protocol::api::{
    ApiError, EditCheck, EditSaved, EditorPage, ErrorCode, FileEdit, JobEdit, Preview,
};
use saltpeter_protocol::{JobName, UnixMillis};
use std::sync::Arc;

/// What a new job begins as.
const TEMPLATE: &str = "\
new_job:
  schedule: '0 2 * * *'
  command: echo hello
  targets: '*'
";
/// Where new jobs are put unless somebody chooses another file.
const USUAL_FILE: &str = "jobs.yaml";

/// What somebody wants to edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// A job, by its name as written.
    Job(String),
    /// A new one in this file, or in the usual one.
    New(Option<String>),
}

/// An edit that has been tried out.
struct Tried {
    target: Target,
    changed: ChangedFile,
    trial: Trial,
    check: EditCheck,
    before: Arc<JobSet>,
}

impl Ops {
    /// What an edit begins with.
    pub async fn editor(&self, caller: &Caller, wanted: Wanted) -> Result<EditorPage, ApiError> {
        self.permit_editing(caller).await?;
        let jobs = self.parts.config.current();
        let (file, job) = match wanted {
            Wanted::Job(job) => (self.file_of(&jobs, &job)?, Some(job)),
            Wanted::New(Some(file)) => (file, None),
            Wanted::New(None) => (usual_file(&jobs), None),
        };
        let target = self.edited_file(&file).await?;
        let (text, line) = match &job {
            None => (TEMPLATE.to_owned(), 1),
            Some(job) => {
                let block = job_block(&target.text, job);
                let block = block.map_err(|error| refused(&target.name, &error.into()))?;
                let block = block.ok_or_else(|| {
                    let message = format!("there is no job {job} in {file} any more");
                    ApiError::new(ErrorCode::UnknownJob, message)
                })?;
                (block.text, block.line)
            }
        };
        Ok(EditorPage {
            directory: self.parts.config.directory().display().to_string(),
            version: target.version(),
            file: target.name,
            job,
            text,
            line,
            files: jobs
                .files
                .iter()
                .map(|file| file.name.to_string())
                .collect(),
        })
    }

    /// What is wrong with an edit, and what it would write.
    pub async fn check_edit(&self, caller: &Caller, edit: FileEdit) -> Result<EditCheck, ApiError> {
        Ok(match self.try_edit(caller, edit).await? {
            Ok(tried) => tried.check,
            Err(check) => check,
        })
    }

    /// When the jobs of an edit would fire, and where.
    pub async fn preview_edit(&self, caller: &Caller, edit: FileEdit) -> Result<Preview, ApiError> {
        let Ok(tried) = self.try_edit(caller, edit).await? else {
            return Ok(Preview {
                problems: Vec::new(),
                jobs: Vec::new(),
            });
        };
        let now = self.parts.clock.now();
        Ok(Preview {
            problems: Vec::new(),
            jobs: self.previews(tried.jobs(), &tried.before, now).await,
        })
    }

    /// Writes an edit. It is in force when this returns.
    pub async fn save_edit(&self, caller: &Caller, edit: FileEdit) -> Result<EditSaved, ApiError> {
        self.permit_editing(caller).await?;
        let editing = self.parts.editing.lock().await;
        let change = edit.change.clone();
        let tried = match self.try_edit(caller, edit).await? {
            Ok(tried) if tried.check.is_good() => tried,
            Ok(Tried { check, .. }) | Err(check) => return Err(problems::not_saved(&check)),
        };
        let Tried {
            target, changed, ..
        } = &tried;
        if changed.text != target.text {
            self.write(target, &changed.text).await?;
            for what in tried.told(&change) {
                self.parts.people.record(caller, what).await;
            }
            self.parts.config.reload().await;
        }
        drop(editing);
        Ok(EditSaved {
            version: version(&tried.changed.text),
            jobs: tried.jobs().map(|job| job.name.clone()).collect(),
            file: tried.target.name,
        })
    }

    /// Puts `text` in place of the file's content, unless that is another by now: looking through a large file takes a while.
    async fn write(&self, target: &Target, text: &str) -> Result<(), ApiError> {
        let directory = self.parts.config.directory().to_owned();
        let (path, text) = (target.path.clone(), text.to_owned());
        let (name, before) = (target.name.clone(), target.text.clone());
        let written = blocking(move || {
            let is_same = Target::read_within(&directory, &name)?.text == before;
            if is_same {
                replace(&path, &text)?;
            }
            Ok::<_, std::io::Error>(is_same)
        });
        match written.await? {
            Ok(true) => Ok(()),
            Ok(false) => Err(target.conflict()),
            Err(error) => {
                let message = format!("{} cannot be written: {error}", target.path.display());
                Err(ApiError::new(ErrorCode::Invalid, message))
            }
        }
    }

    /// Makes the change without writing it. The inner error is about the text that somebody is writing.
    async fn try_edit(
        &self,
        caller: &Caller,
        edit: FileEdit,
    ) -> Result<Result<Tried, EditCheck>, ApiError> {
        self.permit_editing(caller).await?;
        let target = self.edited_file(&edit.file).await?;
        target.check(&edit.version)?;
        let before = self.parts.config.current();
        let now = self.parts.clock.now();
        // A file of ten thousand jobs takes a good part of a second.
        blocking(move || attempt(target, &edit.change, before, now)).await?
    }

    /// Whoever writes jobs runs commands on every machine, as any user.
    async fn permit_editing(&self, caller: &Caller) -> Result<(), ApiError> {
        self.parts.people.permit(caller, Deed::Administer).await?;
        if self.parts.config.current().settings.editor {
            return Ok(());
        }
        let message =
            "jobs are not edited here (`editor: false`); change them where their files come from";
        Err(ApiError::new(ErrorCode::Forbidden, message))
    }

    /// The file that a job is written in, valid or not.
    fn file_of(&self, jobs: &JobSet, job: &str) -> Result<String, ApiError> {
        if let Some(job) = jobs.jobs.get(job) {
            return Ok(job.source.file.to_string());
        }
        match jobs.invalid.iter().find(|invalid| invalid.name == job) {
            Some(invalid) => Ok(invalid.source.file.to_string()),
            // For its error.
            None => Err(self
                .find_job(&job_name(job)?)
                .err()
                .unwrap_or_else(|| ApiError::new(ErrorCode::UnknownJob, "there is no such job"))),
        }
    }

    /// A file of the configuration, or one that could become one.
    async fn edited_file(&self, name: &str) -> Result<Target, ApiError> {
        let known = self.parts.config.current();
        let is_known = known.files.iter().any(|file| &*file.name == name);
        if !is_known && !could_be_made(name) {
            let message = format!(
                "{name:?} cannot be a file of the configuration: a name of letters, digits, '_', '-' and '.' that ends in .yaml is"
            );
            return Err(ApiError::new(ErrorCode::Invalid, message));
        }
        let directory = self.parts.config.directory().to_owned();
        let shown = directory.join(name).display().to_string();
        let name = name.to_owned();
        let read = blocking(move || Target::read_within(&directory, &name)).await?;
        read.map_err(|error| {
            ApiError::new(
                ErrorCode::Invalid,
                format!("{shown} cannot be edited: {error}"),
            )
        })
    }
}

/// Whether a file of this name may be made. Files that are there may have any name that the configuration takes.
fn could_be_made(name: &str) -> bool {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    is_config_file(name) && JobName::new(stem).is_ok()
}

fn usual_file(jobs: &JobSet) -> String {
    // Where all jobs stand in one file the next one does too.
    let mut with_jobs = jobs.files.iter().filter(|file| file.jobs > 0);
    match (with_jobs.next(), with_jobs.next()) {
        (Some(only), None) => only.name.to_string(),
        _ => USUAL_FILE.to_owned(),
    }
}

impl Tried {
    /// The valid jobs that the change has put there.
    fn jobs(&self) -> impl Iterator<Item = &Arc<Job>> {
        let jobs = self.changed.jobs.iter();
        jobs.filter_map(|name| self.trial.jobs.get(name.as_str()))
    }
}

fn as_change(edit: &JobEdit) -> JobChange<'_> {
    match edit {
        JobEdit::Replace { job, text } => JobChange::Replace { job, text },
        JobEdit::Add { text } => JobChange::Add { text },
        JobEdit::Delete { job } => JobChange::Delete { job },
    }
}

fn attempt(
    target: Target,
    edit: &JobEdit,
    before: Arc<JobSet>,
    now: UnixMillis,
) -> Result<Result<Tried, EditCheck>, ApiError> {
    let changed = match change_job(&target.text, &as_change(edit)) {
        Ok(changed) => changed,
        Err(JobEditError::Text {
            line,
            column,
            message,
        }) => {
            return Ok(Err(problems::unreadable(line, column, message)));
        }
        Err(error) => return Err(refused(&target.name, &error)),
    };
    let read = |text: &str| Trial::new(&target.name, text, &before.settings, host_zone(), now);
    let trial = read(&changed.text);
    let problems = problems::found(&target.name, &changed, &trial, &before, || {
        read(&target.text).problems
    });
    let check = EditCheck {
        problems,
        diff: excerpt(&target.text, &changed.text),
        jobs: changed.jobs.clone(),
    };
    Ok(Ok(Tried {
        target,
        changed,
        trial,
        check,
        before,
    }))
}

fn refused(file: &str, error: &JobEditError) -> ApiError {
    let code = match error {
        JobEditError::NoJob(_) => ErrorCode::UnknownJob,
        JobEditError::File(_) | JobEditError::Text { .. } => ErrorCode::Invalid,
    };
    ApiError::new(code, format!("{file}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_has_a_plain_name() {
        for (name, good) in [
            ("web.yaml", true),
            ("web.yml", true),
            ("web.txt", false),
            (".web.yaml", false),
            ("../web.yaml", false),
            ("a/web.yaml", false),
            ("/etc/web.yaml", false),
            ("a b.yaml", false),
            ("a\0.yaml", false),
            (".yaml", false),
            ("", false),
        ] {
            assert_eq!(could_be_made(name), good, "{name:?}");
        }
    }
}
