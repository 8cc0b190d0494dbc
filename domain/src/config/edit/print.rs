//! The maintenance state as YAML.

use crate::maintenance::Maintenance;
use chrono::{DateTime, SecondsFormat, Utc};
use saltpeter_protocol::UnixMillis;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Times as precise as they are written.
pub(super) fn normal(state: &Maintenance) -> Maintenance {
    let whole =
        |time: Option<UnixMillis>| time.map(|time| UnixMillis::from_seconds(time.seconds()));
    let text = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    Maintenance {
        since: whole(state.since),
        until: whole(state.until),
        reason: text(&state.reason),
        by: text(&state.by),
        ..state.clone()
    }
}

/// The keys with a single value, in the order in which they are written; `None` for those that are absent.
pub(super) fn scalars(wanted: &Maintenance) -> [(&'static str, Option<String>); 5] {
    let time = |at: UnixMillis| {
        let utc = DateTime::<Utc>::from_timestamp(at.seconds(), 0).unwrap_or_default();
        quote(&utc.to_rfc3339_opts(SecondsFormat::Secs, true))
    };
    let wanted = normal(wanted);
    [
        ("global", Some(wanted.global.to_string())),
        ("reason", wanted.reason.as_deref().map(quote)),
        ("by", wanted.by.as_deref().map(quote)),
        ("since", wanted.since.map(time)),
        ("until", wanted.until.map(time)),
    ]
}

/// `text` as a YAML scalar that is text to every reader.
pub(crate) fn quote(text: &str) -> String {
    let first_is_letter = text.starts_with(|c: char| c.is_ascii_alphabetic());
    let is_plain = text
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    let is_word = matches!(
        text.to_ascii_lowercase().as_str(),
        "true" | "false" | "yes" | "no" | "on" | "off" | "null" | "y" | "n"
    );
    if first_is_letter && is_plain && !is_word {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for sign in text.chars() {
        match sign {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            // Line and paragraph separators end a line in YAML.
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                // Writing into a String cannot fail.
                let _ = write!(quoted, "\\U{:08x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

pub(super) fn unquoted(text: &str) -> String {
    match text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
    {
        Some(inner) if !inner.contains('\\') => inner.to_owned(),
        _ => text.to_owned(),
    }
}

/// The lists, in the order in which they are written, with the texts of their items.
pub(super) fn lists(wanted: &Maintenance) -> [(&'static str, BTreeSet<String>); 2] {
    let machines = wanted.machines.iter();
    [
        ("groups", wanted.groups.clone()),
        ("machines", machines.map(ToString::to_string).collect()),
    ]
}

/// Whether a list that is not there has to be written although it is empty.
fn is_always_written(name: &str) -> bool {
    name == "machines"
}

pub(super) fn block(wanted: &Maintenance, indent: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, text) in scalars(wanted) {
        lines.extend(text.map(|text| format!("{indent}{name}: {text}")));
        if name == "global" {
            for (name, items) in lists(wanted) {
                if !items.is_empty() {
                    lines.push(format!("{indent}{name}:"));
                    let items = items
                        .iter()
                        .map(|item| format!("{indent}  - {}", quote(item)));
                    lines.extend(items);
                } else if is_always_written(name) {
                    lines.push(format!("{indent}{name}: []"));
                }
            }
        }
    }
    lines
}

/// The line of a list that is not there yet; none for one that need not be.
pub(super) fn list_line(name: &str, items: &BTreeSet<String>, indent: &str) -> Option<String> {
    (!items.is_empty() || is_always_written(name))
        .then(|| format!("{indent}{name}: {}", flow_list(items)))
}

pub(super) fn flow_list(items: &BTreeSet<String>) -> String {
    let items: Vec<String> = items.iter().map(|item| quote(item)).collect();
    format!("[{}]", items.join(", "))
}
