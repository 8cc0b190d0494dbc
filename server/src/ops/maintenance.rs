//! The maintenance editor: it changes one key of one file and leaves all else in it as it was.

use super::Ops;
use super::config_file::{Target, blocking, diff, replace};
use crate::people::Caller;
use crate::people::audit::What;
use saltpeter_domain::Maintenance;
use saltpeter_domain::access::Deed;
use saltpeter_domain::config::{edit_maintenance, maintenance_section};
use saltpeter_protocol::api::{
    ApiError, ErrorCode, FieldProblem, MaintenanceDiff, MaintenanceEdit, MaintenancePage,
};
use saltpeter_protocol::{MachineId, UnixMillis};
use std::collections::BTreeSet;

/// The longest reason, in characters.
const LONGEST_REASON: usize = 500;

const MINUTE: i64 = 60_000;

impl Ops {
    /// The editor's page.
    pub(super) async fn maintenance_editor(&self) -> Result<MaintenancePage, ApiError> {
        let target = self.maintenance_file().await?;
        Ok(MaintenancePage {
            current: self.parts.board.maintenance(),
            version: target.version(),
            file: target.name,
            known_machines: self.parts.executor.known_machines().await,
        })
    }

    /// What `edit` would write.
    pub async fn diff_maintenance(
        &self,
        caller: &Caller,
        edit: &MaintenanceEdit,
    ) -> Result<MaintenanceDiff, ApiError> {
        // It shows lines of the file as they are, which is more than everybody may see.
        self.permit_maintenance(caller).await?;
        let target = self.maintenance_file().await?;
        target.check(&edit.version)?;
        let (wanted, problems) = self.wanted(edit);
        let text = edited(&target, &wanted)?;
        Ok(MaintenanceDiff {
            file: target.name,
            // Of the rest of the file nothing changes, and it may have secrets in it.
            lines: diff(
                maintenance_section(&target.text),
                maintenance_section(&text),
            ),
            problems,
        })
    }

    /// Writes `edit`. It is in force when this returns.
    pub async fn save_maintenance(
        &self,
        caller: &Caller,
        edit: &MaintenanceEdit,
    ) -> Result<MaintenancePage, ApiError> {
        self.permit_maintenance(caller).await?;
        let editing = self.parts.editing.lock().await;
        let target = self.maintenance_file().await?;
        target.check(&edit.version)?;
        let (wanted, problems) = self.wanted(edit);
        if !problems.is_empty() {
            return Err(ApiError {
                code: ErrorCode::Invalid,
                message: "the edit is not saved: correct what is wrong with it".to_owned(),
                details: problems
                    .into_iter()
                    .map(|problem| format!("{}: {}", problem.field, problem.message))
                    .collect(),
            });
        }
        let text = edited(&target, &wanted)?;
        if text != target.text {
            let path = target.path.clone();
            let written = blocking(move || replace(&path, &text)).await?;
            written.map_err(|error| {
                let message = format!("{} cannot be written: {error}", target.path.display());
                ApiError::new(ErrorCode::Invalid, message)
            })?;
            let what = What::Changed {
                what: format!("maintenance in {}", target.name),
                before: in_words(&self.parts.config.current().maintenance),
                after: in_words(&wanted),
            };
            self.parts.people.record(caller, what).await;
            self.parts.config.reload().await;
        }
        drop(editing);
        let now = self.parts.clock.now();
        let in_force = &self.parts.config.current().maintenance;
        let mut page = self.maintenance_editor().await?;
        // The board follows in a moment; the answer is already of what is in force.
        page.current = crate::view::maintenance(in_force, Some(now), now);
        Ok(page)
    }

    /// Maintenance is everybody's: it takes machines out of the jobs of every group.
    async fn permit_maintenance(&self, caller: &Caller) -> Result<(), ApiError> {
        let permitted = self.parts.people.permit(caller, Deed::OperateAll).await;
        Ok(permitted?)
    }

    async fn maintenance_file(&self) -> Result<Target, ApiError> {
        let name = self.parts.config.current().maintenance_file().to_owned();
        let path = self.parts.config.directory().join(&name);
        let shown = path.display().to_string();
        let found = blocking(move || Target::read(path, name)).await?;
        found.map_err(|error| {
            ApiError::new(
                ErrorCode::Invalid,
                format!("{shown} cannot be read: {error}"),
            )
        })
    }

