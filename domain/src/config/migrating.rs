//! What a configuration directory of the earlier implementation does differently here. Asked for by
//! `saltpeter check --migrating`, and of no interest to anybody else.
//!
//! What each key meant there stands in docs/MIGRATING.md.

use super::keys::{MAINTENANCE, SETTINGS};
use super::loader::FileChange;
use super::raw::{self, Entry, Node, Place, Scalar, ScalarKind, Value};
use super::written::written;
use super::{JobSet, Settings};
use crate::job::Job;
use crate::schedule::{Schedule, Zone};
use chrono::{DateTime, SecondsFormat};
use chrono_tz::Tz;
use saltpeter_protocol::UnixMillis;
use serde::Serialize;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How many fire times are compared, now and half a year later, when clocks are set otherwise.
const COMPARED: usize = 50;
const HALF_A_YEAR: Duration = Duration::from_hours(183 * 24);

/// Something that is different here. `Display` gives the line that `saltpeter check --migrating` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MigrationNote {
    /// The file's name within the directory.
    pub file: Arc<str>,
    /// Line, counted from 1.
    pub line: u32,
    /// Column in characters, counted from 1.
    pub column: u32,
    /// What is different, and what to do about it.
    pub message: String,
}

impl fmt::Display for MigrationNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            column,
            message,
        } = self;
        write!(f, "{file}:{line}:{column}: note: {message}")
    }
}

/// The notes on a directory of these files, which was loaded as `set` at the time `now`.
pub fn migration_notes(
    files: &[(String, FileChange)],
    set: &JobSet,
    now: UnixMillis,
) -> Vec<MigrationNote> {
    let mut notes = Notes {
        set,
        now,
        file: Arc::from(""),
        found: Vec::new(),
    };
    let mut settings: Option<(Arc<str>, Place)> = None;
    for (name, change) in files {
        let FileChange::Content(bytes) = change else {
            continue;
        };
        notes.file = Arc::from(name.as_str());
        if has_extension(name, "yml") {
            notes.add(
                &Place::START,
                "this file was not read, for its name does not end in .yaml; here it is",
            );
        }
        // What cannot be read is a problem already.
        let root = std::str::from_utf8(bytes)
            .ok()
            .and_then(|text| raw::parse(text).ok());
        let Some(Node {
            value: Value::Map(entries),
            ..
        }) = root
        else {
            continue;
        };
        for entry in &entries {
            match entry.key.as_str() {
                SETTINGS => {
                    settings = Some((Arc::clone(&notes.file), entry.key_place.clone()));
                    notes.settings(entry);
                }
                MAINTENANCE => {}
                _ => notes.job(entry),
            }
        }
    }
    notes.absent_settings(settings);
    notes.found
}

struct Notes<'a> {
    set: &'a JobSet,
    now: UnixMillis,
    /// The file that is being looked at.
    file: Arc<str>,
    found: Vec<MigrationNote>,
}

