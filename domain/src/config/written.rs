//! A job as it is written, for whoever is shown it.

use super::keys::JOB_KEYS;
use super::raw::{Entry, Node, Value};
use crate::secret::MASK;

/// The entries of a mapping that have a value.
pub(super) fn written(entry: &Entry) -> impl Iterator<Item = &Entry> {
    let entries = match &entry.value.value {
        Value::Map(entries) => entries.as_slice(),
        _ => &[],
    };
    entries
        .iter()
        .filter(|entry| entry.value.value != Value::Null)
}

/// The job's keys and values as text; the values of `env` are masked, and so is what may be a misspelt `env`.
pub(super) fn as_written(entry: &Entry) -> Vec<(String, String)> {
    written(entry)
        .map(|entry| {
            let known = JOB_KEYS.iter().any(|key| key.info.name == entry.key);
            let text = match &entry.value.value {
                Value::Map(_) if entry.key == "env" || !known => masked_env(&entry.value),
                _ => plain_text(&entry.value),
            };
            (entry.key.clone(), text)
        })
        .collect()
}

fn masked_env(node: &Node) -> String {
    match &node.value {
        Value::Map(entries) => entries
            .iter()
            .map(|entry| format!("{}={MASK}", entry.key))
            .collect::<Vec<_>>()
            .join(" "),
        _ => MASK.to_owned(),
    }
}

fn plain_text(node: &Node) -> String {
    match &node.value {
        Value::Null => String::new(),
        Value::Scalar(scalar) => scalar.text.clone(),
        Value::List(items) => items.iter().map(plain_text).collect::<Vec<_>>().join(", "),
        Value::Map(entries) => {
            let pairs = entries
                .iter()
                .map(|entry| format!("{}: {}", entry.key, plain_text(&entry.value)));
            pairs.collect::<Vec<_>>().join(", ")
        }
    }
}
