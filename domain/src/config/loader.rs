//! What each file of the configuration directory said last, and what of it is in force.

use super::across;
use super::keys::{MAINTENANCE_KEYS, SETTINGS_KEYS};
use super::raw::{self, Place};
use super::validate::{FileContent, FileContext, apply_special, read_file};
use super::{FileInfo, FileState, InvalidJob, JobSet, Problem, Settings, Severity};
use crate::job::{Job, SourceRef};
use crate::maintenance::Maintenance;
use chrono_tz::Tz;
use saltpeter_protocol::{JobName, UnixMillis};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;

/// The largest file that is read, in bytes. About fifty thousand jobs fit into it.
pub const MAX_FILE_BYTES: u64 = 8 * 1024 * 1024;

/// What was found under the name of a file.
#[derive(Debug, Clone)]
pub enum FileChange {
    /// Its content. Unchanged content is noticed and not parsed again.
    Content(Vec<u8>),
    /// It is larger than [`MAX_FILE_BYTES`] and was not read; its size.
    TooLarge(u64),
    /// It is there and could not be read; the reason.
    Unreadable(String),
    /// It is not there any more.
    Removed,
}

/// Turns changes of files into [`JobSet`]s.
///
/// A file whose present content has an error keeps its last good version in force as a whole, so a half-written edit changes
/// nothing. A file that has had no good version since the start contributes its valid jobs: one bad job does not stop
/// the others when the server starts.
#[derive(Debug)]
pub struct Loader {
    server_zone: Tz,
    files: BTreeMap<String, LoadedFile>,
    parsed_files: u64,
}

#[derive(Debug)]
struct LoadedFile {
    name: Arc<str>,
    /// Of the present content; `None` when that could not be had.
    hash: Option<u64>,
    /// What is wrong with the present content.
    problems: Vec<Problem>,
    /// Jobs of the present content that are not valid.
    invalid: Vec<InvalidJob>,
    in_force: Option<InForce>,
    state: FileState,
}

#[derive(Debug)]
struct InForce {
    content: FileContent,
    /// Whether it had no errors.
    is_good: bool,
    loaded_at: UnixMillis,
}

/// Whether a file of this name belongs to the configuration: `*.yaml` and `*.yml` that are not hidden.
pub fn is_config_file(name: &str) -> bool {
    !name.starts_with('.')
        && matches!(name.rsplit_once('.'), Some((stem, "yaml" | "yml")) if !stem.is_empty())
}

impl Loader {
    /// A loader that knows no file yet. `server_zone` is the zone of this host.
    pub fn new(server_zone: Tz) -> Self {
        Self {
            server_zone,
            files: BTreeMap::new(),
            parsed_files: 0,
        }
    }

    /// How many times a file's content was parsed since the beginning.
    pub fn parsed_files(&self) -> u64 {
        self.parsed_files
    }

    /// Takes in what changed, by file name, and returns all that is in force then. `now` is for what depends on
    /// time: schedules that have had their last date, and the time a version came into force.
    pub fn apply(
        &mut self,
        changes: impl IntoIterator<Item = (String, FileChange)>,
        now: UnixMillis,
    ) -> JobSet {
        for (name, change) in changes {
            match change {
                FileChange::Removed => {
                    self.files.remove(&name);
                }
                FileChange::Content(bytes) => self.take_content(&name, &bytes, now),
                FileChange::TooLarge(size) => self.reject(&name, None, too_large(size)),
                FileChange::Unreadable(reason) => {
                    self.reject(
                        &name,
                        None,
                        (Place::START, format!("cannot be read: {reason}")),
                    );
                }
            }
        }
        self.merge()
    }

