//! `secrets` of a job: where values are read that the file itself never has. No message here repeats what is written,
//! for what is wrong may be that it is a value.

use crate::config::raw::{Node, Value};
use crate::config::reader::Reader;
use crate::secret::{MAX_SECRETS, SecretSource};
use std::collections::BTreeMap;

const HOW: &str = "write where it is read by this server, {file: /run/secrets/name} or {env: NAME}; the value itself has no place in this file";

/// Reads the mapping of names to sources.
pub(super) fn read_secrets(node: &Node, reader: &mut Reader) -> BTreeMap<String, SecretSource> {
    let mut secrets = BTreeMap::new();
    let Value::Map(entries) = &node.value else {
        reader.error(
            &node.place,
            format!("secrets: expected a mapping of names to sources; for each name {HOW}"),
        );
        return secrets;
    };
    if entries.len() > MAX_SECRETS {
        reader.error(
            &node.place,
            format!(
                "secrets: {} are more than {MAX_SECRETS}, which is the most",
                entries.len()
            ),
        );
    }
    for entry in entries {
        if !is_variable(&entry.key) {
            reader.error(
                &entry.key_place,
                "secrets: a name here cannot be that of a variable: letters, digits and '_' make one, and no digit comes first",
            );
        } else if let Some(source) =
            read_source(&format!("secrets: {}", entry.key), &entry.value, reader)
        {
            secrets.insert(entry.key.clone(), source);
        }
    }
    secrets
}

/// Where the secret `what` is read.
pub(super) fn read_source(what: &str, node: &Node, reader: &mut Reader) -> Option<SecretSource> {
    let part = match &node.value {
        Value::Map(parts) => match parts.as_slice() {
            [part] if matches!(part.key.as_str(), "file" | "env") => Some(part),
            _ => None,
        },
        _ => None,
    };
    let Some(part) = part else {
        reader.error(&node.place, format!("{what}: {HOW}"));
        return None;
    };
    let text = reader.word(&part.value)?;
    if part.key == "file" {
        if !text.starts_with('/') {
            reader.error(
                &part.value.place,
                format!("{what}: the file needs its whole path, from '/' on"),
            );
            return None;
        }
        return Some(SecretSource::File(text));
    }
    if !is_variable(&text) {
        reader.error(
            &part.value.place,
            format!("{what}: env needs the name of a variable of this server"),
        );
        return None;
    }
    Some(SecretSource::Env(text))
}

/// Whether shells take it for the name of a variable.
fn is_variable(name: &str) -> bool {
    let mut bytes = name.bytes();
    let begins = bytes
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    begins && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
