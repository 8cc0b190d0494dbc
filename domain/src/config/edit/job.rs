//! Replacing, adding and deleting a job in the text of its file.
//!
//! A job's *block* is its key's line and what follows, up to the last line that says something before the next key: blank lines, and
//! comments that are not indented, belong to whatever comes next. Only the block is replaced; every byte outside of it stays.

use super::{EditError, entries_of, meaning, parse_shared, refuse_double};
use crate::config::keys::{MAINTENANCE, SETTINGS};
use crate::config::raw::{self, Entry, Place, SyntaxError};
use crate::config::validate::duplicate_message;
use saltpeter_protocol::JobName;
use std::ops::Range;

/// A job as its file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobBlock {
    /// Its text, with the end of its last line if the file has one.
    pub text: String,
    /// The line of the file that it begins in, from 1.
    pub line: u32,
}

/// What is to become of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobChange<'a> {
    /// Another text in place of this job's block. It may have another name then.
    Replace {
        /// The job, as written.
        job: &'a str,
        /// The block from now on.
        text: &'a str,
    },
    /// One job or several at the end of the file.
    Add {
        /// Their text.
        text: &'a str,
    },
    /// It goes.
    Delete {
        /// The job, as written.
        job: &'a str,
    },
}

/// A file with a job changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedFile {
    /// Its text.
    pub text: String,
    /// The lines that the change has put there, from 1; none where a job is deleted.
    pub lines: Range<u32>,
    /// The jobs in those lines, as written.
    pub jobs: Vec<String>,
}

/// Why a job could not be changed. Nothing was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JobEditError {
    /// It is the file.
    #[error(transparent)]
    File(#[from] EditError),
    /// The file has no such job.
    #[error("there is no job {0:?} in it")]
    NoJob(String),
    /// It is the text.
    #[error("line {line}, column {column}: {message}")]
    Text {
        /// Line of the text, counted from 1.
        line: u32,
        /// Column, counted from 1.
        column: u32,
        /// What is wrong.
        message: String,
    },
}

/// A job's block, whether or not the job is valid; `None` when the file has no such key.
pub fn job_block(original: &str, job: &str) -> Result<Option<JobBlock>, EditError> {
    let file = File::read(original)?;
    let Some(index) = file.find(job)? else {
        return Ok(None);
    };
    let range = file.block(index)?;
    Ok(Some(JobBlock {
        line: line_at(original, range.start),
        text: original[range].to_owned(),
    }))
}

/// The text of a file with one change made to it. It is valid YAML, and all that it says elsewhere is what it said.
pub fn change_job(original: &str, change: &JobChange) -> Result<ChangedFile, JobEditError> {
    let file = File::read(original)?;
    let (range, text) = match *change {
        JobChange::Replace { job, text } => {
            let index = file.find(job)?.ok_or_else(|| no_job(job))?;
            let range = file.block(index)?;
            let ends = original[range.clone()].ends_with('\n');
            (range, file.lines(text, ends))
        }
        JobChange::Delete { job } => {
            let index = file.find(job)?.ok_or_else(|| no_job(job))?;
            (file.block(index)?, String::new())
        }
        JobChange::Add { text } => (original.len()..original.len(), file.lines(text, true)),
    };
    // What stands between the last line and a text that is added.
    let gap = match change {
        JobChange::Add { .. } => file.gap(),
        _ => String::new(),
    };
    let start = range.start + gap.len();
    let mut changed = String::with_capacity(original.len() + text.len() + gap.len());
    changed.push_str(&original[..range.start]);
    changed.push_str(&gap);
    changed.push_str(&text);
    changed.push_str(&original[range.end..]);
    let first = line_at(&changed, start);
    let count = u32::try_from(text.lines().count()).unwrap_or(u32::MAX);
    let change = Change {
        bytes: start..start + text.len(),
        lines: first..first.saturating_add(count),
        replaced: u32::try_from(original[range.clone()].lines().count()).unwrap_or(u32::MAX),
        text: &text,
        one: !matches!(change, JobChange::Add { .. }),
    };
    let jobs = file.verify(&changed, range.start, &change)?;
    Ok(ChangedFile {
        lines: change.lines,
        text: changed,
        jobs,
    })
}

fn no_job(job: &str) -> JobEditError {
    JobEditError::NoJob(job.to_owned())
}

/// What was put into a file.
struct Change<'t> {
    bytes: Range<usize>,
    lines: Range<u32>,
    /// How many lines stood there before.
    replaced: u32,
    text: &'t str,
    /// Whether it has to be one job.
    one: bool,
}

/// A file whose keys are where they seem to be.
struct File<'s> {
    source: &'s str,
    entries: Vec<Entry>,
    /// How far the keys are indented.
    indent: usize,
}

