//! The editor's state, and what the server says of it.

use super::draft::{self, Draft};
use crate::client;
use crate::client::Method;
use crate::components::toast::{Toast, Toasts};
use crate::routes;
use crate::typing::{Change, Changes};
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;
use saltpeter_protocol::api::{
    ApiError, EditCheck, EditSaved, EditorPage as Page, ErrorCode, FileEdit, JobEdit, Preview,
};
use std::time::Duration;

/// How long typing must rest before the server is asked what is wrong.
const CHECK_AFTER: Duration = Duration::from_millis(200);
/// How much longer before it is asked what the job would do: machines may have to be asked for that.
const PREVIEW_AFTER: Duration = Duration::from_millis(400);

/// Where saving stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Saving {
    /// Nothing is on its way.
    Idle,
    /// It is.
    Busy,
    /// Refused; so was a look at what would be written.
    Failed(ApiError),
}

/// The editor's state.
#[derive(Clone, Copy)]
pub(super) struct Form {
    pub(super) page: RwSignal<Page>,
    pub(super) file: RwSignal<String>,
    pub(super) text: RwSignal<String>,
    /// What is wrong with the text, and what would be written; `None` until that is known.
    pub(super) check: RwSignal<Option<EditCheck>>,
    /// What the text would do; of the last text that was good.
    pub(super) preview: RwSignal<Option<Preview>>,
    pub(super) saving: RwSignal<Saving>,
    /// Whether the text is one that was left here unsaved.
    pub(super) is_draft: RwSignal<bool>,
    /// Counts edits, so that an answer to an older one is known as such.
    edits: Changes,
    /// Counts reads of the file in the same way: typing goes on meanwhile.
    reads: Changes,
    toasts: Toasts,
    go: Callback<String>,
}

impl Form {
    pub(super) fn new(mut page: Page) -> Self {
        let draft = draft::find(page.job.as_deref());
        let is_draft = draft.is_some();
        let mut text = page.text.clone();
        if let Some(draft) = draft {
            text = draft.text;
            if page.job.is_some() {
                // Another version of the file is a conflict, as it would have been had one stayed here.
                page.version = draft.version;
            }
        }
        let navigate = use_navigate();
        let go = Callback::new(move |to: String| navigate(&to, NavigateOptions::default()));
        Self {
            file: RwSignal::new(page.file.clone()),
            text: RwSignal::new(text),
            page: RwSignal::new(page),
            check: RwSignal::new(None),
            preview: RwSignal::new(None),
            saving: RwSignal::new(Saving::Idle),
            is_draft: RwSignal::new(is_draft),
            edits: Changes::new(),
            reads: Changes::new(),
            toasts: expect_context(),
            go,
        }
    }

    /// Where the text stands.
    pub(super) fn place(self) -> String {
        self.page.with(|page| match page.job {
            Some(_) => format!("{}/{}, from line {}", page.directory, page.file, page.line),
            None => format!("At the end of {}/{}", page.directory, page.file),
        })
    }

    pub(super) fn is_changed(self) -> bool {
        self.page
            .with(|page| self.text.with(|text| *text != page.text))
    }

    pub(super) fn can_save(self) -> bool {
        let is_new = self.page.with(|page| page.job.is_none());
        // Another file has been chosen and is not read yet.
        let is_read = self
            .page
            .with(|page| self.file.with(|file| *file == page.file));
        let is_good = self
            .check
            .with(|check| check.as_ref().is_some_and(EditCheck::is_good));
        (is_new || self.is_changed()) && is_good && is_read && self.saving.get() == Saving::Idle
    }

    fn edit(self) -> FileEdit {
        let text = self.text.get_untracked();
        self.page.with_untracked(|page| FileEdit {
            file: page.file.clone(),
            version: page.version.clone(),
            change: match &page.job {
                Some(job) => JobEdit::Replace {
                    job: job.clone(),
                    text,
                },
                None => JobEdit::Add { text },
            },
        })
    }

    /// Somebody has typed.
    pub(super) fn typed(self, text: String) {
        self.text.set(text);
        self.saving.set(Saving::Idle);
        self.keep();
        let edit = self.edits.next();
        edit.rested(CHECK_AFTER, move || self.ask(edit));
    }

    /// Keeps the text for the case that somebody leaves without having saved it.
    fn keep(self) {
        let draft = self.page.with_untracked(|page| {
            let text = self.text.get_untracked();
            let job = page.job.clone();
            let version = page.version.clone();
            (text != page.text).then_some(Draft { job, version, text })
        });
        match draft {
            Some(draft) => draft::keep(draft),
            None => self.forget(),
        }
    }

