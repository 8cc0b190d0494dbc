//! A job whose keys are being read.

use crate::config::raw::{Node, Place, Value};
use crate::config::reader::Reader;
use crate::failures::FailureLimit;
use crate::job::{LaunchWay, MissedPolicy, Overlap, WrapperLogLevel, WrapperProtocol};
use crate::retention::Overrides;
use crate::retry::{Backoff, MAX_RETRIES};
use crate::schedule::Field;
use crate::secret::{Secret, SecretSource};
use crate::targeting::TargetType;
use chrono_tz::Tz;
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

/// What must stand there for overlapping runs, so that nobody allows them by accident.
const OVERLAP_PHRASE: &str = "i know what i am doing!";

/// Longest command, in bytes: Linux gives a program no longer argument (`MAX_ARG_STRLEN` of execve(2), less the NUL at its
/// end), and the shell gets it as one.
const LONGEST_COMMAND: usize = 131_071;

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) place: Place,
}

impl<T> At<T> {
    pub(super) fn of(value: Option<T>, node: &Node) -> Option<Self> {
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
    pub(crate) max_failures: Option<At<FailureLimit>>,
    pub(crate) retries: Option<NonZeroU32>,
    pub(crate) retry_delay: Option<At<Duration>>,
    pub(crate) retry_backoff: Option<At<Backoff>>,
    pub(crate) reconnect_grace: Option<Duration>,
    pub(crate) timeout: Option<At<Duration>>,
    pub(crate) hard_timeout: Option<At<Duration>>,
    pub(crate) soft_timeout: Option<At<Duration>>,
    pub(crate) cwd: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) env: BTreeMap<String, Secret>,
    pub(crate) secrets: BTreeMap<String, SecretSource>,
    pub(crate) allow_overlap: Option<Place>,
    pub(crate) overlap: Option<At<Overlap>>,
    pub(crate) missed: MissedPolicy,
    pub(crate) missed_window: Option<Duration>,
    pub(crate) retention: Overrides,
    pub(crate) launch: LaunchWay,
    pub(crate) wrapper_path: Option<String>,
    pub(crate) wrapper_protocol: WrapperProtocol,
    pub(crate) wrapper_loglevel: Option<WrapperLogLevel>,
    pub(crate) wrapper_logdir: Option<String>,
    pub(crate) lockfile: Option<String>,
    pub(crate) server_host: Option<String>,
}

impl JobDraft {
    pub(super) fn field(&mut self, field: Field, node: &Node, reader: &mut Reader) {
        self.fields[field as usize] = At::of(reader.text(node), node);
    }

    pub(super) fn read_command(&mut self, node: &Node, reader: &mut Reader) {
        let Some(command) = reader.word(node) else {
            return;
        };
        if command.len() > LONGEST_COMMAND {
            reader.error(
                &node.place,
                format!(
                    "command: has {} bytes; {LONGEST_COMMAND} are the most that a shell can be given. Put it into a script on the machines",
                    command.len()
                ),
            );
            return;
        }
        self.command = Some(command);
    }

    pub(super) fn read_targets(&mut self, node: &Node, reader: &mut Reader) {
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

    pub(super) fn read_max_failures(&mut self, node: &Node, reader: &mut Reader) {
        const WHAT: &str = "a whole number, or a part of the machines such as 10 % (1 to 100)";
        match &node.value {
            Value::Scalar(scalar) if scalar.text.trim() == "0" => {}
            Value::Scalar(scalar) => match scalar.text.parse() {
                Ok(limit) => self.max_failures = At::of(Some(limit), node),
                Err(_) => reader.expected(node, WHAT),
            },
            _ => reader.expected(node, WHAT),
        }
    }

    pub(super) fn read_retries(&mut self, node: &Node, reader: &mut Reader) {
        let Some(retries) = reader.count(node) else {
            return;
        };
        if retries > MAX_RETRIES {
            reader.error(
                &node.place,
                format!("retries: {retries} is more than {MAX_RETRIES}, which is the most"),
            );
            return;
        }
        self.retries = NonZeroU32::new(retries);
    }

    pub(super) fn read_retry_delay(&mut self, node: &Node, reader: &mut Reader) {
        match reader.seconds(node) {
            Some(Duration::ZERO) => {
                reader.error(&node.place, "retry_delay: must be at least 1");
            }
            delay => self.retry_delay = At::of(delay, node),
        }
    }

    pub(super) fn read_env(&mut self, node: &Node, reader: &mut Reader) {
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

    pub(super) fn read_allow_overlap(&mut self, node: &Node, reader: &mut Reader) {
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
