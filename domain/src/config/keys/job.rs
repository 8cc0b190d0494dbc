//! The keys of a job.

use super::Effect::AtOnce;
use super::{Key, key};
use crate::config::raw::{Node, Place, Value};
use crate::config::reader::Reader;
use crate::job::{LaunchWay, Overlap, WrapperLogLevel};
use crate::schedule::{Field, parse_zone};
use crate::secret::Secret;
use crate::targeting::TargetType;
use chrono_tz::Tz;
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

/// The words of `wrapper_loglevel`.
pub(super) const LOG_LEVELS: [(&str, WrapperLogLevel); 3] = [
    ("normal", WrapperLogLevel::Normal),
    ("debug", WrapperLogLevel::Debug),
    ("off", WrapperLogLevel::Off),
];

const OVERLAPS: [(&str, Overlap); 4] = [
    ("skip", Overlap::Skip),
    ("queue", Overlap::Queue),
    ("allow", Overlap::Allow),
    ("replace", Overlap::Replace),
];

const TARGET_TYPES: [(&str, TargetType); 9] = [
    ("glob", TargetType::Glob),
    ("pcre", TargetType::Pcre),
    ("list", TargetType::List),
    ("grain", TargetType::Grain),
    ("grain_pcre", TargetType::GrainPcre),
    ("pillar", TargetType::Pillar),
    ("nodegroup", TargetType::Nodegroup),
    ("ipcidr", TargetType::IpCidr),
    ("compound", TargetType::Compound),
];

/// What must stand there for overlapping runs, so that nobody allows them by accident.
pub(crate) const OVERLAP_PHRASE: &str = "i know what i am doing!";

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) place: Place,
}

impl<T> At<T> {
    fn of(value: Option<T>, node: &Node) -> Option<Self> {
        value.map(|value| Self {
            value,
            place: node.place.clone(),
        })
    }
}

/// Targets as written.
#[derive(Debug, Clone)]
pub(crate) enum WrittenTargets {
    Text(String),
    List(Vec<String>),
}

/// A job whose keys have been read one by one, and not yet been held against each other.
#[derive(Debug, Default)]
pub(crate) struct JobDraft {
    pub(crate) fields: [Option<At<String>>; 7],
    pub(crate) schedule: Option<At<String>>,
    pub(crate) utc: Option<At<bool>>,
    pub(crate) timezone: Option<At<Tz>>,
    pub(crate) command: Option<String>,
    pub(crate) targets: Option<At<WrittenTargets>>,
    pub(crate) target_type: Option<TargetType>,
    pub(crate) number_of_targets: Option<NonZeroU32>,
    pub(crate) batch_size: Option<NonZeroU32>,
    pub(crate) timeout: Option<At<Duration>>,
    pub(crate) hard_timeout: Option<At<Duration>>,
    pub(crate) soft_timeout: Option<At<Duration>>,
    pub(crate) cwd: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) env: BTreeMap<String, Secret>,
    pub(crate) allow_overlap: Option<Place>,
    pub(crate) overlap: Option<At<Overlap>>,
    pub(crate) launch: LaunchWay,
    pub(crate) wrapper_path: Option<String>,
    pub(crate) wrapper_loglevel: Option<WrapperLogLevel>,
    pub(crate) wrapper_logdir: Option<String>,
    pub(crate) lockfile: Option<String>,
    pub(crate) server_host: Option<String>,
}

impl JobDraft {
    fn field(&mut self, field: Field, node: &Node, reader: &mut Reader) {
        self.fields[field as usize] = At::of(reader.text(node), node);
    }

    fn read_targets(&mut self, node: &Node, reader: &mut Reader) {
        let targets = if matches!(node.value, Value::List(_)) {
            let names = reader.texts(node, "text or a list");
            names.map(|names| {
                WrittenTargets::List(names.into_iter().map(|(name, _)| name).collect())
            })
        } else {
            reader.word(node).map(WrittenTargets::Text)
        };
        self.targets = At::of(targets, node);
    }

