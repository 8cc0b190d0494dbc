//! Small replacements in a text, at the places that its tree names.

use super::print::{block, flow_list, list_line, lists, quote, scalars, unquoted};
use super::{EditError, form};
use crate::config::keys::MAINTENANCE;
use crate::config::raw::{Entry, Node, Value};
use crate::maintenance::Maintenance;
use std::collections::BTreeSet;
use std::ops::Range;

pub(super) struct Editor<'s> {
    pub(super) source: &'s str,
    newline: &'static str,
    /// What is replaced by what; kept in the order of the places, and of the requests where those are equal.
    splices: Vec<(Range<usize>, String)>,
}

impl<'s> Editor<'s> {
    pub(super) fn new(source: &'s str) -> Self {
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

    pub(super) fn finish(mut self) -> String {
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

    pub(super) fn line_start(&self, at: usize) -> usize {
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

    pub(super) fn append(&mut self, wanted: &Maintenance) {
        let mut lines = Vec::new();
        if !self.source.trim().is_empty() {
            lines.push(String::new());
        }
        lines.push(format!("{MAINTENANCE}:"));
        lines.extend(block(wanted, "  "));
        self.insert_lines(self.source.len(), &lines);
    }

    pub(super) fn rewrite(
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
                    self.set_scalar(&keys[index], extent(self, index), name, &text, &indent);
                }
            }
        }
        for (name, items) in lists(wanted) {
            match keys.iter().find(|entry| entry.key == name) {
                None => added.extend(list_line(name, &items, &indent)),
                Some(entry) => self.set_list(entry, &items, &indent)?,
            }
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

    fn set_list(
        &mut self,
        entry: &Entry,
        wanted: &BTreeSet<String>,
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
                return Err(form(node, &format!("{} is not a list", entry.key)));
            }
            let list = flow_list(wanted);
            self.replace(colon..colon, format!(" {list}"));
            return Ok(());
        };
        let mut missing = wanted.clone();
        let mut dropped = Vec::new();
        for item in items {
            let name = match &item.value {
                Value::Scalar(scalar) => scalar.text.as_str(),
                _ => "",
            };
            if !missing.remove(name) {
                dropped.push(item);
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
        if wanted.is_empty() {
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
                .map(|item| format!("{lead}{}", quote(item)))
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
                    quote = Some(sign);
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