    fn take_content(&mut self, name: &str, bytes: &[u8], now: UnixMillis) {
        let mut hasher = DefaultHasher::new();
        hasher.write(bytes);
        let hash = Some(hasher.finish());
        if self.files.get(name).is_some_and(|file| file.hash == hash) {
            return;
        }
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return self.reject(name, hash, too_large(bytes.len() as u64));
        }
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => return self.reject(name, hash, not_utf8(bytes, error.valid_up_to())),
        };
        self.parsed_files += 1;
        let root = match raw::parse(text) {
            Ok(root) => root,
            Err(error) => return self.reject(name, hash, (error.place, error.message)),
        };
        let file = self.file(name);
        let context = FileContext {
            file: Arc::clone(&file.name),
            group: group_of(name).to_owned(),
            now,
            server_zone: self.server_zone,
        };
        match read_file(&root, &context) {
            Ok(content) => self.file(name).accept(hash, content, now),
            Err(problem) => {
                let place = Place {
                    line: problem.line,
                    column: problem.column,
                    ..Place::START
                };
                self.reject(name, hash, (place, problem.message));
            }
        }
    }

    fn file(&mut self, name: &str) -> &mut LoadedFile {
        self.files
            .entry(name.to_owned())
            .or_insert_with(|| LoadedFile {
                name: Arc::from(name),
                hash: None,
                problems: Vec::new(),
                invalid: Vec::new(),
                in_force: None,
                state: FileState::Rejected,
            })
    }

    /// The present content of a file is nothing that could be in force, not even in part.
    fn reject(&mut self, name: &str, hash: Option<u64>, (place, message): (Place, String)) {
        let file = self.file(name);
        file.hash = hash;
        file.state = if file.in_force.is_some() {
            FileState::LastGood
        } else {
            FileState::Rejected
        };
        file.invalid.clear();
        file.problems = vec![Problem {
            file: Arc::clone(&file.name),
            line: place.line,
            column: place.column,
            severity: Severity::Error,
            message,
            job: None,
        }];
    }

    /// Puts together what the files have in force.
    fn merge(&self) -> JobSet {
        let mut settings = Settings::default();
        let mut maintenance = Maintenance::default();
        let mut jobs: BTreeMap<JobName, Arc<Job>> = BTreeMap::new();
        let mut problems = Vec::new();
        let mut invalid = Vec::new();
        let mut files = Vec::with_capacity(self.files.len());
        for file in self.files.values() {
            let mut found = file.problems.clone();
            invalid.extend(file.invalid.iter().cloned());
            let mut count = 0;
            if let Some(InForce { content, .. }) = &file.in_force {
                apply_special(SETTINGS_KEYS, &content.settings, &mut settings);
                apply_special(MAINTENANCE_KEYS, &content.maintenance, &mut maintenance);
                for (name, job) in &content.jobs {
                    match jobs.entry(name.clone()) {
                        Entry::Vacant(slot) => {
                            slot.insert(Arc::clone(job));
                            count += 1;
                        }
                        Entry::Occupied(first) => {
                            let problem = defined_twice(job, &first.get().source);
                            invalid.push(InvalidJob {
                                name: name.to_string(),
                                group: job.group.clone(),
                                source: job.source.clone(),
                                problems: vec![problem.clone()],
                                last_good_in_force: false,
                            });
                            found.push(problem);
                        }
                    }
                }
            }
            found.sort_by_key(|problem| (problem.line, problem.column));
            let errors = found
                .iter()
                .filter(|problem| problem.severity == Severity::Error)
                .count();
            files.push(FileInfo {
                name: Arc::clone(&file.name),
                state: file.state,
                loaded_at: file.in_force.as_ref().map(|in_force| in_force.loaded_at),
                jobs: count,
                has_maintenance: file
                    .in_force
                    .as_ref()
                    .is_some_and(|in_force| !in_force.content.maintenance.is_empty()),
                errors,
                warnings: found.len() - errors,
            });
            problems.extend(found);
        }
        let settings_sources = self.settings_sources();
        let held = across::Held {
            groups: &maintenance.groups,
            source: self.groups_source(),
            known: self.files.keys().map(|name| group_of(name)).collect(),
        };
        problems.extend(across::problems(&settings, &settings_sources, &jobs));
        problems.extend(across::unknown_groups(&held));
        JobSet {
            settings_sources,
            default_zone: settings.timezone.unwrap_or(self.server_zone),
            jobs,
            invalid,
            settings: Arc::new(settings),
            maintenance: Arc::new(maintenance),
            problems,
            files,
        }
    }

    /// Where the groups under maintenance are written; the last file wins.
    fn groups_source(&self) -> Option<SourceRef> {
        let mut files = self.files.values().rev();
        files.find_map(|file| {
            let written = &file.in_force.as_ref()?.content.maintenance;
            let mut keys = written.iter();
            let (_, node) =
                keys.find(|(index, _)| MAINTENANCE_KEYS[*index].info.name == "groups")?;
            Some(SourceRef {
                file: Arc::clone(&file.name),
                line: node.place.line,
                column: node.place.column,
            })
        })
    }

    /// Where each setting that a file gives is written; the last file wins.
    fn settings_sources(&self) -> BTreeMap<&'static str, SourceRef> {
        let mut sources = BTreeMap::new();
        for file in self.files.values() {
            let Some(in_force) = &file.in_force else {
                continue;
            };
            for (index, node) in &in_force.content.settings {
                let source = SourceRef {
                    file: Arc::clone(&file.name),
                    line: node.place.line,
                    column: node.place.column,
                };
                sources.insert(SETTINGS_KEYS[*index].info.name, source);
            }
        }
        sources
    }
}

