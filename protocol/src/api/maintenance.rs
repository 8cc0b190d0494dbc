//! Maintenance: what is in force, and its editing.

use crate::ids::MachineId;
use crate::time::UnixMillis;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Maintenance as it is in force.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MaintenanceView {
    /// Whether nothing new starts at all.
    pub global: bool,
    /// Since when, as far as this server knows.
    pub global_since: Option<UnixMillis>,
    /// Groups whose jobs do not start, in order.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Machines that are taken out of every job's targets.
    pub machines: Vec<MachineId>,
    /// Why, for people.
    pub reason: Option<String>,
    /// Who has set it last, as far as the files say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// When all of it ends by itself.
    #[serde(default)]
    pub until: Option<UnixMillis>,
}

/// The maintenance editor's page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaintenancePage {
    /// What is in force.
    pub current: MaintenanceView,
    /// The file that an edit would change.
    pub file: String,
    /// Identifies the file's present content; an edit must name it.
    pub version: String,
    /// Machines known from the executor or from earlier runs, for completion.
    pub known_machines: Vec<MachineId>,
    /// The groups that there are jobs of, for completion.
    #[serde(default)]
    pub known_groups: Vec<String>,
}

/// An edit of the maintenance settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaintenanceEdit {
    /// The version that the editor started from.
    pub version: String,
    /// Whether nothing new is to start.
    pub global: bool,
    /// Groups whose jobs are not to start.
    #[serde(default, skip_serializing_if = "Edited::is_as_it_is")]
    pub groups: Edited<Vec<String>>,
    /// Machines to take out, one text each; checked by the server.
    pub machines: Vec<String>,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "Edited::is_as_it_is")]
    pub reason: Edited<Option<String>>,
    /// When all of it is to end by itself: a date and a time in UTC, such as `2026-03-29T02:30`. `None`: when it is switched off.
    #[serde(default, skip_serializing_if = "Edited::is_as_it_is")]
    pub until: Edited<Option<String>>,
}

/// A part of what is edited: as it is where a request does not have it, empty where that has `null`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Edited<T> {
    /// It stays as it is.
    #[default]
    AsItIs,
    /// It becomes this.
    To(T),
}

impl<T> Edited<T> {
    /// Whether a request leaves it out.
    pub fn is_as_it_is(&self) -> bool {
        matches!(self, Self::AsItIs)
    }
}

impl<T: Serialize> Serialize for Edited<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            // Fields that are left out do not get here.
            Self::AsItIs => serializer.serialize_none(),
            Self::To(value) => value.serialize(serializer),
        }
    }
}

impl<'de, T: Deserialize<'de> + Default> Deserialize<'de> for Edited<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Option::<T>::deserialize(deserializer)?;
        Ok(Self::To(value.unwrap_or_default()))
    }
}

/// What an edit would write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaintenanceDiff {
    /// The file.
    pub file: String,
    /// Its lines, in order.
    pub lines: Vec<DiffLine>,
    /// Problems beside their field; the edit can be saved only when there are none.
    pub problems: Vec<FieldProblem>,
}

/// A line of a diff.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiffLine {
    /// What happens to it.
    pub change: DiffChange,
    /// The line without its end.
    pub text: String,
}

/// What happens to a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiffChange {
    /// It stays.
    Same,
    /// It is new.
    Added,
    /// It goes.
    Removed,
}

/// A problem with one field of a form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldProblem {
    /// The field's name: `machines`, `reason` …
    pub field: String,
    /// What was wrong.
    pub message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_edit_leaves_out_stays_and_null_empties_it() {
        let read = |more: &str| {
            let text = format!(r#"{{"version":"v","global":true,"machines":[]{more}}}"#);
            let edit: MaintenanceEdit = serde_json::from_str(&text).unwrap();
            (edit, text)
        };
        let (left_out, text) = read("");
        assert!(left_out.groups.is_as_it_is());
        assert!(left_out.reason.is_as_it_is());
        assert!(left_out.until.is_as_it_is());
        assert_eq!(serde_json::to_string(&left_out).unwrap(), text);

        let (emptied, _) = read(r#","groups":null,"reason":null,"until":null"#);
        assert_eq!(emptied.groups, Edited::To(Vec::new()));
        assert_eq!(emptied.reason, Edited::To(None));
        assert_eq!(emptied.until, Edited::To(None));

        let (given, _) = read(r#","groups":["db"],"reason":"disks","until":null"#);
        assert_eq!(given.groups, Edited::To(vec!["db".to_owned()]));
        assert_eq!(given.reason, Edited::To(Some("disks".to_owned())));
        let written = serde_json::to_string(&given).unwrap();
        assert!(written.contains(r#""until":null"#), "{written}");
        assert_eq!(
            serde_json::from_str::<MaintenanceEdit>(&written).unwrap(),
            given
        );
    }
}
