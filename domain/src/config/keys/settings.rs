//! The keys of `saltpeter_config`.

use super::Effect::{AtOnce, Restart};
use super::job::{LOG_LEVELS, read_zone};
use super::{Key, key};
use crate::config::raw::{Node, Scalar, ScalarKind, Value};
use crate::config::reader::Reader;
use crate::config::settings::{Executor, Grains, Settings};
use crate::secret::Secret;
use saltpeter_protocol::MachineId;
use std::net::IpAddr;

const EXECUTORS: [(&str, Executor); 4] = [
    ("auto", Executor::Auto),
    ("local", Executor::Local),
    ("salt-cli", Executor::SaltCli),
    ("salt-api", Executor::SaltApi),
];

/// Puts a value that was read well into its place.
fn set<T>(slot: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *slot = value;
    }
}

pub(crate) const SETTINGS_KEYS: &[Key<Settings>] = &[
    key(
        "logdir",
        "string",
        "`/var/log/saltpeter`",
        Restart,
        "Directory of the per-job text log files.",
        |settings, node, reader| {
            set(&mut settings.logdir, reader.word(node));
        },
    ),
    key(
        "debug",
        "bool",
        "`false`",
        Restart,
        "Whether the server logs in detail.",
        |settings, node, reader| {
            set(&mut settings.debug, reader.bool(node));
        },
    ),
    key(
        "data_dir",
        "string",
        "chosen by the server",
        Restart,
        "Directory of the database and of the output logs.",
        |settings, node, reader| {
            settings.data_dir = reader.word(node);
        },
    ),
    key(
        "timezone",
        "IANA name",
        "the server's zone",
        AtOnce,
        "The zone of schedules that name none.",
        |settings, node, reader| {
            settings.timezone = read_zone(node, reader);
        },
    ),
    key(
        "executor",
        "`auto`, `local`, `salt-cli`, `salt-api`",
        "`auto`",
        Restart,
        "Who starts commands on machines. `auto` is `local` where `local_machines` is set.",
        |settings, node, reader| {
            set(&mut settings.executor, reader.choice(node, &EXECUTORS));
        },
    ),
    key(
        "local_machines",
        "list of names, or mapping of names to grains",
        "none",
        AtOnce,
        "The machines of the local executor, each a wrapper process on this host.",
        |settings, node, reader| {
            read_machines(settings, node, reader);
        },
    ),
    key(
        "api_ws",
        "bool",
        "`true`",
        Restart,
        "Whether the API and the dashboard are served.",
        |settings, node, reader| {
            set(&mut settings.api_ws, reader.bool(node));
        },
    ),
    key(
        "api_ws_port",
        "port",
        "`8888`",
        Restart,
        "Port of the API and the dashboard.",
        |settings, node, reader| {
            set(&mut settings.api_ws_port, reader.port(node));
        },
    ),
    key(
        "api_ws_bind_addr",
        "IP address",
        "`127.0.0.1`",
        Restart,
        "Address that the API and the dashboard listen on.",
        |settings, node, reader| {
            set(&mut settings.api_ws_bind_addr, read_address(node, reader));
        },
    ),
    key(
        "machines_ws_port",
        "port",
        "`8889`",
        Restart,
        "Port that wrappers connect to.",
        |settings, node, reader| {
            set(&mut settings.machines_ws_port, reader.port(node));
        },
    ),
    key(
        "machines_ws_bind_addr",
        "IP address",
        "`0.0.0.0`",
        Restart,
        "Address that the wrappers' port listens on.",
        |settings, node, reader| {
            set(
                &mut settings.machines_ws_bind_addr,
                read_address(node, reader),
            );
        },
    ),
    key(
        "default_saltpeter_server_host",
        "string",
        "this host's name",
        AtOnce,
        "The host name under which wrappers find this server.",
        |settings, node, reader| {
            settings.default_server_host = reader.word(node);
        },
    ),
    key(
        "default_wrapper_path",
        "string",
        "`/usr/local/bin/saltpeter-wrapper`",
        AtOnce,
        "The path of the wrapper on the machines.",
        |settings, node, reader| {
            set(&mut settings.default_wrapper_path, reader.word(node));
        },
    ),
    key(
        "default_wrapper_loglevel",
        "`normal`, `debug`, `off`",
        "`normal`",
        AtOnce,
        "What wrappers log.",
        |settings, node, reader| {
            set(
                &mut settings.default_wrapper_loglevel,
                reader.choice(node, &LOG_LEVELS),
            );
        },
    ),
    key(
        "default_wrapper_logdir",
        "string",
        "`/var/log/sp_wrapper`",
        AtOnce,
        "Where wrappers log.",
        |settings, node, reader| {
            set(&mut settings.default_wrapper_logdir, reader.word(node));
        },
    ),
    key(
        "reconnect_grace",
        "seconds",
        "`600`",
        AtOnce,
        "How long a wrapper that was lost may stay away before its machine ends with 253.",
        |settings, node, reader| {
            set(&mut settings.reconnect_grace, reader.seconds(node));
        },
    ),
    key(
        "start_window",
        "seconds",
        "`60`",
        AtOnce,
        "How late a start may be; a fire that could not be seen to by then is a missed run.",
        |settings, node, reader| {
            set(&mut settings.start_window, reader.seconds(node));
        },
    ),
    key(
        "run_now_confirm_above",
        "int",
        "`20`",
        AtOnce,
        "The dashboard asks before it runs a job on more machines than this.",
        |settings, node, reader| {
            set(&mut settings.run_now_confirm_above, reader.count(node));
        },
    ),
    key(
        "elasticsearch",
        "URL",
        "none",
        Restart,
        "Address of the Elasticsearch server that gets a document for each event.",
        |settings, node, reader| {
            settings.elasticsearch = read_url(node, reader);
        },
    ),
    key(
        "elasticsearch_index",
        "string",
        "`saltpeter`",
        Restart,
        "Prefix of its indices, which are named `<prefix>-YYYY.MM.DD`.",
        |settings, node, reader| {
            set(&mut settings.elasticsearch_index, reader.word(node));
        },
    ),
    key(
        "opensearch",
        "URL",
        "none",
        Restart,
        "Address of the OpenSearch server that gets a document for each event.",
        |settings, node, reader| {
            settings.opensearch = read_url(node, reader);
        },
    ),
    key(
        "opensearch_index",
        "string",
        "`saltpeter`",
        Restart,
        "Prefix of its indices, which are named `<prefix>-YYYY.MM.DD`.",
        |settings, node, reader| {
            set(&mut settings.opensearch_index, reader.word(node));
        },
    ),
];

fn read_address(node: &Node, reader: &mut Reader) -> Option<IpAddr> {
    let text = reader.word(node)?;
    if text == "localhost" {
        return Some(IpAddr::from([127, 0, 0, 1]));
    }
    let address = text.parse().ok();
    if address.is_none() {
        reader.expected(node, "an IP address, such as 127.0.0.1 or ::");
    }
    address
}

fn read_url(node: &Node, reader: &mut Reader) -> Option<Secret> {
    // Not `expected`: the address may have a password in it, and messages are shown to everybody.
    let text = reader.word(node)?;
    if text.starts_with("http://") || text.starts_with("https://") {
        Some(Secret::new(text))
    } else {
        reader.error(
            &node.place,
            "expected an address that begins with http:// or https://",
        );
        None
    }
}

fn read_machines(settings: &mut Settings, node: &Node, reader: &mut Reader) {
    const WHAT: &str = "a list of names or a mapping of names to grains";
    let mut machines = std::collections::BTreeMap::new();
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