impl<'s> File<'s> {
    fn read(source: &'s str) -> Result<Self, EditError> {
        let root = parse_shared(source)?;
        entries_of(&root, source)?;
        let place = root.place.clone();
        let entries = match root.value {
            raw::Value::Map(entries) => entries,
            _ => Vec::new(),
        };
        let file = Self {
            indent: entries
                .first()
                .map_or(0, |first| first.key_place.column as usize - 1),
            source,
            entries,
        };
        // Keys that a merge key or an alias brings along stand where they are defined.
        let mut before = 0;
        for entry in &file.entries {
            let start = entry.key_place.bytes.start;
            let line = file.line_start(start);
            let lead = source
                .get(line..start)
                .map(|lead| lead.trim_start_matches(BOM));
            let alone = lead.is_some_and(|lead| lead.bytes().all(|byte| byte == b' '));
            if start < before || !alone || !file.is_at(entry) {
                return Err(EditError::Form {
                    line: entry.key_place.line.max(place.line),
                    message: format!(
                        "the key {:?} does not begin a line of its own, or is taken in from elsewhere ('<<'); edit the file by hand",
                        entry.key
                    ),
                });
            }
            before = start + 1;
        }
        Ok(file)
    }

    /// Whether the key is written where the tree says that it is.
    fn is_at(&self, entry: &Entry) -> bool {
        let rest = self.source.get(entry.key_place.bytes.start..);
        rest.is_some_and(|rest| rest.starts_with(&entry.key) || rest.starts_with(['"', '\'', '&']))
            && entry.key_place.column as usize == self.indent + 1
    }

    fn find(&self, job: &str) -> Result<Option<usize>, EditError> {
        let found = || self.entries.iter().filter(|entry| entry.key == job);
        refuse_double(found())?;
        if job == SETTINGS || job == MAINTENANCE {
            return Ok(None);
        }
        Ok(self.entries.iter().position(|entry| entry.key == job))
    }

    fn line_start(&self, at: usize) -> usize {
        self.source[..at].rfind('\n').map_or(0, |end| end + 1)
    }

    /// The job's lines, without what comes before its key in the first.
    fn block(&self, index: usize) -> Result<Range<usize>, EditError> {
        let entry = &self.entries[index];
        let mut start = self.line_start(entry.key_place.bytes.start);
        if self.source[start..].starts_with(BOM) {
            start += BOM.len_utf8();
        }
        let limit = self
            .entries
            .get(index + 1)
            .map_or(self.source.len(), |next| {
                self.line_start(next.key_place.bytes.start)
            });
        let mut end = start;
        let mut at = start;
        for line in self.source[start..limit].split_inclusive('\n') {
            let first = at == start;
            at += line.len();
            let said = line.trim_end();
            let indent = said.len() - said.trim_start_matches(' ').len();
            if said.is_empty() || indent <= self.indent && said.trim_start().starts_with('#') {
                continue;
            }
            let is_marker = said == "..." || said.starts_with("... ") || said.starts_with("---");
            if !first && is_marker {
                break;
            }
            if !first && indent <= self.indent {
                return Err(EditError::Form {
                    line: line_at(self.source, at - line.len()),
                    message: format!(
                        "this line belongs to {:?} and is not indented; indent it, or edit the file by hand",
                        entry.key
                    ),
                });
            }
            end = at;
        }
        Ok(start..end)
    }

    /// `text` with the file's ends of lines, and with one at its end, or none where the file ends without.
    fn lines(&self, text: &str, ends: bool) -> String {
        let newline = if self.source.contains("\r\n") {
            "\r\n"
        } else {
            "\n"
        };
        let text = text.replace("\r\n", "\n");
        let mut lines = without_blank_end(&text).replace('\n', newline);
        if ends {
            lines.push_str(newline);
        }
        lines
    }

    /// What parts a text that is added from what is there.
    fn gap(&self) -> String {
        if self.source.trim_matches([BOM, '\n', '\r', ' ']).is_empty() {
            return String::new();
        }
        let newline = self.lines("", true);
        let ends_line = self.source.ends_with('\n');
        let ends_blank = self.source.ends_with("\n\n") || self.source.ends_with("\n\r\n");
        match (ends_line, ends_blank) {
            (_, true) => String::new(),
            (true, false) => newline,
            (false, false) => newline.repeat(2),
        }
    }

