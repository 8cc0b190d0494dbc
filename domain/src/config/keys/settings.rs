//! The keys of `saltpeter_config`.

use super::Effect::{AtOnce, Restart};
use super::plain::{flag, optional_word, port, seconds, set, setting, word};
use super::words::{LOG_LEVELS, read_zone};
use super::{Key, documents, machines, oidc, proxy, salt, tls};
use crate::config::raw::Node;
use crate::config::reader::Reader;
use crate::config::settings::{Executor, MIB, Settings};
use std::net::IpAddr;

const EXECUTORS: [(&str, Executor); 4] = [
    ("auto", Executor::Auto),
    ("local", Executor::Local),
    ("salt-cli", Executor::SaltCli),
    ("salt-api", Executor::SaltApi),
];

pub(crate) const SETTINGS_KEYS: &[Key<Settings>] = &[
    word!(
        "logdir",
        "string",
        "`/var/log/saltpeter`",
        Restart,
        "Directory of the per-job text log files.",
        logdir
    ),
    flag!(
        "debug",
        "bool",
        "`false`",
        Restart,
        "Whether the server logs in detail.",
        debug
    ),
    optional_word!(
        "data_dir",
        "string",
        "chosen by the server",
        Restart,
        "Directory of the database and of the output logs.",
        data_dir
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
            machines::read_machines(settings, node, reader);
        },
        machines::show_machines,
    ),
    flag!(
        "api_ws",
        "bool",
        "`true`",
        Restart,
        "Whether the API and the dashboard are served.",
        api_ws
    ),
    port!(
        "api_ws_port",
        "port",
        "`8888`",
        Restart,
        "Port of the API and the dashboard.",
        api_ws_port
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
    tls::API_CERT,
    tls::API_KEY,
    setting(
        "auth_proxy",
        "mapping",
        "none",
        Restart,
        "A reverse proxy that logs people in: `from` is the list of addresses and networks that its requests come from, `header` the header in which it names the user, such as `X-Remote-User`. Only from there is the header believed, and only names that have an account here are let in (`saltpeter user add NAME --no-password`). Of such requests `X-Forwarded-For` is believed too. The proxy has to replace both headers, whatever it is sent.",
        proxy::read_proxy,
        proxy::show_proxy,
    ),
    oidc::PROVIDER,
    port!(
        "machines_ws_port",
        "port",
        "`8889`",
        Restart,
        "Port that wrappers connect to.",
        machines_ws_port
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
        "that of `machines_ws_port`",
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
    optional_word!(
        "default_saltpeter_server_host",
        "string",
        "this host's name",
        AtOnce,
        "The host name under which wrappers find this server.",
        default_server_host
    ),
    word!(
        "default_wrapper_path",
        "string",
        "`/usr/local/bin/saltpeter-wrapper`",
        AtOnce,
        "The path of the wrapper on the machines.",
        default_wrapper_path
    ),
    flag!(
        "distribute_wrapper",
        "bool",
        "`true`",
        AtOnce,
        "Whether the Salt executors bring the server's wrapper to `default_wrapper_path` on machines that lack it or have another. A job's own `wrapper_path` is never written to.",
        distribute_wrapper
    ),
    optional_word!(
        "wrappers_dir",
        "string",
        "the wrapper beside the server",
        Restart,
        "Directory of the wrappers that machines are given, as `<kernel>-<cpuarch>/saltpeter-wrapper` in the words of Salt's grains and lower case: `linux-x86_64`, `linux-aarch64`.",
        wrappers_dir
    ),
    optional_word!(
        "salt_file_root",
        "string",
        "none",
        Restart,
        "A directory of Salt's `file_roots`, such as `/srv/salt`, that this server may write to: wrappers are offered in `saltpeter/` there. Without it they are handed over in Salt's calls, which is slower.",
        salt_file_root
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
    word!(
        "default_wrapper_logdir",
        "string",
        "`/var/log/sp_wrapper`",
        AtOnce,
        "Where wrappers log.",
        default_wrapper_logdir
    ),
    seconds!(
        "reconnect_grace",
        "seconds",
        "`600`",
        AtOnce,
        "How long a wrapper that was lost may stay away before its machine ends with 253.",
        reconnect_grace
    ),
    seconds!(
        "start_window",
        "seconds",
        "`60`",
        AtOnce,
        "How late a start may be; a fire that could not be seen to by then is a missed run.",
        start_window
    ),
    setting(
        "retention_days",
        "days",
        "`90`",
        AtOnce,
        "How long ended runs are kept, with their output; `0`: for ever. Runs that are not over stay, and so do those that ended within the last ten minutes.",
        |settings, node, reader| {
            set(&mut settings.retention_days, reader.count(node));
        },
        |settings| settings.retention_days.to_string(),
    ),
    setting(
        "retention_runs",
        "int",
        "`10000`",
        AtOnce,
        "How many ended runs of each job are kept; `0`: all.",
        |settings, node, reader| {
            set(&mut settings.retention_runs, reader.count(node));
        },
        |settings| settings.retention_runs.to_string(),
    ),
    setting(
        "retention_output",
        "MiB",
        "`10240`",
        AtOnce,
        "How much output is kept, of all jobs together and as the commands wrote it; `0`: all. When there is more, the oldest runs are deleted, but never a job's newest.",
        |settings, node, reader| {
            settings.retention_output = read_mib(node, reader);
        },
        |settings| show_mib(settings.retention_output),
    ),
    setting(
        "audit_days",
        "days",
        "`400`",
        AtOnce,
        "How long it is kept who did what; `0`: for ever.",
        |settings, node, reader| {
            set(&mut settings.audit_days, reader.count(node));
        },
        |settings| settings.audit_days.to_string(),
    ),
    setting(
        "logfile_size",
        "MiB",
        "`64`",
        Restart,
        "When a job's log file is this large, `<job>.log` becomes `<job>.log.1` before the next entry and is begun anew; `0`: never. An entry is never divided.",
        |settings, node, reader| {
            settings.logfile_size = read_mib(node, reader);
        },
        |settings| show_mib(settings.logfile_size),
    ),
    setting(
        "logfile_count",
        "int",
        "`5`",
        Restart,
        "How many such earlier files of each job are kept.",
        |settings, node, reader| {
            set(&mut settings.logfile_count, reader.count(node));
        },
        |settings| settings.logfile_count.to_string(),
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
    flag!(
        "editor",
        "bool",
        "`true`",
        AtOnce,
        "Whether admins may change jobs from the dashboard. `false` where the files come from elsewhere, such as a git repository, and a change made here would be lost or stand in the way.",
        editor
    ),
    documents::elasticsearch::ADDRESS,
    documents::elasticsearch::INDEX,
    documents::ELASTICSEARCH_API_KEY_FILE,
    documents::elasticsearch::CA,
    documents::elasticsearch::TEMPLATE,
    documents::opensearch::ADDRESS,
    documents::opensearch::INDEX,
    documents::opensearch::CA,
    documents::opensearch::TEMPLATE,
    documents::SPOOL,
];

/// A number of mebibytes, in bytes; `None` for 0, which stands for no limit, and for what is no number.
pub(super) fn read_mib(node: &Node, reader: &mut Reader) -> Option<u64> {
    reader
        .count(node)
        .filter(|mib| *mib > 0)
        .map(|mib| u64::from(mib) * MIB)
}

fn show_mib(bytes: Option<u64>) -> String {
    (bytes.unwrap_or_default() / MIB).to_string()
}

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