    fn wanted(&self, edit: &MaintenanceEdit) -> (Maintenance, Vec<FieldProblem>) {
        let present = self.parts.config.current();
        wanted(edit, &present.maintenance, self.parts.clock.now())
    }
}

fn in_words(maintenance: &Maintenance) -> String {
    let state = if maintenance.global { "on" } else { "off" };
    let machines = maintenance.machines.iter().map(MachineId::as_str);
    let machines: Vec<&str> = machines.collect();
    let reason = maintenance.reason.as_deref().unwrap_or("-");
    format!(
        "global {state}, machines [{}], reason {reason}",
        machines.join(", ")
    )
}

/// What the edit means, and what is wrong with it.
fn wanted(
    edit: &MaintenanceEdit,
    present: &Maintenance,
    now: UnixMillis,
) -> (Maintenance, Vec<FieldProblem>) {
    let mut problems = Vec::new();
    let mut problem = |field: &str, message: String| {
        problems.push(FieldProblem {
            field: field.to_owned(),
            message,
        });
    };
    let mut machines = BTreeSet::new();
    for text in edit.machines.iter().map(|text| text.trim()) {
        match MachineId::new(text) {
            Ok(machine) => {
                machines.insert(machine);
            }
            Err(_) if text.is_empty() => {}
            Err(error) => problem("machines", error.to_string()),
        }
    }
    let reason = edit.reason.as_deref().map(str::trim);
    let reason = reason.filter(|reason| !reason.is_empty());
    if let Some(reason) = reason {
        if reason.chars().count() > LONGEST_REASON {
            problem(
                "reason",
                format!("is too long ({LONGEST_REASON} characters at most)"),
            );
        }
        if reason.chars().any(char::is_control) {
            problem("reason", "must be a single line".to_owned());
        }
    }
    let goes_on = edit.global && present.is_global(now);
    let wanted = Maintenance {
        global: edit.global,
        machines,
        reason: reason.map(str::to_owned),
        by: present.by.clone().filter(|_| goes_on),
        // Whole minutes, so that what is shown before saving is what is saved.
        since: if goes_on {
            present.since
        } else {
            edit.global
                .then_some(UnixMillis(now.0 - now.0.rem_euclid(MINUTE)))
        },
        until: present.until.filter(|until| *until > now),
    };
    (wanted, problems)
}

fn edited(target: &Target, wanted: &Maintenance) -> Result<String, ApiError> {
    edit_maintenance(&target.text, wanted)
        .map_err(|error| ApiError::new(ErrorCode::Invalid, format!("{}: {error}", target.name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(global: bool, machines: &[&str], reason: &str) -> MaintenanceEdit {
        MaintenanceEdit {
            version: String::new(),
            global,
            machines: machines.iter().map(|&name| name.to_owned()).collect(),
            reason: Some(reason.to_owned()),
        }
    }

    #[test]
    fn what_is_wrong_stands_beside_its_field() {
        let now = UnixMillis(1_700_000_000_000);
        let edit = edit(true, &["web1", " ", "a/b"], "two\nlines");
        let (wanted, problems) = wanted(&edit, &Maintenance::default(), now);
        let fields: Vec<&str> = problems.iter().map(|p| p.field.as_str()).collect();
        assert_eq!(fields, ["machines", "reason"]);
        assert_eq!(wanted.machines.len(), 1);
    }

    #[test]
    fn the_beginning_is_kept_while_it_goes_on() {
        let begun = UnixMillis(1_700_000_000_000);
        let (first, _) = wanted(&edit(true, &[], ""), &Maintenance::default(), begun);
        assert_eq!(first.since, Some(UnixMillis(1_699_999_980_000)));
        let later = UnixMillis(begun.0 + 10 * MINUTE);
        let (second, _) = wanted(&edit(true, &["web1"], "kernel"), &first, later);
        assert_eq!(second.since, first.since);
        let (off, _) = wanted(&edit(false, &["web1"], "kernel"), &second, later);
        assert_eq!(off.since, None);
    }
}
