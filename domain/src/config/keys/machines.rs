//! The value of `local_machines`: names, with or without grains.

use crate::config::raw::{Node, Scalar, ScalarKind, Value};
use crate::config::reader::Reader;
use crate::config::settings::{Grains, Settings};
use saltpeter_protocol::MachineId;
use std::collections::BTreeMap;

pub(super) fn show_machines(settings: &Settings) -> String {
    if settings.local_machines.values().all(Grains::is_empty) {
        let names: Vec<&str> = settings
            .local_machines
            .keys()
            .map(MachineId::as_str)
            .collect();
        return names.join(", ");
    }
    serde_json::to_string(&settings.local_machines).unwrap_or_default()
}

pub(super) fn read_machines(settings: &mut Settings, node: &Node, reader: &mut Reader) {
    const WHAT: &str = "a list of names or a mapping of names to grains";
    let mut machines = BTreeMap::new();
    let mut add = |name: &str, place, grains, reader: &mut Reader| match MachineId::new(name) {
        Err(error) => reader.error(place, format!("local_machines: {error}")),
        Ok(id) => {
            if machines.insert(id, grains).is_some() {
                reader.error(place, format!("local_machines: {name:?} is there twice"));
            }
        }
    };
    match &node.value {
        Value::Map(entries) => {
            for entry in entries {
                match &entry.value.value {
                    Value::Null => add(&entry.key, &entry.key_place, Grains::new(), reader),
                    Value::Map(grains) => {
                        let grains = grains
                            .iter()
                            .map(|grain| (grain.key.clone(), to_json(&grain.value)));
                        add(&entry.key, &entry.key_place, grains.collect(), reader);
                    }
                    _ => reader.expected(&entry.value, "a mapping of grains"),
                }
            }
        }
        _ => {
            for (name, place) in reader.texts(node, WHAT).unwrap_or_default() {
                add(&name, place, Grains::new(), reader);
            }
        }
    }
    settings.local_machines = machines;
}

fn to_json(node: &Node) -> serde_json::Value {
    match &node.value {
        Value::Null => serde_json::Value::Null,
        Value::List(items) => items.iter().map(to_json).collect(),
        Value::Map(entries) => serde_json::Value::Object(
            entries
                .iter()
                .map(|entry| (entry.key.clone(), to_json(&entry.value)))
                .collect(),
        ),
        Value::Scalar(Scalar { text, kind }) => match kind {
            ScalarKind::Bool(value) => (*value).into(),
            // `22.04` is a version more often than a number: the text is kept where JSON would change it.
            ScalarKind::Number => match serde_json::from_str::<serde_json::Number>(text) {
                Ok(number) if number.to_string() == *text => number.into(),
                _ => text.as_str().into(),
            },
            ScalarKind::Text => text.as_str().into(),
        },
    }
}
