//! From nodes to typed values, with every problem noted at its place.

use super::raw::{Node, Place, Scalar, ScalarKind, Value};
use super::{Problem, Severity};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

/// Reads the values of one job, or of one of the special keys, and collects what is wrong with them.
#[derive(Debug)]
pub(crate) struct Reader {
    file: Arc<str>,
    job: Option<String>,
    /// The key whose value is being read.
    key: &'static str,
    problems: Vec<Problem>,
}

impl Reader {
    pub(crate) fn new(file: Arc<str>, job: Option<String>) -> Self {
        Self {
            file,
            job,
            key: "",
            problems: Vec::new(),
        }
    }

    /// From now on values of `key` are read.
    pub(crate) fn enter(&mut self, key: &'static str) {
        self.key = key;
    }

    pub(crate) fn error_count(&self) -> usize {
        self.problems
            .iter()
            .filter(|problem| problem.severity == Severity::Error)
            .count()
    }

    pub(crate) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    fn note(&mut self, place: &Place, severity: Severity, message: String) {
        self.problems.push(Problem {
            file: Arc::clone(&self.file),
            line: place.line,
            column: place.column,
            severity,
            message,
            job: self.job.clone(),
        });
    }

    pub(crate) fn error(&mut self, place: &Place, message: impl Into<String>) {
        self.note(place, Severity::Error, message.into());
    }

    pub(crate) fn warn(&mut self, place: &Place, message: impl Into<String>) {
        self.note(place, Severity::Warning, message.into());
    }

    /// Notes that the value of the present key is not what was expected.
    pub(crate) fn expected(&mut self, node: &Node, what: &str) {
        let message = format!(
            "{}: expected {what}, found {}",
            self.key,
            node.value.describe()
        );
        self.error(&node.place, message);
    }

    fn scalar<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n Scalar> {
        if let Value::Scalar(scalar) = &node.value {
            Some(scalar)
        } else {
            self.expected(node, what);
            None
        }
    }

    /// Any scalar as its text, without NUL characters.
    pub(crate) fn text(&mut self, node: &Node) -> Option<String> {
        let scalar = self.scalar(node, "text")?;
        if scalar.text.contains('\0') {
            let message = format!("{}: may not have a NUL character in it", self.key);
            self.error(&node.place, message);
            return None;
        }
        Some(scalar.text.clone())
    }

    /// Text with something in it.
    pub(crate) fn word(&mut self, node: &Node) -> Option<String> {
        let text = self.text(node)?;
        if text.trim().is_empty() {
            let message = format!("{}: is empty", self.key);
            self.error(&node.place, message);
            return None;
        }
        Some(text)
    }

    pub(crate) fn bool(&mut self, node: &Node) -> Option<bool> {
        if let Value::Scalar(Scalar {
            kind: ScalarKind::Bool(value),
            ..
        }) = &node.value
        {
            return Some(*value);
        }
        self.expected(node, "true or false");
        None
    }

    fn integer(&mut self, node: &Node, high: u64, what: &str) -> Option<u64> {
        let scalar = self.scalar(node, what)?;
        match scalar.text.parse::<u64>() {
            Ok(value) if value <= high => Some(value),
            _ => {
                self.expected(node, what);
                None
            }
        }
    }

    /// A number of machines; `None` for 0, which stands for all, and for what is no number.
    pub(crate) fn machines(&mut self, node: &Node) -> Option<NonZeroU32> {
        let value = self.integer(node, u64::from(u32::MAX), "a whole number, 0 for all")?;
        NonZeroU32::new(value as u32)
    }

    pub(crate) fn count(&mut self, node: &Node) -> Option<u32> {
        self.integer(node, u64::from(u32::MAX), "a whole number")
            .map(|value| value as u32)
    }

    pub(crate) fn port(&mut self, node: &Node) -> Option<u16> {
        self.integer(node, u64::from(u16::MAX), "a port number, 0–65535")
            .map(|value| value as u16)
    }

    /// Whole seconds, up to ten years.
    pub(crate) fn seconds(&mut self, node: &Node) -> Option<Duration> {
        const TEN_YEARS: u64 = 10 * 366 * 86_400;
        self.integer(
            node,
            TEN_YEARS,
            "a whole number of seconds (ten years at most)",
        )
        .map(Duration::from_secs)
    }

    /// One of `choices`, by its word.
    pub(crate) fn choice<T: Copy>(&mut self, node: &Node, choices: &[(&str, T)]) -> Option<T> {
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let what = format!("one of {}", words.join(", "));
        let scalar = self.scalar(node, &what)?;
        let found = choices.iter().find(|(word, _)| *word == scalar.text);
        if found.is_none() {
            self.expected(node, &what);
        }
        found.map(|(_, value)| *value)
    }

    /// A list of texts.
    pub(crate) fn texts<'n>(
        &mut self,
        node: &'n Node,
        what: &str,
    ) -> Option<Vec<(String, &'n Place)>> {
        let Value::List(items) = &node.value else {
            self.expected(node, what);
            return None;
        };
        let mut texts = Vec::with_capacity(items.len());
        let mut all_good = true;
        for item in items {
            match self.text(item) {
                Some(text) => texts.push((text, &item.place)),
                None => all_good = false,
            }
        }
        all_good.then_some(texts)
    }
}
