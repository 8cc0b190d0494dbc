//! Tests on what is known of a machine.

use super::glob;
use crate::config::Grains;
use crate::network::Network;
use regex::Regex;
use serde_json::Value;
use std::borrow::Cow;

/// Divisions that are tried, at most: each holds all names before it.
const MAX_DIVISIONS: usize = 32;

/// What the value of a grain is held against.
#[derive(Debug, Clone)]
pub(super) enum Pattern {
    Glob(String),
    Regex(Regex),
}

impl Pattern {
    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Glob(pattern) => glob::matches(pattern, text),
            Self::Regex(regex) => regex.is_match(text),
        }
    }
}

/// `name:pattern`, `name:inner:pattern` and so on. As the name may have `:` in it, and the pattern too, every division
/// is tried; each has a pattern of its own.
#[derive(Debug, Clone)]
pub(super) struct GrainTest {
    /// The names up to a division, and the pattern after it.
    divisions: Vec<(Vec<String>, Pattern)>,
}

impl GrainTest {
    /// Reads `text` with `pattern` for what comes after a division.
    pub(super) fn parse(
        text: &str,
        pattern: impl Fn(&str) -> Result<Pattern, String>,
    ) -> Result<Self, String> {
        let parts: Vec<&str> = text.split(':').collect();
        if parts.len() < 2 || parts[0].is_empty() {
            return Err(format!(
                "{text:?} is not of the form 'name:pattern', such as 'os:Debian'"
            ));
        }
        if parts.len() > MAX_DIVISIONS + 1 {
            return Err(format!(
                "a test on a grain has at most {MAX_DIVISIONS} ':', not {}",
                parts.len() - 1
            ));
        }
        let mut divisions = Vec::new();
        for at in 1..parts.len() {
            let names = parts[..at].iter().map(|&name| name.to_owned()).collect();
            divisions.push((names, pattern(&parts[at..].join(":"))?));
        }
        Ok(Self { divisions })
    }

    pub(super) fn matches(&self, grains: &Grains) -> bool {
        self.divisions.iter().any(|(names, pattern)| {
            find(grains, names).is_some_and(|value| value_matches(value, pattern))
        })
    }

    /// Why `grains` do not match.
    pub(super) fn why_not(&self, grains: &Grains) -> String {
        let name = self.divisions[0].0.join(":");
        // The longest division that exists says most.
        match self
            .divisions
            .iter()
            .rev()
            .find_map(|(names, _)| Some((names, find(grains, names)?)))
        {
            Some((names, value)) => format!("its grain {} is {}", names.join(":"), show(value)),
            None => format!("it has no grain {name}"),
        }
    }
}

fn find<'g>(grains: &'g Grains, names: &[String]) -> Option<&'g Value> {
    let (first, rest) = names.split_first()?;
    // A name may have the divider in it itself.
    let whole = names.join(":");
    if let Some(value) = grains.get(&whole) {
        return Some(value);
    }
    rest.iter()
        .try_fold(grains.get(first)?, |value, name| match value {
            Value::Object(map) => map.get(name),
            Value::Array(items) => {
                let index = name
                    .parse::<usize>()
                    .ok()
                    .and_then(|index| items.get(index));
                index.or_else(|| items.iter().find_map(|item| item.get(name)))
            }
            _ => None,
        })
}

fn value_matches(value: &Value, pattern: &Pattern) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|item| value_matches(item, pattern)),
        // A mapping matches by one of its keys.
        Value::Object(map) => map.keys().any(|key| pattern.matches(key)),
        // Salt writes them as Python does; people write them as YAML does.
        Value::Bool(value) => {
            let python = if *value { "True" } else { "False" };
            pattern.matches(python) || pattern.matches(&value.to_string())
        }
        Value::Null => pattern.matches("None"),
        other => pattern.matches(&text(other)),
    }
}

fn text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    }
}

fn show(value: &Value) -> String {
    let shown = text(value);
    if shown.chars().count() > 60 {
        format!("{}…", shown.chars().take(60).collect::<String>())
    } else {
        shown.into_owned()
    }
}

/// Whether one of the addresses in the grains `ipv4` and `ipv6` belongs to `network`.
pub(super) fn is_within(grains: &Grains, network: &Network) -> bool {
    let addresses = ["ipv4", "ipv6"]
        .into_iter()
        .filter_map(|name| grains.get(name));
    let mut texts = addresses.flat_map(|value| match value {
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        Value::String(text) => vec![text.as_str()],
        _ => Vec::new(),
    });
    texts.any(|text| text.parse().is_ok_and(|address| network.contains(address)))
}
