//! The maintenance editor: it changes one key of one file and leaves all else in it as it was.

use super::{Ops, internal};
use crate::people::Caller;
use crate::people::audit::What;
use saltpeter_domain::Maintenance;
use saltpeter_domain::access::Deed;
use saltpeter_domain::config::{edit_maintenance, maintenance_section};
use saltpeter_protocol::api::{
    ApiError, DiffChange, DiffLine, ErrorCode, FieldProblem, MaintenanceDiff, MaintenanceEdit,
    MaintenancePage,
};
use saltpeter_protocol::{MachineId, UnixMillis};
use sha2::{Digest as _, Sha256};
use similar::{ChangeTag, TextDiff};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// The longest reason, in characters.
const LONGEST_REASON: usize = 500;

const MINUTE: i64 = 60_000;

/// The file that holds the key, as it is on disk.
struct Target {
    path: PathBuf,
    name: String,
    /// Empty for a file that is to be made.
    text: String,
}

impl Target {
    /// Identifies the content, so that an edit of another content is noticed.
    fn version(&self) -> String {
        let digest = Sha256::digest(self.text.as_bytes());
        let mut version = String::with_capacity(16);
        for byte in &digest[..8] {
            // Writing into a String cannot fail.
            let _ = write!(version, "{byte:02x}");
        }
        version
    }
}

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
        check_version(&target, edit)?;
        let (wanted, problems) = self.wanted(edit);
        let text = edited(&target, &wanted)?;
        Ok(MaintenanceDiff {
            file: target.name,
            // Of the rest of the file nothing changes, and it may have secrets in it.
            lines: lines(
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
        check_version(&target, edit)?;
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
        let found = blocking(move || read(path, name)).await?;
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

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| internal(&e))
}

fn check_version(target: &Target, edit: &MaintenanceEdit) -> Result<(), ApiError> {
    if target.version() == edit.version {
        return Ok(());
    }
    let message = format!(
        "{} has changed since you opened it; look at it as it is now and make your change again",
        target.name
    );
    Err(ApiError::new(ErrorCode::Conflict, message))
}

/// The file as it is on disk; without content when it is yet to be made.
fn read(path: PathBuf, name: String) -> io::Result<Target> {
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error),
    };
    Ok(Target { path, name, text })
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

fn lines(before: &str, after: &str) -> Vec<DiffLine> {
    let diff = TextDiff::from_lines(before, after);
    diff.iter_all_changes()
        .map(|change| DiffLine {
            change: match change.tag() {
                ChangeTag::Equal => DiffChange::Same,
                ChangeTag::Insert => DiffChange::Added,
                ChangeTag::Delete => DiffChange::Removed,
            },
            text: change.value().trim_end_matches(['\r', '\n']).to_owned(),
        })
        .collect()
}

/// Puts `text` in place of the file's content, whole or not at all, with the file's permissions.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    // Through a link, so that the link stays one.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::other("it is not a file"));
    };
    // Hidden, so that it is no part of the configuration while it is written.
    let new = directory.join(format!(".{}.new", name.to_string_lossy()));
    let written = (|| {
        let mut file = File::create(&new)?;
        file.write_all(text.as_bytes())?;
        if let Ok(metadata) = fs::metadata(&path) {
            file.set_permissions(metadata.permissions())?;
        }
        file.sync_all()?;
        fs::rename(&new, &path)
    })();
    if written.is_err() {
        // The first error is the one to tell of.
        let _ = fs::remove_file(&new);
    }
    written?;
    File::open(directory)?.sync_all()
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

    #[test]
    fn another_content_is_another_version() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.yaml");
        let version = || read(path.clone(), "m.yaml".to_owned()).unwrap().version();
        let absent = version();
        fs::write(&path, "saltpeter_maintenance: {}\n").unwrap();
        assert_ne!(version(), absent);
    }

    #[test]
    fn a_file_is_replaced_whole_and_keeps_its_permissions() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.yaml");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        replace(&path, "new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o640
        );
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_diff_shows_every_line_once() {
        let shown = lines("a\nb\n", "a\nc\n");
        let marks: Vec<(DiffChange, &str)> = shown
            .iter()
            .map(|line| (line.change, line.text.as_str()))
            .collect();
        assert_eq!(
            marks,
            [
                (DiffChange::Same, "a"),
                (DiffChange::Removed, "b"),
                (DiffChange::Added, "c")
            ]
        );
    }
}
