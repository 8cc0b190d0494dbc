//! From the tree of a file to its jobs and special keys, with all problems.

use super::assemble::assemble;
use super::keys::{self, JOB_KEYS, JobDraft, Key, MAINTENANCE_KEYS, SETTINGS_KEYS};
use super::nearest::nearest;
use super::raw::{Entry, Node, Place, Value};
use super::reader::Reader;
use super::settings::Settings;
use super::{InvalidJob, Problem, Severity};
use crate::job::{Job, SourceRef};
use crate::maintenance::Maintenance;
use chrono_tz::Tz;
use saltpeter_protocol::{JobName, UnixMillis};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The values that a file gives to the keys of a special key, in their order: index into the key's table, and value.
pub(crate) type SpecialValues = Vec<(usize, Node)>;

/// What one version of a file says.
#[derive(Debug, Default)]
pub(crate) struct FileContent {
    pub(crate) jobs: BTreeMap<JobName, Arc<Job>>,
    pub(crate) invalid: Vec<InvalidJob>,
    pub(crate) settings: SpecialValues,
    pub(crate) maintenance: SpecialValues,
    pub(crate) problems: Vec<Problem>,
}

/// What surrounds a file.
#[derive(Debug, Clone)]
pub(crate) struct FileContext {
    pub(crate) file: Arc<str>,
    pub(crate) group: String,
    pub(crate) now: UnixMillis,
    pub(crate) server_zone: Tz,
}

/// Reads a file's tree. The error says that it is no mapping of jobs at all.
pub(crate) fn read_file(root: &Node, context: &FileContext) -> Result<FileContent, Problem> {
    let entries = match &root.value {
        Value::Null => return Ok(FileContent::default()),
        Value::Map(entries) => entries,
        other => {
            let mut reader = Reader::new(Arc::clone(&context.file), None);
            reader.error(
                &root.place,
                format!(
                    "expected a mapping of job names to jobs, found {}",
                    other.describe()
                ),
            );
            return Err(reader.into_problems().swap_remove(0));
        }
    };
    let mut content = FileContent::default();
    let mut seen: BTreeMap<&str, &Place> = BTreeMap::new();
    for entry in entries {
        if let Some(first) = seen.get(entry.key.as_str()) {
            let mut reader = Reader::new(Arc::clone(&context.file), Some(entry.key.clone()));
            reader.error(&entry.key_place, duplicate_message(&entry.key, first));
            if matches!(entry.key.as_str(), keys::SETTINGS | keys::MAINTENANCE) {
                content.problems.extend(reader.into_problems());
            } else {
                note_invalid(entry, context, reader.into_problems(), &mut content);
            }
            continue;
        }
        seen.insert(&entry.key, &entry.key_place);
        match entry.key.as_str() {
            keys::SETTINGS => {
                let mut settings = Settings::default();
                let values = read_special(
                    entry,
                    SETTINGS_KEYS,
                    &mut settings,
                    context,
                    &mut content.problems,
                );
                content.settings = values;
            }
            keys::MAINTENANCE => {
                let mut state = Maintenance::default();
                let values = read_special(
                    entry,
                    MAINTENANCE_KEYS,
                    &mut state,
                    context,
                    &mut content.problems,
                );
                content.maintenance = values;
            }
            // What others refer to by an alias; no job can have such a name.
            key if key
                .strip_prefix('.')
                .is_some_and(|name| JobName::new(name).is_ok()) => {}
            _ => read_job(entry, context, &mut content),
        }
    }
    Ok(content)
}

/// What is said of a key that is there twice.
pub(super) fn duplicate_message(key: &str, first: &Place) -> String {
    format!("the key {key:?} is already there in line {}", first.line)
}

/// Puts values that were read before into `target` once more, on top of what other files gave it.
pub(crate) fn apply_special<T>(keys: &[Key<T>], values: &SpecialValues, target: &mut T) {
    let mut reader = Reader::new(Arc::from(""), None);
    for (index, node) in values {
        if let Some(key) = keys.get(*index) {
            (key.read)(target, node, &mut reader);
        }
    }
}

/// Reads a special key and returns those of its values that are good.
fn read_special<T>(
    entry: &Entry,
    keys: &[Key<T>],
    target: &mut T,
    context: &FileContext,
    problems: &mut Vec<Problem>,
) -> SpecialValues {
    let mut values = Vec::new();
    read_keys(
        entry,
        keys,
        context,
        None,
        problems,
        |index, node, reader| {
            let before = reader.error_count();
            (keys[index].read)(target, node, reader);
            if reader.error_count() == before {
                values.push((index, node.clone()));
            }
        },
    );
    values
}

/// Unknown keys of one mapping that are noted each; further ones are counted. Aliases make a great many of a few bytes.
const UNKNOWN_KEYS: usize = 20;

