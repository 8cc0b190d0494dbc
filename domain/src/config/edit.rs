//! Rewriting `saltpeter_maintenance` in a file, with everything else, comments first of all, left as it is.
//!
//! The text is never printed anew from a tree. Small replacements are made at the places that the tree names, and the result is read again: it is
//! handed out only if it says what was wanted and nothing else changed.

mod print;

use super::keys::{MAINTENANCE, MAINTENANCE_KEYS};
use super::raw::{self, Entry, Node, Value};
use super::reader::Reader;
use crate::maintenance::Maintenance;
use print::{block, flow_list, machines_line, normal, quote, scalars, unquoted};
use std::ops::Range;
use std::sync::Arc;

/// Why a file could not be edited. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The file is not valid as it is.
    #[error("line {line}, column {column}: {message}. Mend the file first")]
    Invalid {
        /// Line, counted from 1.
        line: u32,
        /// Column, counted from 1.
        column: u32,
        /// What is wrong.
        message: String,
    },
    /// It is written in a way that cannot be edited without loss.
    #[error("line {line}: {message}")]
    Form {
        /// Line, counted from 1.
        line: u32,
        /// What stands in the way, and how to write it.
        message: String,
    },
}

/// The text of a file with its `saltpeter_maintenance` saying `wanted`. Everything else stays byte for byte, and so do comments within the
/// key. A file without the key gets it at its end.
pub fn edit_maintenance(original: &str, wanted: &Maintenance) -> Result<String, EditError> {
    let root = parse(original)?;
    let mut editor = Editor::new(original);
    let empty = Vec::new();
    let entries = match &root.value {
        Value::Null => &empty,
        Value::Map(_) if editor.source[root.place.bytes.start..].starts_with('{') => {
            return Err(form(
                &root,
                "the file is one '{ }'; write its keys on lines of their own",
            ));
        }
        Value::Map(entries) => entries,
        other => {
            return Err(form(
                &root,
                &format!(
                    "expected a mapping of job names to jobs, found {}",
                    other.describe()
                ),
            ));
        }
    };
    match entries.iter().position(|entry| entry.key == MAINTENANCE) {
        None => editor.append(wanted),
        Some(index) => {
            let end = entries.get(index + 1).map_or(original.len(), |next| {
                editor.line_start(next.key_place.bytes.start)
            });
            editor.rewrite(&entries[index], end, wanted)?;
        }
    }
    let text = editor.finish();
    verify(&root, &text, wanted)?;
    Ok(text)
}

fn parse(text: &str) -> Result<Node, EditError> {
    raw::parse(text).map_err(|error| EditError::Invalid {
        line: error.place.line,
        column: error.place.column,
        message: error.message,
    })
}

fn form(node: &Node, message: &str) -> EditError {
    EditError::Form {
        line: node.place.line,
        message: message.to_owned(),
    }
}

/// Reads the edited text: the key says what was wanted, all other keys say what they said.
fn verify(before: &Node, text: &str, wanted: &Maintenance) -> Result<(), EditError> {
    let after = parse(text)?;
    let others = |root: &Node| -> Vec<String> {
        match &root.value {
            Value::Map(entries) => entries
                .iter()
                .filter(|entry| entry.key != MAINTENANCE)
                .map(meaning)
                .collect(),
            _ => Vec::new(),
        }
    };
    if read_maintenance(&after) == Some(normal(wanted)) && others(before) == others(&after) {
        return Ok(());
    }
    Err(form(
        before,
        &format!(
            "{MAINTENANCE} is written in a way that cannot be edited without loss; write its keys on lines of their own"
        ),
    ))
}

/// A key and its value without places.
fn meaning(entry: &Entry) -> String {
    fn show(node: &Node) -> String {
        match &node.value {
            Value::Null => "~".to_owned(),
            Value::Scalar(scalar) => format!("{scalar:?}"),
            Value::List(items) => format!("{:?}", items.iter().map(show).collect::<Vec<_>>()),
            Value::Map(entries) => format!("{:?}", entries.iter().map(meaning).collect::<Vec<_>>()),
        }
    }
    format!("{:?}={}", entry.key, show(&entry.value))
}

fn read_maintenance(root: &Node) -> Option<Maintenance> {
    let Value::Map(entries) = &root.value else {
        return None;
    };
    let entry = entries.iter().find(|entry| entry.key == MAINTENANCE)?;
    let mut state = Maintenance::default();
    let mut reader = Reader::new(Arc::from(""), None);
    let Value::Map(keys) = &entry.value.value else {
        return None;
    };
    for Entry { key, value, .. } in keys {
        if let Some(known) = MAINTENANCE_KEYS.iter().find(|known| known.info.name == key)
            && value.value != Value::Null
        {
            (known.read)(&mut state, value, &mut reader);
        }
    }
    (reader.error_count() == 0).then_some(state)
}

