//! Changing one thing in a file, `saltpeter_maintenance` or a job, with everything else, comments first of all, left as it is.
//!
//! The text is never printed anew from a tree. Small replacements are made at the places that the tree names, and the result is read again: it is
//! handed out only if it says what was wanted and nothing else changed.

mod editor;
mod job;
mod print;

use super::keys::{MAINTENANCE, MAINTENANCE_KEYS};
use super::raw::{self, Entry, Node, SyntaxError, Value};
use super::reader::Reader;
use super::validate::duplicate_message;
use crate::maintenance::Maintenance;
use editor::Editor;
pub use job::{ChangedFile, JobBlock, JobChange, JobEditError, change_job, job_block};
use print::normal;
pub(crate) use print::quote;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Why a file could not be edited. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The file is not valid as it is.
    #[error("line {line}, column {column}: {message}. Mend the file first")]
    Invalid {
        /// Line, counted from 1.
        line: u32,
        /// Column, counted from 1.
        column: u32,
        /// What is wrong.
        message: String,
    },
    /// It is written in a way that cannot be edited without loss.
    #[error("line {line}: {message}")]
    Form {
        /// Line, counted from 1.
        line: u32,
        /// What stands in the way, and how to write it.
        message: String,
    },
}

/// The text of a file with its `saltpeter_maintenance` saying `wanted`. Everything else stays byte for byte, and so do comments within the
/// key. A file without the key gets it at its end.
pub fn edit_maintenance(original: &str, wanted: &Maintenance) -> Result<String, EditError> {
    let root = parse(original)?;
    let mut editor = Editor::new(original);
    let entries = entries_of(&root, original)?;
    refuse_double(entries.iter().filter(|entry| entry.key == MAINTENANCE))?;
    match entries.iter().position(|entry| entry.key == MAINTENANCE) {
        None => editor.append(wanted),
        Some(index) => {
            let end = entries.get(index + 1).map_or(original.len(), |next| {
                editor.line_start(next.key_place.bytes.start)
            });
            if let Value::Map(keys) = &entries[index].value.value {
                refuse_double(keys)?;
            }
            editor.rewrite(&entries[index], end, wanted)?;
        }
    }
    let text = editor.finish();
    verify(&root, &text, wanted)?;
    Ok(text)
}

/// The lines of a file's `saltpeter_maintenance`, up to the next key. Empty where there is none. The rest of a file may have
/// values in it that are not for everybody's eyes.
pub fn maintenance_section(text: &str) -> &str {
    let Ok(Node {
        value: Value::Map(entries),
        ..
    }) = parse(text)
    else {
        return "";
    };
    let Some(index) = entries.iter().position(|entry| entry.key == MAINTENANCE) else {
        return "";
    };
    let line_start = |entry: &Entry| {
        let before = text.get(..entry.key_place.bytes.start).unwrap_or_default();
        before.rfind('\n').map_or(0, |end| end + 1)
    };
    let start = line_start(&entries[index]);
    let end = entries.get(index + 1).map_or(text.len(), line_start);
    text.get(start..end).unwrap_or_default()
}

/// The keys of a file, each on lines of its own.
fn entries_of<'n>(root: &'n Node, source: &str) -> Result<&'n [Entry], EditError> {
    match &root.value {
        Value::Null => Ok(&[]),
        Value::Map(_)
            if source
                .get(root.place.bytes.start..)
                .is_some_and(|rest| rest.starts_with('{')) =>
        {
            Err(form(
                root,
                "the file is one '{ }'; write its keys on lines of their own",
            ))
        }
        Value::Map(entries) => Ok(entries),
        other => Err(form(
            root,
            &format!(
                "expected a mapping of job names to jobs, found {}",
                other.describe()
            ),
        )),
    }
}

/// Of two keys of one name, one would be edited and the other left; and the file has an error as it is.
fn refuse_double<'n>(entries: impl IntoIterator<Item = &'n Entry>) -> Result<(), EditError> {
    let mut seen = BTreeMap::new();
    for Entry { key, key_place, .. } in entries {
        if let Some(first) = seen.insert(key, key_place) {
            return Err(EditError::Invalid {
                line: key_place.line,
                column: key_place.column,
                message: duplicate_message(key, first),
            });
        }
    }
    Ok(())
}

fn parse(text: &str) -> Result<Node, EditError> {
    raw::parse_plain(text).map_err(invalid)
}

/// The same, with what aliases stand for in their places.
fn parse_shared(text: &str) -> Result<Node, EditError> {
    raw::parse(text).map_err(invalid)
}

fn invalid(error: SyntaxError) -> EditError {
    EditError::Invalid {
        line: error.place.line,
        column: error.place.column,
        message: error.message,
    }
}

fn form(node: &Node, message: &str) -> EditError {
    EditError::Form {
        line: node.place.line,
        message: message.to_owned(),
    }
}

/// Reads the edited text: the key says what was wanted, all other keys say what they said.
fn verify(before: &Node, text: &str, wanted: &Maintenance) -> Result<(), EditError> {
    let after = parse(text)?;
    let others = |root: &Node| -> Vec<String> {
        match &root.value {
            Value::Map(entries) => entries
                .iter()
                .filter(|entry| entry.key != MAINTENANCE)
                .map(meaning)
                .collect(),
            _ => Vec::new(),
        }
    };
    if read_maintenance(&after) == Some(normal(wanted)) && others(before) == others(&after) {
        return Ok(());
    }
    Err(form(
        before,
        &format!(
            "{MAINTENANCE} is written in a way that cannot be edited without loss; write its keys on lines of their own"
        ),
    ))
}

/// A key and its value without places.
fn meaning(entry: &Entry) -> String {
    fn show(node: &Node) -> String {
        match &node.value {
            Value::Null => "~".to_owned(),
            Value::Scalar(scalar) => format!("{scalar:?}"),
            Value::List(items) => format!("{:?}", items.iter().map(show).collect::<Vec<_>>()),
            Value::Map(entries) => format!("{:?}", entries.iter().map(meaning).collect::<Vec<_>>()),
        }
    }
    format!("{:?}={}", entry.key, show(&entry.value))
}

fn read_maintenance(root: &Node) -> Option<Maintenance> {
    let Value::Map(entries) = &root.value else {
        return None;
    };
    let entry = entries.iter().find(|entry| entry.key == MAINTENANCE)?;
    let mut state = Maintenance::default();
    let mut reader = Reader::new(Arc::from(""), None);
    let Value::Map(keys) = &entry.value.value else {
        return None;
    };
    for Entry { key, value, .. } in keys {
        if let Some(known) = MAINTENANCE_KEYS.iter().find(|known| known.info.name == key)
            && value.value != Value::Null
        {
            (known.read)(&mut state, value, &mut reader);
        }
    }
    (reader.error_count() == 0).then_some(state)
}