impl Notes<'_> {
    fn add(&mut self, place: &Place, message: impl Into<String>) {
        self.found.push(MigrationNote {
            file: Arc::clone(&self.file),
            line: place.line,
            column: place.column,
            message: message.into(),
        });
    }

    fn settings(&mut self, entry: &Entry) {
        for Entry {
            key,
            key_place,
            value,
        } in written(entry)
        {
            match key.as_str() {
                "logdir" | "debug" | "elasticsearch_index" | "opensearch_index" => {
                    self.add(
                        key_place,
                        format!("{key}: a change takes effect at a restart; it did at once"),
                    );
                }
                "opensearch" if text(value).is_some_and(|url| url.starts_with("https://")) => {
                    self.add(
                        key_place,
                        "opensearch: the certificate is verified now; opensearch_ca names the file of an authority of your own",
                    );
                }
                "default_wrapper_path" => self.wrapper(key_place, value),
                _ => {}
            }
        }
    }

    /// Defaults that are not what they were, noted where the settings are written.
    fn absent_settings(&mut self, place: Option<(Arc<str>, Place)>) {
        let first = self
            .set
            .files
            .first()
            .map(|file| (Arc::clone(&file.name), Place::START));
        let Some((file, place)) = place.or(first) else {
            return;
        };
        self.file = file;
        let is_set = |key: &str| self.set.settings_sources.contains_key(key);
        let Settings {
            api_ws_port,
            default_wrapper_path,
            ..
        } = &*self.set.settings;
        let mut absent = Vec::new();
        if !is_set("api_ws") {
            absent.push(format!(
                "api_ws is not set: the dashboard and the API are served, on port {api_ws_port}; they were not. 'api_ws: false' keeps that"
            ));
        }
        if self.set.settings.api_ws && !is_set("api_ws_bind_addr") {
            absent.push(
                "api_ws_bind_addr is not set: the dashboard and the API are served on 127.0.0.1 alone; it was 0.0.0.0, for everybody"
                    .to_owned(),
            );
        }
        if !is_set("machines_ws_plaintext") {
            absent.push(
                "machines_ws_plaintext is not set: wrappers of the earlier implementation speak no TLS and are refused. 'machines_ws_plaintext: allow' lets them in"
                    .to_owned(),
            );
        }
        if !is_set("default_wrapper_path") {
            absent.push(format!(
                "default_wrapper_path is not set: the wrapper is {default_wrapper_path}; it was /usr/local/bin/sp_wrapper.py. Name that one to go on with the wrappers that are there"
            ));
        }
        for message in absent {
            self.add(&place, message);
        }
    }

    fn wrapper(&mut self, place: &Place, value: &Node) {
        if text(value).is_some_and(|path| has_extension(path, "py")) {
            self.add(
                place,
                "wrappers of the earlier implementation go on working with machines_ws_plaintext: allow; Saltpeter's own loses no output and is told its command in secret. Take the line out once it is on the machines",
            );
        }
    }

    fn job(&mut self, entry: &Entry) {
        let has = |key: &str| written(entry).any(|entry| entry.key == key);
        let jobs = self.set.jobs.values();
        let job = jobs
            .filter(|job| job.source.file == self.file && job.source.line == entry.key_place.line)
            .find(|job| job.name.as_str() == entry.key);
        if let Some(job) = job {
            if let Some(message) = self.zone(job) {
                self.add(&entry.key_place, message);
            }
            if !has("target_type") {
                self.add(
                    &entry.key_place,
                    format!(
                        "target_type is not set: it is {}; without it, every run failed",
                        job.targets.target_type().as_str()
                    ),
                );
            }
        }
        for Entry {
            key,
            key_place,
            value,
        } in written(entry)
        {
            match key.as_str() {
                "hard_timeout" if !has("timeout") => self.add(
                    key_place,
                    "hard_timeout: it had no effect, and the limit was 3600 s; here it is the limit",
                ),
                "schedule" | "soft_timeout" | "overlap" => self.add(
                    key_place,
                    format!("{key}: the earlier implementation did not know this key; here it has an effect"),
                ),
                "use_wrapper" if matches!(&value.value, Value::Scalar(Scalar { kind: ScalarKind::Bool(false), .. })) => {
                    self.add(
                        key_place,
                        "use_wrapper: false: Salt runs the command by itself, as before. With the wrapper there is live output, and its end is known to the second",
                    );
                }
                "wrapper_path" => self.wrapper(key_place, value),
                _ => {}
            }
            if let Some(octal) = octal(value) {
                self.add(
                    &value.place,
                    format!("{key}: a number that begins with 0 was read as an octal one, {octal}; here it is decimal"),
                );
            }
        }
    }

    /// How the job's zone changes when it fires; `None` when it does not.
    fn zone(&self, job: &Job) -> Option<String> {
        let zone = job.schedule.zone(self.set.default_zone);
        let before = Schedule::parse(job.schedule.expression(), Zone::Named(Tz::UTC)).ok()?;
        let is_same = |from| {
            let now = job.schedule.after(from, self.set.default_zone);
            now.take(COMPARED)
                .eq(before.after(from, Tz::UTC).take(COMPARED))
        };
        let later = UnixMillis(self.now.0 + HALF_A_YEAR.as_millis() as i64);
        if is_same(self.now) && is_same(later) {
            return None;
        }
        let time = |at: UnixMillis, zone: Tz| {
            DateTime::from_timestamp_millis(at.0).map(|at| {
                at.with_timezone(&zone)
                    .to_rfc3339_opts(SecondsFormat::Secs, true)
            })
        };
        let now = time(
            job.schedule.next_after(self.now, self.set.default_zone)?,
            zone,
        )?;
        let then = time(before.next_after(self.now, Tz::UTC)?, Tz::UTC)?;
        Some(format!(
            "the schedule is read in {zone}, and fires next at {now}; it was read in UTC, whatever utc said: {then}. 'utc: true' keeps that, and 'timezone: UTC' under {SETTINGS} does for every job"
        ))
    }
}

pub(super) fn has_extension(path: &str, extension: &str) -> bool {
    Path::new(path)
        .extension()
        .is_some_and(|found| found == extension)
}

fn text(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Scalar(scalar) => Some(&scalar.text),
        _ => None,
    }
}

/// The number that an unquoted `010` was, when it is another one here.
fn octal(node: &Node) -> Option<u64> {
    match &node.value {
        Value::Scalar(Scalar {
            text,
            kind: ScalarKind::Number,
        }) if text.len() > 2 && text.starts_with('0') => u64::from_str_radix(text, 8).ok(),
        _ => None,
    }
}