struct Editor<'s> {
    source: &'s str,
    newline: &'static str,
    /// What is replaced by what; kept in the order of the places, and of the requests where those are equal.
    splices: Vec<(Range<usize>, String)>,
}

impl<'s> Editor<'s> {
    fn new(source: &'s str) -> Self {
        let newline = if source.contains("\r\n") {
            "\r\n"
        } else {
            "\n"
        };
        Self {
            source,
            newline,
            splices: Vec::new(),
        }
    }

    fn finish(mut self) -> String {
        self.splices.sort_by_key(|(range, _)| range.start);
        let mut text = String::with_capacity(self.source.len() + 256);
        let mut from = 0;
        for (range, replacement) in self.splices {
            text.push_str(&self.source[from..range.start.max(from)]);
            text.push_str(&replacement);
            from = range.end.max(from);
        }
        text.push_str(&self.source[from..]);
        text
    }

    fn replace(&mut self, range: Range<usize>, text: impl Into<String>) {
        self.splices.push((range, text.into()));
    }

    /// Puts whole lines at `at`, the beginning of a line or the end of the text.
    fn insert_lines(&mut self, at: usize, lines: &[String]) {
        let mut text = String::new();
        if at > 0 && !self.source[..at].ends_with('\n') {
            text.push_str(self.newline);
        }
        for line in lines {
            text.push_str(line);
            text.push_str(self.newline);
        }
        self.replace(at..at, text);
    }

    fn line_start(&self, at: usize) -> usize {
        self.source[..at]
            .rfind('\n')
            .map_or(0, |newline| newline + 1)
    }

    /// The beginning of the next line.
    fn line_end(&self, at: usize) -> usize {
        self.source[at..]
            .find('\n')
            .map_or(self.source.len(), |newline| at + newline + 1)
    }

    fn append(&mut self, wanted: &Maintenance) {
        let mut lines = Vec::new();
        if !self.source.trim().is_empty() {
            lines.push(String::new());
        }
        lines.push(format!("{MAINTENANCE}:"));
        lines.extend(block(wanted, "  "));
        self.insert_lines(self.source.len(), &lines);
    }

    fn rewrite(
        &mut self,
        entry: &Entry,
        end: usize,
        wanted: &Maintenance,
    ) -> Result<(), EditError> {
        let node = &entry.value;
        match &node.value {
            Value::Null => {
                let at = self.line_end(entry.key_place.bytes.end);
                self.insert_lines(at, &block(wanted, "  "));
                Ok(())
            }
            Value::Map(_) if self.source[node.place.bytes.start..].starts_with('{') => {
                let flow = self.flow(node)?;
                // `key: {…} # note` becomes `key: # note` with the keys on lines of their own.
                let rest_of_line = self.source[flow.end..]
                    .lines()
                    .next()
                    .unwrap_or_default()
                    .trim_end()
                    .len();
                let after = self.line_end(flow.end);
                let at = if after == self.source.len() && !self.source.ends_with('\n') {
                    flow.end + rest_of_line
                } else {
                    after
                };
                let lead = self.source[..flow.start].trim_end_matches(' ').len();
                self.replace(lead..flow.end, "");
                self.insert_lines(at, &block(wanted, "  "));
                Ok(())
            }
            Value::Map(keys) => self.rewrite_block(keys, end, wanted),
            other => Err(form(
                node,
                &format!("{MAINTENANCE} is {} and not a mapping", other.describe()),
            )),
        }
    }

    fn rewrite_block(
        &mut self,
        keys: &[Entry],
        end: usize,
        wanted: &Maintenance,
    ) -> Result<(), EditError> {
        let Some(first) = keys.first() else {
            return Ok(());
        };
        let start = first.key_place.bytes.start;
        let indent = self.source[self.line_start(start)..start].to_owned();
        let extent = |editor: &Self, index: usize| {
            let limit = keys
                .get(index + 1)
                .map_or(end, |next| editor.line_start(next.key_place.bytes.start));
            editor.content_lines(keys[index].key_place.bytes.start, limit)
        };
        let last = extent(self, keys.len() - 1);
        let mut added = Vec::new();
        for (name, text) in scalars(wanted) {
            let found = keys.iter().position(|entry| entry.key == name);
            match (found, text) {
                (None, Some(text)) => added.push(format!("{indent}{name}: {text}")),
                (None, None) => {}
                (Some(index), None) => {
                    let lines = extent(self, index);
                    self.replace(lines, "");
                }
                (Some(index), Some(text)) => {
                    self.set_scalar(&keys[index], extent(self, index), name, &text, &indent)
                }
            }
        }
        match keys.iter().find(|entry| entry.key == "machines") {
            None => added.push(machines_line(wanted, &indent)),
            Some(entry) => self.set_machines(entry, wanted, &indent)?,
        }
        if !added.is_empty() {
            self.insert_lines(last.end, &added);
        }
        Ok(())
    }