/// Walks the keys of a mapping: known ones go to `read`, unknown and double ones are noted. Returns whether it was one.
fn read_keys<T>(
    entry: &Entry,
    keys: &[Key<T>],
    context: &FileContext,
    job: Option<&str>,
    problems: &mut Vec<Problem>,
    mut read: impl FnMut(usize, &Node, &mut Reader),
) -> bool {
    let mut reader = Reader::new(Arc::clone(&context.file), job.map(str::to_owned));
    let entries = match &entry.value.value {
        Value::Map(entries) => entries.as_slice(),
        Value::Null if job.is_none() => &[],
        other => {
            let message = format!(
                "{}: expected a mapping of keys to values, found {}",
                entry.key,
                other.describe()
            );
            let place = if *other == Value::Null {
                &entry.key_place
            } else {
                &entry.value.place
            };
            reader.error(place, message);
            problems.extend(reader.into_problems());
            return false;
        }
    };
    let mut seen: BTreeMap<&str, &Place> = BTreeMap::new();
    let mut unknown = 0;
    for Entry {
        key,
        key_place,
        value,
    } in entries
    {
        if let Some(first) = seen.get(key.as_str()) {
            reader.error(key_place, duplicate_message(key, first));
            continue;
        }
        seen.insert(key, key_place);
        note_duplicates(value, &mut reader);
        match keys.iter().position(|known| known.info.name == key) {
            // A key without a value is as good as absent.
            Some(_) if value.value == Value::Null => {}
            Some(index) => {
                reader.enter(keys[index].info.name);
                read(index, value, &mut reader);
            }
            None if unknown == UNKNOWN_KEYS => {
                reader.warn(key_place, "further unknown keys are ignored");
                unknown += 1;
            }
            None if unknown > UNKNOWN_KEYS => {}
            None => {
                unknown += 1;
                let near = nearest(key, keys.iter().map(|known| known.info.name));
                let hint = near.map_or(String::new(), |near| format!("; did you mean {near:?}?"));
                reader.warn(key_place, format!("unknown key {key:?} is ignored{hint}"));
            }
        }
    }
    problems.extend(reader.into_problems());
    true
}

/// Notes double keys in mappings within a value, such as `env`.
fn note_duplicates(node: &Node, reader: &mut Reader) {
    match &node.value {
        Value::Map(entries) => {
            let mut seen: BTreeMap<&str, &Place> = BTreeMap::new();
            for entry in entries {
                if let Some(first) = seen.insert(&entry.key, &entry.key_place) {
                    reader.error(&entry.key_place, duplicate_message(&entry.key, first));
                }
                note_duplicates(&entry.value, reader);
            }
        }
        Value::List(items) => items.iter().for_each(|item| note_duplicates(item, reader)),
        Value::Null | Value::Scalar(_) => {}
    }
}

fn read_job(entry: &Entry, context: &FileContext, content: &mut FileContent) {
    let mut problems = Vec::new();
    let mut draft = JobDraft::default();
    let name = JobName::new(entry.key.as_str());
    let is_mapping = read_keys(
        entry,
        JOB_KEYS,
        context,
        Some(&entry.key),
        &mut problems,
        |index, node, reader| {
            (JOB_KEYS[index].read)(&mut draft, node, reader);
        },
    );
    let mut reader = Reader::new(Arc::clone(&context.file), Some(entry.key.clone()));
    if let Err(error) = &name {
        reader.error(&entry.key_place, error.to_string());
    }
    let job = if is_mapping {
        assemble(
            draft,
            name.ok(),
            entry,
            source(entry, context),
            context,
            &mut reader,
        )
    } else {
        None
    };
    problems.extend(reader.into_problems());
    problems.sort_by_key(|problem| (problem.line, problem.column));
    let is_good = problems
        .iter()
        .all(|problem| problem.severity != Severity::Error);
    match job {
        Some(job) if is_good => {
            content.jobs.insert(job.name.clone(), Arc::new(job));
            content.problems.extend(problems);
        }
        _ => note_invalid(entry, context, problems, content),
    }
}

fn note_invalid(
    entry: &Entry,
    context: &FileContext,
    problems: Vec<Problem>,
    content: &mut FileContent,
) {
    content.invalid.push(InvalidJob {
        name: entry.key.clone(),
        group: context.group.clone(),
        source: source(entry, context),
        problems: problems
            .iter()
            .filter(|problem| problem.severity == Severity::Error)
            .cloned()
            .collect(),
        last_good_in_force: false,
    });
    content.problems.extend(problems);
}

fn source(entry: &Entry, context: &FileContext) -> SourceRef {
    SourceRef {
        file: Arc::clone(&context.file),
        line: entry.key_place.line,
        column: entry.key_place.column,
    }
}