    /// Reads the changed file: what was put in are jobs, and all else says what it said. `from` is where in this file the
    /// change begins. Gives the jobs' names.
    fn verify(
        &self,
        changed: &str,
        from: usize,
        change: &Change,
    ) -> Result<Vec<String>, JobEditError> {
        let after = match File::read(changed) {
            Ok(after) => after,
            Err(error) => return Err(change.explain(&error)),
        };
        let is_new = |entry: &&Entry| change.bytes.contains(&entry.key_place.bytes.start);
        let new: Vec<&Entry> = after.entries.iter().filter(is_new).collect();
        let replaced = |entry: &&Entry| {
            change.one && self.line_start(entry.key_place.bytes.start) == self.line_start(from)
        };
        let mut old = self.entries.iter().filter(|entry| !replaced(entry));
        for entry in after.entries.iter().filter(|entry| !is_new(entry)) {
            let before = old.next();
            if before.is_none_or(|before| meaning(before) != meaning(entry)) {
                return Err(change.reaches(&entry.key));
            }
        }
        if let Some(lost) = old.next() {
            return Err(change.reaches(&lost.key));
        }
        if change.text.is_empty() {
            return Ok(Vec::new());
        }
        change.check_names(&new, &after)?;
        Ok(new.iter().map(|entry| entry.key.clone()).collect())
    }
}

impl Change<'_> {
    fn at(&self, line: u32, column: u32, message: String) -> JobEditError {
        JobEditError::Text {
            line: (line + 1).saturating_sub(self.lines.start).max(1),
            column,
            message,
        }
    }

    /// The number that a line of the changed file, outside of the change, has in the file as it is.
    fn before(&self, line: u32) -> u32 {
        if line < self.lines.end {
            line
        } else {
            line - self.lines.end + self.lines.start + self.replaced
        }
    }

    /// Why the file is no longer one that can be read.
    fn explain(&self, error: &EditError) -> JobEditError {
        // A quote that is not closed is found at the end of the file; alone, the text says better where.
        if let Err(SyntaxError { place, message }) = raw::parse(self.text)
            && !message.starts_with("'*' begins an alias")
        {
            return JobEditError::Text {
                line: place.line,
                column: place.column,
                message,
            };
        }
        let (line, column, message) = match error {
            EditError::Invalid {
                line,
                column,
                message,
            } => (*line, *column, message),
            EditError::Form { line, message } => (*line, 1, message),
        };
        if self.lines.contains(&line) {
            return self.at(line, column, message.clone());
        }
        let line = self.before(line);
        let message = format!("with this change the file cannot be read: line {line}: {message}");
        if self.text.is_empty() {
            return JobEditError::File(EditError::Form { line, message });
        }
        self.at(self.lines.start, 1, message)
    }

    /// Something else would change with it.
    fn reaches(&self, key: &str) -> JobEditError {
        let message = format!(
            "this would change what the file says of {key:?} too, which refers to it by an alias or is taken in by its text; edit the file by hand"
        );
        if self.text.is_empty() {
            let line = self.lines.start;
            return JobEditError::File(EditError::Form { line, message });
        }
        self.at(self.lines.start, 1, message)
    }

    /// What was put in has to be jobs, of names that nothing else in the file has.
    fn check_names(&self, new: &[&Entry], after: &File) -> Result<(), JobEditError> {
        let none = "a job is expected here: its name, and below it its keys, indented";
        let Some(first) = new.first() else {
            return Err(self.at(self.lines.start, 1, none.to_owned()));
        };
        if let (true, Some(second)) = (self.one, new.get(1)) {
            let place = &second.key_place;
            let message = format!(
                "a second job, {:?}, begins here, beside {:?}; this is the text of one job",
                second.key, first.key
            );
            return Err(self.at(place.line, place.column, message));
        }
        for entry in new {
            let place = &entry.key_place;
            if entry.key == SETTINGS || entry.key == MAINTENANCE {
                let message = format!("{:?} is no job, and is not edited here", entry.key);
                return Err(self.at(place.line, place.column, message));
            }
            if let Err(error) = JobName::new(entry.key.as_str()) {
                return Err(self.at(place.line, place.column, error.to_string()));
            }
            let other = |other: &&Entry| other.key == entry.key && other.key_place != *place;
            if let Some(other) = after.entries.iter().find(other) {
                let first = Place {
                    line: self.before(other.key_place.line),
                    ..other.key_place.clone()
                };
                let message = duplicate_message(&entry.key, &first);
                return Err(self.at(place.line, place.column, message));
            }
        }
        Ok(())
    }
}

/// `text` without the blank lines at its end. Spaces at the end of its last line may mean something.
fn without_blank_end(text: &str) -> &str {
    let said = text.trim_end_matches(['\n', ' ']);
    let rest = text.get(said.len()..).unwrap_or_default();
    let spaces = rest.find('\n').unwrap_or(rest.len());
    text.get(..said.len() + spaces).unwrap_or(said)
}

/// What some editors put before a text.
const BOM: char = '\u{feff}';

/// The line of the byte `at`, from 1.
fn line_at(text: &str, at: usize) -> u32 {
    let before = text.as_bytes().get(..at).unwrap_or_default();
    let lines = before.split(|&byte| byte == b'\n').count();
    u32::try_from(lines).unwrap_or(u32::MAX)
}
