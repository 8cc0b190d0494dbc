//! The keys of `saltpeter_maintenance`.

use super::Effect::AtOnce;
use super::{Key, key};
use crate::config::raw::{Node, Value};
use crate::config::reader::Reader;
use crate::maintenance::Maintenance;
use chrono::DateTime;
use saltpeter_protocol::{MachineId, UnixMillis};

pub(crate) const MAINTENANCE_KEYS: &[Key<Maintenance>] = &[
    key(
        "global",
        "bool",
        "`false`",
        AtOnce,
        "Nothing new starts; running jobs finish. Run now is refused.",
        |state, node, reader| {
            state.global = reader.bool(node).unwrap_or_default();
        },
    ),
    key(
        "groups",
        "list of names",
        "none",
        AtOnce,
        "Groups whose jobs do not start; running ones finish. Run now of them is refused.",
        |state, node, reader| {
            read_groups(state, node, reader);
        },
    ),
    key(
        "machines",
        "list of names",
        "none",
        AtOnce,
        "Machines that are taken out of every job's targets.",
        |state, node, reader| {
            read_machines(state, node, reader);
        },
    ),
    key(
        "reason",
        "string",
        "",
        AtOnce,
        "Why, for those who read the banner.",
        |state, node, reader| {
            state.reason = reader.text(node);
        },
    ),
    key(
        "by",
        "string",
        "",
        AtOnce,
        "Who switched it on.",
        |state, node, reader| {
            state.by = reader.text(node);
        },
    ),
    key(
        "since",
        "RFC 3339 time",
        "",
        AtOnce,
        "Since when.",
        |state, node, reader| {
            state.since = read_time(node, reader);
        },
    ),
    key(
        "until",
        "RFC 3339 time",
        "",
        AtOnce,
        "When all of it ends by itself.",
        |state, node, reader| {
            state.until = read_time(node, reader);
        },
    ),
];

fn read_groups(state: &mut Maintenance, node: &Node, reader: &mut Reader) {
    state.groups.clear();
    if node.value == Value::Null {
        return;
    }
    for (name, place) in reader
        .texts(node, "a list of names of groups")
        .unwrap_or_default()
    {
        if name.trim().is_empty() {
            reader.error(place, "groups: a name is empty".to_owned());
        } else {
            state.groups.insert(name.trim().to_owned());
        }
    }
}

fn read_machines(state: &mut Maintenance, node: &Node, reader: &mut Reader) {
    state.machines.clear();
    if node.value == Value::Null {
        return;
    }
    for (name, place) in reader
        .texts(node, "a list of machine names")
        .unwrap_or_default()
    {
        match MachineId::new(name) {
            Ok(id) => {
                state.machines.insert(id);
            }
            Err(error) => reader.error(place, format!("machines: {error}")),
        }
    }
}

fn read_time(node: &Node, reader: &mut Reader) -> Option<UnixMillis> {
    let text = reader.word(node)?;
    let time = DateTime::parse_from_rfc3339(&text).ok();
    if time.is_none() {
        reader.expected(
            node,
            "a time with its offset, such as 2026-03-29T02:30:00+01:00",
        );
    }
    time.map(|time| UnixMillis(time.timestamp_millis()))
}
