//! The maintenance editor: it changes one key of one file and leaves all else in it as it was.

use super::Ops;
use super::config_file::{Target, blocking, diff, replace};
use crate::people::Caller;
use crate::people::audit::What;
use saltpeter_domain::Maintenance;
use saltpeter_domain::config::{edit_maintenance, maintenance_section};
use saltpeter_protocol::api::{
    ApiError, Edited, ErrorCode, FieldProblem, MaintenanceDiff, MaintenanceEdit, MaintenancePage,
};
use saltpeter_protocol::{MachineId, UnixMillis};
use std::collections::BTreeSet;
use std::sync::Arc;

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
            known_groups: self.known_groups(),
        })
    }

    /// What `edit` would write.
    pub async fn diff_maintenance(
        &self,
        caller: &Caller,
        edit: &MaintenanceEdit,
    ) -> Result<MaintenanceDiff, ApiError> {
        // It shows lines of the file as they are, which is more than everybody may see.
        self.permit_any_maintenance(caller).await?;
        let target = self.maintenance_file().await?;
        target.check(&edit.version)?;
        let (wanted, problems) = self.wanted(edit);
        self.permit_maintenance(caller, &wanted).await?;
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
        self.permit_any_maintenance(caller).await?;
        let editing = self.parts.editing.lock().await;
        // What somebody changes is measured by what the files say, not by what they said a moment ago: else an edit that was
        // made on disk could be taken back by somebody who may not.
        self.parts.config.reload().await;
        let target = self.maintenance_file().await?;
        target.check(&edit.version)?;
        let (wanted, problems) = self.wanted(edit);
        self.permit_maintenance(caller, &wanted).await?;
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
            let what = What::Maintained {
                file: target.name,
                before: Arc::clone(&self.parts.config.current().maintenance),
                after: Arc::new(wanted),
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

    /// Whether `caller` may change anything of it at all.
    async fn permit_any_maintenance(&self, caller: &Caller) -> Result<(), ApiError> {
        let nothing = Maintenance::default();
        let allowed = caller.access.may_maintain(&nothing, &nothing);
        Ok(self.parts.people.settle(caller, allowed).await?)
    }

    /// Maintenance of machines is everybody's, since they are taken out of the jobs of every group; that of a group is its operators'.
    async fn permit_maintenance(
        &self,
        caller: &Caller,
        wanted: &Maintenance,
    ) -> Result<(), ApiError> {
        let now = self.parts.clock.now();
        let before = self.parts.config.current().maintenance.in_force(now);
        let allowed = caller.access.may_maintain(&before, &wanted.in_force(now));
        Ok(self.parts.people.settle(caller, allowed).await?)
    }

    /// The groups of the jobs, in order.
    fn known_groups(&self) -> Vec<String> {
        let jobs = self.parts.config.current();
        let groups: BTreeSet<&str> = jobs.jobs.values().map(|job| job.group.as_str()).collect();
        groups.into_iter().map(str::to_owned).collect()
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

/// What the edit means, and what is wrong with it. What it leaves out stays as it is in force; but with nothing left under
/// maintenance there is nothing that a reason or an end would be of.
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
    let in_force = present.in_force(now);
    let groups: BTreeSet<String> = match &edit.groups {
        Edited::AsItIs => in_force.groups,
        Edited::To(names) => {
            let names = names.iter().map(|name| name.trim());
            let names = names.filter(|name| !name.is_empty());
            names.map(str::to_owned).collect()
        }
    };
    let is_left = edit.global || !groups.is_empty() || !machines.is_empty();
    if let Some(name) = groups
        .iter()
        .find(|name| name.chars().any(char::is_control))
    {
        problem("groups", format!("{name:?} is not the name of a group"));
    }
    let until = match &edit.until {
        Edited::AsItIs => in_force.until.filter(|_| is_left),
        Edited::To(text) => given(text.as_deref()).and_then(|text| {
            let time = UnixMillis::parse(text);
            match time {
                None => problem(
                    "until",
                    format!("{text:?} is no date with a time, such as 2026-03-29T02:30"),
                ),
                Some(time) if time <= now => problem("until", "has passed already".to_owned()),
                Some(_) => {}
            }
            time
        }),
    };
    let reason = match &edit.reason {
        Edited::AsItIs => in_force.reason.filter(|_| is_left),
        Edited::To(text) => given(text.as_deref()).map(str::to_owned),
    };
    if let (Some(reason), Edited::To(_)) = (&reason, &edit.reason) {
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
        groups,
        machines,
        reason,
        by: present.by.clone().filter(|_| goes_on),
        // Whole minutes, so that what is shown before saving is what is saved.
        since: if goes_on {
            present.since
        } else {
            edit.global
                .then_some(UnixMillis(now.0 - now.0.rem_euclid(MINUTE)))
        },
        until,
    };
    (wanted, problems)
}

/// What was written into a field, if anything was.
fn given(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
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
            groups: Edited::AsItIs,
            machines: machines.iter().map(|&name| name.to_owned()).collect(),
            reason: Edited::To(Some(reason.to_owned())),
            until: Edited::AsItIs,
        }
    }

    #[test]
    fn an_end_is_a_time_to_come() {
        let now = UnixMillis(1_700_000_000_000);
        for (text, expected) in [
            ("2023-11-14T23:00", Some(1_700_002_800_000)),
            (" 2023-11-14T23:00:00Z ", Some(1_700_002_800_000)),
            ("", None),
        ] {
            let edit = MaintenanceEdit {
                until: Edited::To(Some(text.to_owned())),
                ..edit(true, &[], "")
            };
            let (wanted, problems) = wanted(&edit, &Maintenance::default(), now);
            assert_eq!(
                (wanted.until, problems.len()),
                (expected.map(UnixMillis), 0),
                "{text}"
            );
        }
        for text in ["tomorrow", "2023-11-14T22:00", "2023-11-14"] {
            let edit = MaintenanceEdit {
                until: Edited::To(Some(text.to_owned())),
                ..edit(true, &[], "")
            };
            let (_, problems) = wanted(&edit, &Maintenance::default(), now);
            assert_eq!(problems[0].field, "until", "{text}");
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
    fn what_is_left_out_stays_while_there_is_something_that_it_is_of() {
        let now = UnixMillis(1_700_000_000_000);
        let later = Some(UnixMillis(now.0 + MINUTE));
        let present = Maintenance {
            global: true,
            groups: ["db".to_owned()].into(),
            reason: Some("disks".to_owned()),
            until: later,
            ..Maintenance::default()
        };
        let left_out = |global| MaintenanceEdit {
            reason: Edited::AsItIs,
            ..edit(global, &[], "")
        };
        let (stays, _) = wanted(&left_out(false), &present, now);
        assert_eq!(stays.groups, present.groups);
        assert_eq!((stays.reason, stays.until), (present.reason.clone(), later));
        let emptied = |global| MaintenanceEdit {
            groups: Edited::To(Vec::new()),
            ..left_out(global)
        };
        let (stays, _) = wanted(&emptied(true), &present, now);
        assert!(stays.groups.is_empty());
        assert_eq!((stays.reason, stays.until), (present.reason.clone(), later));
        let (nothing, problems) = wanted(&emptied(false), &present, now);
        assert_eq!(nothing, Maintenance::default());
        assert_eq!(problems, []);
        // What was over by itself is not there any more.
        let after = UnixMillis(now.0 + 2 * MINUTE);
        let (anew, problems) = wanted(&left_out(true), &present, after);
        assert!(anew.global && anew.groups.is_empty());
        assert_eq!(
            (anew.reason, anew.until, problems),
            (None, None, Vec::new())
        );
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