    fn forget(self) {
        self.page
            .with_untracked(|page| draft::forget(page.job.as_deref()));
    }

    /// Asks at once what is wrong, and what the text would do.
    pub(super) fn look(self) {
        self.ask(self.edits.next());
    }

    fn ask(self, edit: Change) {
        spawn_local(async move {
            let body = self.edit();
            let answer: Result<EditCheck, _> =
                client::ask(Method::Post, "/api/v1/editor/check", &body).await;
            if !edit.is_last() {
                return;
            }
            match answer {
                Ok(check) => {
                    let is_good = check.is_good();
                    self.check.set(Some(check));
                    if is_good {
                        edit.rested(PREVIEW_AFTER, move || self.ask_preview(edit));
                    }
                }
                Err(error) => self.fail(error),
            }
        });
    }

    fn ask_preview(self, edit: Change) {
        spawn_local(async move {
            let body = self.edit();
            let answer = client::ask(Method::Post, "/api/v1/editor/preview", &body).await;
            // What cannot be told is not told; the check says what is wrong.
            if let Ok(preview) = answer
                && edit.is_last()
            {
                self.preview.set(Some(preview));
            }
        });
    }

    fn fail(self, error: ApiError) {
        self.saving.set(Saving::Failed(error));
    }

    /// Whether the file has changed meanwhile.
    pub(super) fn is_conflict(self) -> bool {
        self.saving.with(
            |saving| matches!(saving, Saving::Failed(error) if error.code == ErrorCode::Conflict),
        )
    }

    pub(super) fn save(self) {
        let edit = self.edit();
        self.send(edit, "saved and in force");
    }

    pub(super) fn delete(self) {
        let edit = self.page.with_untracked(|page| FileEdit {
            file: page.file.clone(),
            version: page.version.clone(),
            change: JobEdit::Delete {
                job: page.job.clone().unwrap_or_default(),
            },
        });
        self.send(edit, "deleted");
    }

    fn send(self, edit: FileEdit, done: &'static str) {
        // A look that is still on its way would be of a file that has changed by then.
        self.edits.next();
        self.saving.set(Saving::Busy);
        spawn_local(async move {
            let answer: Result<EditSaved, _> =
                client::ask(Method::Put, "/api/v1/editor", &edit).await;
            if self.page.is_disposed() {
                return;
            }
            let saved = match answer {
                Ok(saved) => saved,
                Err(error) => return self.fail(error),
            };
            self.forget();
            let (what, to) = match (saved.jobs.as_slice(), edit.change) {
                ([job], _) => (job.to_string(), routes::job_page(job)),
                ([], JobEdit::Delete { job }) => (job, "/".to_owned()),
                (jobs, _) => (format!("{} jobs", jobs.len()), "/".to_owned()),
            };
            self.toasts
                .show(Toast::good(format!("{what}: {done}"), None));
            self.go.run(to);
        });
    }

    pub(super) fn discard(self) {
        self.forget();
        if self.is_draft.get_untracked() {
            // It may be of an older version of the file.
            self.is_draft.set(false);
            return self.reload(false);
        }
        self.text
            .set(self.page.with_untracked(|page| page.text.clone()));
        self.saving.set(Saving::Idle);
        self.look();
    }

    /// Another file for a new job.
    pub(super) fn choose(self, file: &str) {
        self.file.set(file.to_owned());
        self.read(
            format!("/api/v1/editor?file={}", routes::escape(file)),
            true,
        );
    }

    /// Takes the file as it is now; with the text that somebody has written, or with its own.
    pub(super) fn reload(self, keep: bool) {
        let address = self.page.with_untracked(|page| match &page.job {
            Some(job) => format!("/api/v1/editor?job={}", routes::escape(job)),
            None => format!("/api/v1/editor?file={}", routes::escape(&page.file)),
        });
        self.read(address, keep);
    }

    fn read(self, address: String, keep: bool) {
        let this = self.reads.next();
        spawn_local(async move {
            let answer: Result<Page, _> = client::fetch(&address).await;
            if !this.is_last() {
                return;
            }
            match answer {
                Ok(page) => {
                    self.file.set(page.file.clone());
                    if !keep {
                        self.text.set(page.text.clone());
                    }
                    self.page.set(page);
                    self.keep();
                    self.saving.set(Saving::Idle);
                    self.look();
                }
                Err(error) => self.fail(error),
            }
        });
    }
}
