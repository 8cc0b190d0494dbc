//! The editor's fields, and what the server says of them.

use crate::typing::Changes;
use crate::{client, format};
use leptos::prelude::*;
use leptos::task::spawn_local;
use saltpeter_protocol::api::{
    ApiError, Edited, MaintenanceDiff, MaintenanceEdit, MaintenancePage as Page,
};
use saltpeter_protocol::{MachineId, UnixMillis};
use std::time::Duration;

/// How long typing must rest before the server is asked what would be written.
const DIFF_AFTER: Duration = Duration::from_millis(150);

/// Where saving stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Saving {
    /// Nothing has been saved yet.
    Idle,
    /// On its way.
    Busy,
    /// Written, and in force.
    Saved,
    /// Refused.
    Failed(ApiError),
}

/// The editor's fields and what the server says of them.
#[derive(Clone, Copy)]
pub(super) struct Form {
    pub(super) page: RwSignal<Page>,
    pub(super) global: RwSignal<bool>,
    pub(super) groups: RwSignal<Vec<String>>,
    pub(super) machines: RwSignal<Vec<String>>,
    pub(super) reason: RwSignal<String>,
    /// As the browser's field has it: to the minute, in UTC.
    pub(super) until: RwSignal<String>,
    pub(super) diff: RwSignal<Option<MaintenanceDiff>>,
    pub(super) saving: RwSignal<Saving>,
    edits: Changes,
}

impl Form {
    pub(super) fn new(page: Page) -> Self {
        let current = page.current.clone();
        Self {
            global: RwSignal::new(current.global),
            groups: RwSignal::new(current.groups),
            machines: RwSignal::new(current.machines.into_iter().map(Into::into).collect()),
            reason: RwSignal::new(current.reason.unwrap_or_default()),
            until: RwSignal::new(to_the_minute(current.until)),
            page: RwSignal::new(page),
            diff: RwSignal::new(None),
            saving: RwSignal::new(Saving::Idle),
            edits: Changes::new(),
        }
    }

    pub(super) fn take(self, page: Page) {
        let current = page.current.clone();
        self.global.set(current.global);
        self.groups.set(current.groups);
        self.until.set(to_the_minute(current.until));
        self.machines
            .set(current.machines.into_iter().map(Into::into).collect());
        self.reason.set(current.reason.unwrap_or_default());
        self.page.set(page);
        self.diff.set(None);
    }

    pub(super) fn edit(self) -> MaintenanceEdit {
        let reason = self.reason.get_untracked().trim().to_owned();
        let until = self.until.get_untracked();
        // What was not touched stays as it is, seconds and all.
        let before = self.page.with_untracked(|page| page.current.until);
        let until = match before {
            Some(before) if to_the_minute(Some(before)) == until => format::iso(before),
            _ => until,
        };
        MaintenanceEdit {
            version: self.page.with_untracked(|page| page.version.clone()),
            global: self.global.get_untracked(),
            groups: Edited::To(self.groups.get_untracked()),
            machines: self.machines.get_untracked(),
            reason: Edited::To((!reason.is_empty()).then_some(reason)),
            until: Edited::To((!until.is_empty()).then_some(until)),
        }
    }

    pub(super) fn is_changed(self) -> bool {
        self.page.with(|page| {
            let machines: Vec<&str> = page
                .current
                .machines
                .iter()
                .map(MachineId::as_str)
                .collect();
            page.current.global != self.global.get()
                || self.groups.with(|edited| *edited != page.current.groups)
                || self.machines.with(|edited| *edited != machines)
                || self
                    .until
                    .with(|edited| *edited != to_the_minute(page.current.until))
                || page.current.reason.as_deref().unwrap_or_default()
                    != self.reason.with(|reason| reason.trim().to_owned())
        })
    }

    /// Asks, after a moment without another edit, what would be written.
    pub(super) fn changed(self) {
        self.saving.set(Saving::Idle);
        let edit = self.edits.next();
        edit.rested(DIFF_AFTER, move || {
            spawn_local(async move {
                let answer = client::maintenance_diff(self.edit()).await;
                if edit.is_last() {
                    match answer {
                        Ok(diff) => self.diff.set(Some(diff)),
                        Err(error) => self.saving.set(Saving::Failed(error)),
                    }
                }
            });
        });
    }

    pub(super) fn save(self) {
        // A preview that is still on its way would be of a file that has changed by then.
        self.edits.next();
        self.saving.set(Saving::Busy);
        spawn_local(async move {
            let answer = client::maintenance_save(self.edit()).await;
            if self.page.is_disposed() {
                return;
            }
            match answer {
                Ok(page) => {
                    self.take(page);
                    self.saving.set(Saving::Saved);
                }
                Err(error) => self.saving.set(Saving::Failed(error)),
            }
        });
    }

    /// Takes the file as it is now, and forgets the edit.
    pub(super) fn reload(self) {
        spawn_local(async move {
            let answer = client::maintenance_page().await;
            if self.page.is_disposed() {
                return;
            }
            match answer {
                Ok(page) => {
                    self.take(page);
                    self.saving.set(Saving::Idle);
                }
                Err(error) => self.saving.set(Saving::Failed(error)),
            }
        });
    }

    /// What the server says is wrong with a field.
    pub(super) fn problems(self, field: &str) -> Vec<String> {
        self.diff.with(|diff| {
            diff.iter()
                .flat_map(|diff| &diff.problems)
                .filter(|problem| problem.field == field)
                .map(|problem| problem.message.clone())
                .collect()
        })
    }

    pub(super) fn has_problems(self) -> bool {
        self.diff
            .with(|diff| diff.as_ref().is_some_and(|diff| !diff.problems.is_empty()))
    }
}

/// As a field for a date and a time takes it.
fn to_the_minute(at: Option<UnixMillis>) -> String {
    let text = at.map(format::iso).unwrap_or_default();
    text.get(..16).unwrap_or_default().to_owned()
}

impl Form {
    pub(super) fn is_changed_untracked(self) -> bool {
        untrack(move || self.is_changed())
    }

    pub(super) fn reload_quietly(self) {
        if self.saving.get_untracked() != Saving::Busy {
            let saved = self.saving.get_untracked();
            spawn_local(async move {
                let answer = client::maintenance_page().await;
                if let Ok(page) = answer
                    && !self.page.is_disposed()
                    && !self.is_changed_untracked()
                {
                    self.take(page);
                    self.saving.set(saved);
                }
            });
        }
    }
}