    fn read_env(&mut self, node: &Node, reader: &mut Reader) {
        let Value::Map(entries) = &node.value else {
            reader.expected(node, "a mapping of names to values");
            return;
        };
        for entry in entries {
            if entry.key.is_empty() || entry.key.contains(['=', '\0']) {
                reader.error(
                    &entry.key_place,
                    format!("env: {:?} cannot be the name of a variable", entry.key),
                );
            } else if entry.value.value == Value::Null {
                self.env.insert(entry.key.clone(), Secret::new(""));
            } else if let Some(text) = reader.text(&entry.value) {
                self.env.insert(entry.key.clone(), Secret::new(text));
            }
        }
    }

    fn read_allow_overlap(&mut self, node: &Node, reader: &mut Reader) {
        match &node.value {
            Value::Scalar(scalar) if scalar.text == OVERLAP_PHRASE => {
                self.allow_overlap = Some(node.place.clone());
            }
            other => {
                let message = format!(
                    "allow_overlap: {} does not allow overlapping runs, only {OVERLAP_PHRASE:?} does; \
                     'overlap: allow' says the same more plainly",
                    other.describe()
                );
                reader.warn(&node.place, message);
            }
        }
    }
}

pub(crate) const JOB_KEYS: &[Key<JobDraft>] = &[
    key(
        "sec",
        "int or string",
        "`0`",
        AtOnce,
        "Cron field: second, 0–59.",
        |job, node, reader| {
            job.field(Field::Sec, node, reader);
        },
    ),
    key(
        "min",
        "int or string",
        "required",
        AtOnce,
        "Cron field: minute, 0–59.",
        |job, node, reader| {
            job.field(Field::Min, node, reader);
        },
    ),
    key(
        "hour",
        "int or string",
        "required",
        AtOnce,
        "Cron field: hour, 0–23.",
        |job, node, reader| {
            job.field(Field::Hour, node, reader);
        },
    ),
    key(
        "dom",
        "int or string",
        "required",
        AtOnce,
        "Cron field: day of the month, 1–31; `L` is the last. It **and** `dow` must match.",
        |job, node, reader| {
            job.field(Field::Dom, node, reader);
        },
    ),
    key(
        "mon",
        "int or string",
        "required",
        AtOnce,
        "Cron field: month, 1–12 or `jan`–`dec`.",
        |job, node, reader| {
            job.field(Field::Mon, node, reader);
        },
    ),
    key(
        "dow",
        "int or string",
        "required",
        AtOnce,
        "Cron field: day of the week, 0–7 (0 and 7 are Sunday) or `sun`–`sat`; `L5` or `5L` is the month's last Friday.",
        |job, node, reader| {
            job.field(Field::Dow, node, reader);
        },
    ),
    key(
        "year",
        "int or string",
        "`*`",
        AtOnce,
        "Cron field: year, 1970–2099.",
        |job, node, reader| {
            job.field(Field::Year, node, reader);
        },
    ),
    key(
        "schedule",
        "string",
        "",
        AtOnce,
        "In place of the seven fields: 5 fields (min hour dom mon dow), 6 (sec first), 7 (sec first, year last), or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`, `@minutely`. An alias needs quotes.",
        |job, node, reader| {
            job.schedule = At::of(reader.text(node), node);
        },
    ),
    key(
        "utc",
        "bool",
        "`false`",
        AtOnce,
        "Whether the schedule is read in UTC.",
        |job, node, reader| {
            job.utc = At::of(reader.bool(node), node);
        },
    ),
    key(
        "timezone",
        "IANA name",
        "the global `timezone`, else the server's",
        AtOnce,
        "The zone the schedule is read in.",
        |job, node, reader| {
            job.timezone = At::of(read_zone(node, reader), node);
        },
    ),
    key(
        "command",
        "string",
        "required",
        AtOnce,
        "What `/bin/sh -c` runs.",
        |job, node, reader| {
            job.command = reader.word(node);
        },
    ),
    key(
        "targets",
        "string or list",
        "required",
        AtOnce,
        "Which machines it is for. A list is one of names (`target_type: list`).",
        |job, node, reader| {
            job.read_targets(node, reader);
        },
    ),
    key(
        "target_type",
        "`glob`, `pcre`, `list`, `grain`, `grain_pcre`, `pillar`, `nodegroup`, `ipcidr`, `compound`",
        "`glob`",
        AtOnce,
        "How `targets` is read, as in Salt.",
        |job, node, reader| {
            job.target_type = reader.choice(node, &TARGET_TYPES);
        },
    ),
    key(
        "number_of_targets",
        "int",
        "`0`: all",
        AtOnce,
        "How many of the matching machines that are up a run takes, chosen at random.",
        |job, node, reader| {
            job.number_of_targets = reader.machines(node);
        },
    ),
    key(
        "batch_size",
        "int",
        "`0`: all at once",
        AtOnce,
        "How many machines run at a time.",
        |job, node, reader| {
            job.batch_size = reader.machines(node);
        },
    ),
    key(
        "timeout",
        "seconds",
        "`3600`; `0`: none",
        AtOnce,
        "How long the command may run: then SIGTERM, and SIGKILL after a grace.",
        |job, node, reader| {
            job.timeout = At::of(reader.seconds(node), node);
        },
    ),
    key(
        "hard_timeout",
        "seconds",
        "",
        AtOnce,
        "The old name of `timeout`.",
        |job, node, reader| {
            job.hard_timeout = At::of(reader.seconds(node), node);
        },
    ),
    key(
        "soft_timeout",
        "seconds",
        "",
        AtOnce,
        "When SIGTERM is sent; SIGKILL then comes at `timeout`.",
        |job, node, reader| {
            job.soft_timeout = At::of(reader.seconds(node), node);
        },
    ),
    key(
        "cwd",
        "string",
        "",
        AtOnce,
        "The directory that the command runs in.",
        |job, node, reader| {
            job.cwd = reader.word(node);
        },
    ),
    key(
        "user",
        "string",
        "",
        AtOnce,
        "The user that the command runs as.",
        |job, node, reader| {
            job.user = reader.word(node);
        },
    ),
    key(
        "env",
        "mapping",
        "",
        AtOnce,
        "Added to the command's environment. The values are never shown.",
        |job, node, reader| {
            job.read_env(node, reader);
        },
    ),
    key(
        "overlap",
        "`skip`, `queue`, `allow`, `replace`",
        "`skip`",
        AtOnce,
        "What happens when the job is due while an earlier run of it is still going.",
        |job, node, reader| {
            job.overlap = At::of(reader.choice(node, &OVERLAPS), node);
        },
    ),
    key(
        "allow_overlap",
        "`i know what i am doing!`",
        "",
        AtOnce,
        "The old spelling of `overlap: allow`.",
        |job, node, reader| {
            job.read_allow_overlap(node, reader);
        },
    ),
    key(
        "use_wrapper",
        "bool",
        "`true`",
        AtOnce,
        "`false`: the command is run by the executor alone, without a wrapper.",
        |job, node, reader| {
            if let Some(wrapped) = reader.bool(node) {
                job.launch = if wrapped {
                    LaunchWay::Wrapper
                } else {
                    LaunchWay::Executor
                };
            }
        },
    ),
    key(
        "wrapper_path",
        "string",
        "`default_wrapper_path`",
        AtOnce,
        "The path of the wrapper on the machines.",
        |job, node, reader| {
            job.wrapper_path = reader.word(node);
        },
    ),
    key(
        "wrapper_loglevel",
        "`normal`, `debug`, `off`",
        "`default_wrapper_loglevel`",
        AtOnce,
        "What the wrapper logs.",
        |job, node, reader| {
            job.wrapper_loglevel = reader.choice(node, &LOG_LEVELS);
        },
    ),
    key(
        "wrapper_logdir",
        "string",
        "`default_wrapper_logdir`",
        AtOnce,
        "Where the wrapper logs.",
        |job, node, reader| {
            job.wrapper_logdir = reader.word(node);
        },
    ),
    key(
        "lockfile",
        "string",
        "one of the wrapper's choice",
        AtOnce,
        "The wrapper's lock file on the machine.",
        |job, node, reader| {
            job.lockfile = reader.word(node);
        },
    ),
    key(
        "saltpeter_server_host",
        "string",
        "`default_saltpeter_server_host`",
        AtOnce,
        "The host name under which wrappers find this server.",
        |job, node, reader| {
            job.server_host = reader.word(node);
        },
    ),
];

/// The name of a time zone.
pub(super) fn read_zone(node: &Node, reader: &mut Reader) -> Option<Tz> {
    let name = reader.word(node)?;
    match parse_zone(&name) {
        Ok(zone) => Some(zone),
        Err(message) => {
            reader.error(&node.place, format!("timezone: {message}"));
            None
        }
    }
}