    /// From the line of `start` to the end of the last line before `limit` that is not empty and no comment.
    fn content_lines(&self, start: usize, limit: usize) -> Range<usize> {
        let from = self.line_start(start);
        let mut end = self.line_end(start);
        let mut at = end;
        while at < limit {
            let next = self.line_end(at);
            let line = self.source[at..next].trim();
            if !line.is_empty() && !line.starts_with('#') {
                end = next;
            }
            at = next;
        }
        from..end
    }

    fn set_scalar(
        &mut self,
        entry: &Entry,
        lines: Range<usize>,
        name: &str,
        text: &str,
        indent: &str,
    ) {
        let place = &entry.value.place.bytes;
        let is_same = match &entry.value.value {
            Value::Scalar(scalar) => scalar.text == unquoted(text),
            _ => false,
        };
        let written = &self.source[place.clone()];
        if is_same && name != "global" || written == text {
            return;
        }
        if entry.value.value == Value::Null {
            let colon = entry.key_place.bytes.end
                + self.source[entry.key_place.bytes.end..]
                    .find(':')
                    .unwrap_or(0)
                + 1;
            self.replace(colon..colon, format!(" {text}"));
        } else if written.is_empty() || written.contains('\n') || written.starts_with(['|', '>']) {
            self.replace(lines, format!("{indent}{name}: {text}{}", self.newline));
        } else {
            self.replace(place.clone(), text);
        }
    }

    fn set_machines(
        &mut self,
        entry: &Entry,
        wanted: &Maintenance,
        indent: &str,
    ) -> Result<(), EditError> {
        let node = &entry.value;
        let colon = entry.key_place.bytes.end
            + self.source[entry.key_place.bytes.end..]
                .find(':')
                .unwrap_or(0)
            + 1;
        let Value::List(items) = &node.value else {
            if node.value != Value::Null {
                return Err(form(node, "machines is not a list"));
            }
            let list = flow_list(wanted);
            self.replace(colon..colon, format!(" {list}"));
            return Ok(());
        };
        let mut missing = wanted.machines.clone();
        let mut kept = Vec::new();
        let mut dropped = Vec::new();
        for item in items {
            let name = match &item.value {
                Value::Scalar(scalar) => scalar.text.as_str(),
                _ => "",
            };
            if missing.remove(name) {
                kept.push(item)
            } else {
                dropped.push(item)
            }
        }
        if missing.is_empty() && dropped.is_empty() {
            return Ok(());
        }
        if self.source[node.place.bytes.start..].starts_with('[') {
            let flow = self.flow(node)?;
            self.replace(flow, flow_list(wanted));
            return Ok(());
        }
        for item in dropped {
            let start = self.line_start(item.place.bytes.start);
            self.replace(start..self.line_end(item.place.bytes.end), "");
        }
        if wanted.machines.is_empty() {
            self.replace(colon..colon, " []");
        } else if let Some(last) = items.last() {
            let start = self.line_start(last.place.bytes.start);
            let lead = &self.source[start..last.place.bytes.start];
            let lead = if lead.trim() == "-" {
                lead.to_owned()
            } else {
                format!("{indent}- ")
            };
            let lines: Vec<String> = missing
                .iter()
                .map(|id| format!("{lead}{}", quote(id.as_str())))
                .collect();
            if !lines.is_empty() {
                self.insert_lines(self.line_end(last.place.bytes.end), &lines);
            }
        }
        Ok(())
    }

    /// The whole of a `[ ]` or `{ }`, of which the tree knows the beginning.
    fn flow(&self, node: &Node) -> Result<Range<usize>, EditError> {
        let start = node.place.bytes.start;
        let mut depth = 0_usize;
        let mut quote = None;
        let mut before = ' ';
        for (at, sign) in self.source[start..].char_indices() {
            match (quote, sign) {
                (Some('"'), _) if before == '\\' => {
                    before = ' ';
                    continue;
                }
                (Some(open), _) if sign == open => quote = None,
                (None, '"' | '\'') if matches!(before, ' ' | '[' | '{' | ',' | '\n') => {
                    quote = Some(sign)
                }
                (None, '[' | '{') => depth += 1,
                (None, ']' | '}') => {
                    depth -= 1;
                    if depth == 0 {
                        return Ok(start..start + at + 1);
                    }
                }
                (None, '#') if before.is_whitespace() => {
                    let opening = &self.source[start..=start];
                    return Err(form(
                        node,
                        &format!(
                            "there is a comment within '{opening}'; write the list with one item a line, or move the comment"
                        ),
                    ));
                }
                (Some(_) | None, _) => {}
            }
            before = sign;
        }
        Err(form(node, "a bracket is not closed"))
    }
}