impl LoadedFile {
    fn accept(&mut self, hash: Option<u64>, mut content: FileContent, now: UnixMillis) {
        self.hash = hash;
        self.problems = std::mem::take(&mut content.problems);
        self.invalid = std::mem::take(&mut content.invalid);
        let is_good = self
            .problems
            .iter()
            .all(|problem| problem.severity != Severity::Error);
        let keep = !is_good
            && self
                .in_force
                .as_ref()
                .is_some_and(|in_force| in_force.is_good);
        if let Some(in_force) = &self.in_force {
            // A job that did not change stays the same `Arc`, which makes telling what changed cheap.
            for (name, job) in &mut content.jobs {
                if let Some(before) = in_force.content.jobs.get(name)
                    && before == job
                {
                    *job = Arc::clone(before);
                }
            }
            for invalid in &mut self.invalid {
                invalid.last_good_in_force =
                    keep && in_force.content.jobs.contains_key(invalid.name.as_str());
            }
        }
        if keep {
            self.state = FileState::LastGood;
        } else {
            self.state = if is_good {
                FileState::Current
            } else {
                FileState::Partial
            };
            self.in_force = Some(InForce {
                content,
                is_good,
                loaded_at: now,
            });
        }
    }
}

/// The group of a file's jobs.
fn group_of(file: &str) -> &str {
    file.rsplit_once('.').map_or(file, |(stem, _)| stem)
}

fn too_large(size: u64) -> (Place, String) {
    let message = format!(
        "the file has {size} bytes; {MAX_FILE_BYTES} (8 MiB) is the most that is read. Divide it into several files"
    );
    (Place::START, message)
}

fn not_utf8(bytes: &[u8], at: usize) -> (Place, String) {
    let before = &bytes[..at];
    let line_start = before
        .iter()
        .rposition(|&byte| byte == b'\n')
        .map_or(0, |newline| newline + 1);
    let line = before.split(|&byte| byte == b'\n').count();
    let column = String::from_utf8_lossy(&before[line_start..])
        .chars()
        .count()
        + 1;
    let byte = bytes.get(at).copied().unwrap_or_default();
    let place = Place {
        line: line as u32,
        column: column as u32,
        ..Place::START
    };
    (
        place,
        format!("the byte 0x{byte:02x} is not UTF-8; save the file as UTF-8"),
    )
}

fn defined_twice(job: &Job, first: &SourceRef) -> Problem {
    Problem {
        file: Arc::clone(&job.source.file),
        line: job.source.line,
        column: job.source.column,
        severity: Severity::Error,
        message: format!(
            "job {:?} is already defined at {first}; this one is ignored",
            job.name.as_str()
        ),
        job: Some(job.name.to_string()),
    }
}
