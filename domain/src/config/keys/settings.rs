//! The keys of `saltpeter_config`.

use super::Effect::{AtOnce, Restart};
use super::job::{LOG_LEVELS, read_zone};
use super::{Effect, Key, key, salt, tls};
use crate::config::raw::{Node, Scalar, ScalarKind, Value};
use crate::config::reader::Reader;
use crate::config::settings::{Executor, Grains, MIB, Settings};
use crate::config::sinks::{check_index, cluster_url};
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
pub(super) fn set<T>(slot: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *slot = value;
    }
}

pub(super) const fn setting(
    name: &'static str,
    kind: &'static str,
    default: &'static str,
    effect: Effect,
    meaning: &'static str,
    read: fn(&mut Settings, &Node, &mut Reader),
    show: fn(&Settings) -> String,
) -> Key<Settings> {
    let plain = key(name, kind, default, effect, meaning, read);
    Key {
        info: plain.info,
        read: plain.read,
        show: Some(show),
    }
}

fn show_machines(settings: &Settings) -> String {
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

fn show_url(url: Option<&Secret>) -> String {
    url.map_or("", Secret::expose).to_owned()
}

pub(crate) const SETTINGS_KEYS: &[Key<Settings>] = &[
    setting(
        "logdir",
        "string",
        "`/var/log/saltpeter`",
        Restart,
        "Directory of the per-job text log files.",
        |settings, node, reader| {
            set(&mut settings.logdir, reader.word(node));
        },
        |settings| settings.logdir.clone(),
    ),
    setting(
        "debug",
        "bool",
        "`false`",
        Restart,
        "Whether the server logs in detail.",
        |settings, node, reader| {
            set(&mut settings.debug, reader.bool(node));
        },
        |settings| settings.debug.to_string(),
    ),
    setting(
        "data_dir",
        "string",
        "chosen by the server",
        Restart,
        "Directory of the database and of the output logs.",
        |settings, node, reader| {
            settings.data_dir = reader.word(node);
        },
        |settings| settings.data_dir.clone().unwrap_or_default(),
    ),
    setting(
        "timezone",
        "IANA name",
        "the server's zone",
        AtOnce,
        "The zone of schedules that name none.",
        |settings, node, reader| {
            settings.timezone = read_zone(node, reader);
        },
        |settings| {
            settings
                .timezone
                .map_or(String::new(), |zone| zone.name().to_owned())
        },
    ),
    setting(
        "executor",
        "`auto`, `local`, `salt-cli`, `salt-api`",
        "`auto`",
        Restart,
        "Who starts commands on machines. `auto` is `salt-api` where `salt_api_url` is set, else `salt-cli` where this host has a Salt master's configuration and the `salt` command, else `local`.",
        |settings, node, reader| {
            set(&mut settings.executor, reader.choice(node, &EXECUTORS));
        },
        |settings| settings.executor.as_str().to_owned(),
    ),
    salt::API_URL,
    salt::API_USER,
    salt::API_EAUTH,
    salt::API_PASSWORD_FILE,
    salt::API_CA,
    salt::CONFIG_DIR,
    salt::COMMAND,
    setting(
        "local_machines",
        "list of names, or mapping of names to grains",
        "none",
        AtOnce,
        "The machines of the local executor, each a wrapper process on this host.",
        |settings, node, reader| {
            read_machines(settings, node, reader);
        },
        show_machines,
    ),
    setting(
        "api_ws",
        "bool",
        "`true`",
        Restart,
        "Whether the API and the dashboard are served.",
        |settings, node, reader| {
            set(&mut settings.api_ws, reader.bool(node));
        },
        |settings| settings.api_ws.to_string(),
    ),
    setting(
        "api_ws_port",
        "port",
        "`8888`",
        Restart,
        "Port of the API and the dashboard.",
        |settings, node, reader| {
            set(&mut settings.api_ws_port, reader.port(node));
        },
        |settings| settings.api_ws_port.to_string(),
    ),
    setting(
        "api_ws_bind_addr",
        "IP address",
        "`127.0.0.1`",
        Restart,
        "Address that the API and the dashboard listen on.",
        |settings, node, reader| {
            set(&mut settings.api_ws_bind_addr, read_address(node, reader));
        },
        |settings| settings.api_ws_bind_addr.to_string(),
    ),
    setting(
        "machines_ws_port",
        "port",
        "`8889`",
        Restart,
        "Port that wrappers connect to.",
        |settings, node, reader| {
            set(&mut settings.machines_ws_port, reader.port(node));
        },
        |settings| settings.machines_ws_port.to_string(),
    ),
    setting(
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
        |settings| settings.machines_ws_bind_addr.to_string(),
    ),
    tls::PLAINTEXT,
    tls::CERT,
    tls::KEY,
    setting(
        "advertised_machines_port",
        "port",
        "`machines_ws_port`",
        AtOnce,
        "Port under which wrappers find this server, where a forwarded port or a proxy stands in between.",
        |settings, node, reader| {
            settings.advertised_machines_port = reader.port(node);
        },
        |settings| {
            settings
                .advertised_machines_port
                .map_or(String::new(), |port| port.to_string())
        },
    ),
    setting(
        "default_saltpeter_server_host",
        "string",
        "this host's name",
        AtOnce,
        "The host name under which wrappers find this server.",
        |settings, node, reader| {
            settings.default_server_host = reader.word(node);
        },
        |settings| settings.default_server_host.clone().unwrap_or_default(),
    ),
    setting(
        "default_wrapper_path",
        "string",
        "`/usr/local/bin/saltpeter-wrapper`",
        AtOnce,
        "The path of the wrapper on the machines.",
        |settings, node, reader| {
            set(&mut settings.default_wrapper_path, reader.word(node));
        },
        |settings| settings.default_wrapper_path.clone(),
    ),
    setting(
        "distribute_wrapper",
        "bool",
        "`true`",
        AtOnce,
        "Whether the Salt executors bring the server's wrapper to `default_wrapper_path` on machines that lack it or have another. A job's own `wrapper_path` is never written to.",
        |settings, node, reader| {
            set(&mut settings.distribute_wrapper, reader.bool(node));
        },
        |settings| settings.distribute_wrapper.to_string(),
    ),
    setting(
        "wrappers_dir",
        "string",
        "the wrapper beside the server",
        Restart,
        "Directory of the wrappers that machines are given, as `<kernel>-<cpuarch>/saltpeter-wrapper` in the words of Salt's grains and lower case: `linux-x86_64`, `linux-aarch64`.",
        |settings, node, reader| {
            settings.wrappers_dir = reader.word(node);
        },
        |settings| settings.wrappers_dir.clone().unwrap_or_default(),
    ),
    setting(
        "salt_file_root",
        "string",
        "none",
        Restart,
        "A directory of Salt's `file_roots`, such as `/srv/salt`, that this server may write to: wrappers are offered in `saltpeter/` there. Without it they are handed over in Salt's calls, which is slower.",
        |settings, node, reader| {
            settings.salt_file_root = reader.word(node);
        },
        |settings| settings.salt_file_root.clone().unwrap_or_default(),
    ),
    setting(
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
        |settings| settings.default_wrapper_loglevel.as_str().to_owned(),
    ),
    setting(
        "default_wrapper_logdir",
        "string",
        "`/var/log/sp_wrapper`",
        AtOnce,
        "Where wrappers log.",
        |settings, node, reader| {
            set(&mut settings.default_wrapper_logdir, reader.word(node));
        },
        |settings| settings.default_wrapper_logdir.clone(),
    ),
    setting(
        "reconnect_grace",
        "seconds",
        "`600`",
        AtOnce,
        "How long a wrapper that was lost may stay away before its machine ends with 253.",
        |settings, node, reader| {
            set(&mut settings.reconnect_grace, reader.seconds(node));
        },
        |settings| settings.reconnect_grace.as_secs().to_string(),
    ),
    setting(
        "start_window",
        "seconds",
        "`60`",
        AtOnce,
        "How late a start may be; a fire that could not be seen to by then is a missed run.",
        |settings, node, reader| {
            set(&mut settings.start_window, reader.seconds(node));
        },
        |settings| settings.start_window.as_secs().to_string(),
    ),
    setting(
        "run_now_confirm_above",
        "int",
        "`20`",
        AtOnce,
        "The dashboard asks before it runs a job on more machines than this.",
        |settings, node, reader| {
            set(&mut settings.run_now_confirm_above, reader.count(node));
        },
        |settings| settings.run_now_confirm_above.to_string(),
    ),
    setting(
        "elasticsearch",
        "URL",
        "none",
        Restart,
        "Address of the Elasticsearch server that gets a document for each event.",
        |settings, node, reader| {
            settings.elasticsearch = read_url(node, reader);
        },
        |settings| show_url(settings.elasticsearch.as_ref()),
    ),
    setting(
        "elasticsearch_index",
        "string",
        "`saltpeter`",
        Restart,
        "Prefix of its indices, which are named `<prefix>-YYYY.MM.DD`.",
        |settings, node, reader| {
            set(&mut settings.elasticsearch_index, read_index(node, reader));
        },
        |settings| settings.elasticsearch_index.clone(),
    ),
    setting(
        "elasticsearch_api_key_file",
        "string",
        "none",
        Restart,
        "A file with an API key (base64, as Elasticsearch hands it out), used in place of a password in the address.",
        |settings, node, reader| {
            settings.elasticsearch_access.api_key_file = reader.word(node);
        },
        |settings| show_file(settings.elasticsearch_access.api_key_file.as_ref()),
    ),
    setting(
        "elasticsearch_ca",
        "string",
        "the host's authorities",
        Restart,
        "A PEM file of the authority that signed its certificate.",
        |settings, node, reader| {
            settings.elasticsearch_access.ca = reader.word(node);
        },
        |settings| show_file(settings.elasticsearch_access.ca.as_ref()),
    ),
    setting(
        "elasticsearch_template",
        "bool",
        "`false`",
        Restart,
        "Whether the index template `<prefix>` is created there when there is none of that name.",
        |settings, node, reader| {
            set(
                &mut settings.elasticsearch_access.template,
                reader.bool(node),
            );
        },
        |settings| settings.elasticsearch_access.template.to_string(),
    ),
    setting(
        "opensearch",
        "URL",
        "none",
        Restart,
        "Address of the OpenSearch server that gets a document for each event.",
        |settings, node, reader| {
            settings.opensearch = read_url(node, reader);
        },
        |settings| show_url(settings.opensearch.as_ref()),
    ),
    setting(
        "opensearch_index",
        "string",
        "`saltpeter`",
        Restart,
        "Prefix of its indices, which are named `<prefix>-YYYY.MM.DD`.",
        |settings, node, reader| {
            set(&mut settings.opensearch_index, read_index(node, reader));
        },
        |settings| settings.opensearch_index.clone(),
    ),
    setting(
        "opensearch_ca",
        "string",
        "the host's authorities",
        Restart,
        "A PEM file of the authority that signed its certificate.",
        |settings, node, reader| {
            settings.opensearch_access.ca = reader.word(node);
        },
        |settings| show_file(settings.opensearch_access.ca.as_ref()),
    ),
    setting(
        "opensearch_template",
        "bool",
        "`false`",
        Restart,
        "Whether the index template `<prefix>` is created there when there is none of that name.",
        |settings, node, reader| {
            set(&mut settings.opensearch_access.template, reader.bool(node));
        },
        |settings| settings.opensearch_access.template.to_string(),
    ),
    setting(
        "documents_spool",
        "MiB",
        "`256`",
        Restart,
        "How much may wait on disk for a cluster that is away. What comes then is dropped, counted and shown.",
        |settings, node, reader| {
            set(
                &mut settings.documents_spool,
                reader.count(node).map(|mib| u64::from(mib) * MIB),
            );
        },
        |settings| (settings.documents_spool / MIB).to_string(),
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

pub(super) fn read_url(node: &Node, reader: &mut Reader) -> Option<Secret> {
    // Not `expected`: the address may have a password in it, and messages are shown to everybody.
    let text = reader.text(node)?;
    // The way the earlier implementation has of writing: none.
    if text.trim().is_empty() {
        return None;
    }
    cluster_url(&text)
        .map(Secret::new)
        .map_err(|problem| reader.error(&node.place, problem))
        .ok()
}

fn read_index(node: &Node, reader: &mut Reader) -> Option<String> {
    let prefix = reader.word(node)?;
    check_index(&prefix)
        .map_err(|problem| reader.error(&node.place, problem))
        .is_ok()
        .then_some(prefix)
}

fn show_file(path: Option<&String>) -> String {
    path.cloned().unwrap_or_default()
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
