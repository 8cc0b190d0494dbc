//! What is pasted, and what the server makes of it.

use crate::client;
use crate::client::Method;
use crate::components::toast::{Toast, Toasts};
use crate::typing::Changes;
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;
use saltpeter_protocol::api::{
    ApiError, CrontabForm, EditSaved, EditorPage, FileEdit, ImportRequest, ImportResult, JobEdit,
};
use std::time::Duration;

/// How long typing must rest before the server is asked.
const CONVERT_AFTER: Duration = Duration::from_millis(200);

/// The fields, and the answer.
#[derive(Clone, Copy)]
pub(super) struct Form {
    pub(super) crontab: RwSignal<String>,
    pub(super) targets: RwSignal<String>,
    pub(super) group: RwSignal<String>,
    pub(super) kind: RwSignal<CrontabForm>,
    pub(super) user: RwSignal<String>,
    /// Of what was pasted last; `None` until there is one.
    pub(super) answer: RwSignal<Option<Result<ImportResult, ApiError>>>,
    /// Why it was not saved.
    pub(super) refused: RwSignal<Option<ApiError>>,
    pub(super) saving: RwSignal<bool>,
    /// Counts changes, so that an answer to an older one is known as such.
    changes: Changes,
    toasts: Toasts,
    go: Callback<()>,
}

impl Form {
    pub(super) fn new() -> Self {
        let navigate = use_navigate();
        let go = Callback::new(move |()| navigate("/", NavigateOptions::default()));
        let form = Self {
            crontab: RwSignal::new(String::new()),
            targets: RwSignal::new(String::new()),
            group: RwSignal::new("crontab".to_owned()),
            kind: RwSignal::new(CrontabForm::Detect),
            user: RwSignal::new(String::new()),
            answer: RwSignal::new(None),
            refused: RwSignal::new(None),
            saving: RwSignal::new(false),
            changes: Changes::new(),
            toasts: expect_context(),
            go,
        };
        Effect::new(move || form.changed(form.request()));
        form
    }

    /// What is asked, if there is anything to ask.
    fn request(self) -> Option<ImportRequest> {
        let trimmed = |text: RwSignal<String>| text.with(|text| text.trim().to_owned());
        let some = |text: String| (!text.is_empty()).then_some(text);
        let kind = self.kind.get();
        let (crontab, targets) = (self.crontab.get(), trimmed(self.targets));
        let (group, user) = (some(trimmed(self.group)), some(trimmed(self.user)));
        if crontab.trim().is_empty() {
            return None;
        }
        Some(ImportRequest {
            crontab,
            // Until somebody says which: to show what the lines mean.
            targets: some(targets).unwrap_or_else(|| "*".to_owned()),
            form: kind,
            user: user.filter(|_| kind != CrontabForm::System),
            group,
        })
    }

    /// Whether it is said which machines the jobs are for.
    pub(super) fn has_targets(self) -> bool {
        self.targets.with(|targets| !targets.trim().is_empty())
    }

    fn changed(self, request: Option<ImportRequest>) {
        let change = self.changes.next();
        self.refused.set(None);
        let Some(request) = request else {
            self.answer.set(None);
            return;
        };
        change.rested(CONVERT_AFTER, move || {
            spawn_local(async move {
                let url = "/api/v1/import/crontab";
                let answer = client::ask(Method::Post, url, &request).await;
                if change.is_last() {
                    self.answer.set(Some(answer));
                }
            });
        });
    }

    /// The file's name.
    pub(super) fn file(self) -> String {
        let group = self.group.with(|group| group.trim().to_owned());
        let group = if group.is_empty() {
            "crontab".to_owned()
        } else {
            group
        };
        format!("{group}.yaml")
    }

    /// Writes the jobs to their file: at its end if it is there, else a new one.
    pub(super) fn save(self) {
        let yaml = self.answer.with_untracked(|answer| match answer {
            Some(Ok(result)) => Some(result.yaml.clone()),
            _ => None,
        });
        let Some(text) = yaml else {
            return;
        };
        let file = untrack(|| self.file());
        self.saving.set(true);
        spawn_local(async move {
            let saved = save(&file, text).await;
            if self.saving.is_disposed() {
                return;
            }
            self.saving.set(false);
            match saved {
                Ok(saved) => {
                    let title = format!("{file}: {} saved and in force", saved.jobs.len());
                    self.toasts.show(Toast::good(title, None));
                    self.go.run(());
                }
                Err(error) => self.refused.set(Some(error)),
            }
        });
    }
}

async fn save(file: &str, text: String) -> Result<EditSaved, ApiError> {
    let address = format!("/api/v1/editor?file={}", crate::routes::escape(file));
    let page: EditorPage = client::fetch(&address).await?;
    let edit = FileEdit {
        file: page.file,
        version: page.version,
        change: JobEdit::Add { text },
    };
    client::ask(Method::Put, "/api/v1/editor", &edit).await
}
