//! YAML as written: a tree in which every value and key knows its place.
//!
//! Scalars keep their text (`05`, `off`, `1.50`), so that what a value means is decided by the key it stands under and never by
//! the guesses of YAML.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy, NonFiniteFloatPolicy};
use serde_saphyr::{Error, Location, Spanned};
use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

/// A place in a file. Line and column count from 1, the column in characters; `bytes` is the text there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) line: u32,
    pub(crate) column: u32,
    pub(crate) bytes: Range<usize>,
}

impl Place {
    /// The beginning of a file.
    pub(crate) const START: Self = Self {
        line: 1,
        column: 1,
        bytes: 0..0,
    };
}

/// A value and its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) place: Place,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A scalar's text and what YAML takes it for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    pub(crate) kind: ScalarKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ScalarKind {
    Bool(bool),
    Number,
    Text,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_place: Place,
    pub(crate) value: Node,
}

impl Value {
    /// What it is, for messages.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Null => "nothing".to_owned(),
            Self::Scalar(scalar) => {
                let shown: String = scalar.text.chars().take(40).collect();
                let dots = if scalar.text.chars().count() > 40 {
                    "…"
                } else {
                    ""
                };
                format!("{shown:?}{dots}")
            }
            Self::List(_) => "a list".to_owned(),
            Self::Map(_) => "a mapping".to_owned(),
        }
    }
}

/// Why a file is no YAML that can be read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SyntaxError {
    pub(crate) place: Place,
    pub(crate) message: String,
}

/// Most anchors and aliases of a file.
const MAX_ALIASES: usize = 100_000;
/// How much aliases may stand for in all, in events of the parser: two for a mapping or a list, one for a scalar. Seven
/// thousand jobs that share ten keys each come to this.
const MAX_REPLAYED: usize = 150_000;
/// Bytes of text in a file, each time that it is said.
const MAX_TEXT: usize = 16 * 1024 * 1024;
/// How much they may stand for in a small file, and how much more for each of its bytes: what means far more than it says
/// is no configuration. A job that takes in what it shares has forty bytes at least.
const REPLAYED_AT_LEAST: usize = 10_000;
const REPLAYED_FOR_A_BYTE: usize = 1;

/// Reads a file; what aliases (`*name`) and merge keys (`<<`) stand for is in their place. Whether keys are unique is left
/// to the caller, who can report all of them.
pub(crate) fn parse(text: &str) -> Result<Node, SyntaxError> {
    parse_with(text, MAX_ALIASES)
}

/// Reads a file in which every value stands where it belongs, so that it can be edited there. Aliases are errors.
pub(crate) fn parse_plain(text: &str) -> Result<Node, SyntaxError> {
    parse_with(text, 0)
}

fn parse_with(text: &str, max_aliases: usize) -> Result<Node, SyntaxError> {
    let max_replayed = (REPLAYED_AT_LEAST + REPLAYED_FOR_A_BYTE * text.len()).min(MAX_REPLAYED);
    // Far above what a directory of ten thousand jobs in one file needs. What aliases stand for counts each time.
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_anchors: max_aliases,
            max_aliases: max_aliases,
            // Many aliases of one anchor are what defaults are for.
            enforce_alias_anchor_ratio: false,
            max_merge_keys: max_aliases,
            max_recorded_anchor_events: max_replayed,
            max_total_scalar_bytes: MAX_TEXT,
            max_depth: 32,
            max_nodes: 2_000_000,
            max_events: 6_000_000,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: max_replayed,
        },
        emit_comments: false,
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        merge_keys: MergeKeyPolicy::AsOrdinary,
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
    };
    let tree: Placed = serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| explain(text, &error))?;
    into_node(text, tree)
}

fn explain(text: &str, error: &Error) -> SyntaxError {
    let error = error.without_snippet();
    let place = error
        .location()
        .map_or(Place::START, |location| place_of(&location));
    let message = match error {
        Error::Budget {
            breach: BudgetBreach::Anchors { .. } | BudgetBreach::Aliases { .. },
            ..
        } => "this file cannot be edited from here, for it has anchors or aliases ('&name', '*name'); edit it by hand"
            .to_owned(),
        Error::Budget {
            breach: BudgetBreach::Depth { .. },
            ..
        } => "nested too deeply (32 levels at most)".to_owned(),
        Error::MultipleDocuments { .. } => {
            "a second document ('---') begins here; a file is one mapping".to_owned()
        }
        other if is_too_much(other) => {
            "what the aliases up to here stand for is too much; write less by way of aliases"
                .to_owned()
        }
        Error::Budget { .. } => "too much for one file; divide it into several".to_owned(),
        _ if char_at(text, &place) == Some('*') => {
            "'*' begins an alias, and nothing of that name comes before it; a cron field or a pattern that begins with '*' needs quotes"
                .to_owned()
        }
        other => {
            let full = other.to_string();
            let message = match full.rfind(" at line ") {
                Some(end) => &full[..end],
                None => &full,
            };
            let hint = match char_at(text, &place) {
                Some(sign @ ('@' | '`' | '%')) => {
                    format!("; a value that begins with '{sign}' needs quotes")
                }
                Some('\t') => "; YAML is indented with spaces, not tabs".to_owned(),
                _ => String::new(),
            };
            format!("not valid YAML: {message}{hint}")
        }
    };
    SyntaxError { place, message }
}

/// Whether an alias stands for more than a file may say.
fn is_too_much(error: &Error) -> bool {
    match error {
        Error::AliasReplayLimitExceeded { .. } => true,
        Error::AliasError { error, .. } => {
            is_too_much(error) || matches!(**error, Error::Budget { .. })
        }
        _ => false,
    }
}

fn char_at(text: &str, place: &Place) -> Option<char> {
    let line = text.lines().nth(place.line.checked_sub(1)? as usize)?;
    line.chars().nth(place.column.checked_sub(1)? as usize)
}

fn place_of(location: &Location) -> Place {
    let span = location.span();
    let start = span.byte_offset().unwrap_or(0) as usize;
    let length = span.byte_len().unwrap_or(0) as usize;
    Place {
        line: u32::try_from(location.line()).unwrap_or(u32::MAX).max(1),
        column: u32::try_from(location.column()).unwrap_or(u32::MAX).max(1),
        bytes: start..start + length,
    }
}

/// The tree as the deserializer hands it over.
enum Written {
    Null,
    Bool(bool),
    Number,
    Text(String),
    List(Vec<Placed>),
    Map(Vec<(Placed, Placed)>),
}

/// The same with its place. What `Spanned` knows beside that takes thrice the memory.
struct Placed {
    written: Written,
    place: Place,
}

impl<'de> Deserialize<'de> for Placed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value, defined, .. } = Spanned::<Written>::deserialize(deserializer)?;
        Ok(Self {
            written: value,
            place: place_of(&defined),
        })
    }
}

struct WrittenVisitor;

impl<'de> Visitor<'de> for WrittenVisitor {
    type Value = Written;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Written, E> {
        Ok(Written::Bool(value))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Written, E> {
        Ok(Written::Number)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Written, E> {
        Ok(Written::Number)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Written, E> {
        Ok(Written::Number)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Written, E> {
        Ok(Written::Number)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Written, E> {
        Ok(Written::Number)
    }

    fn visit_str<E>(self, text: &str) -> Result<Written, E> {
        Ok(Written::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Written, E> {
        Ok(Written::Text(text))
    }

    fn visit_unit<E>(self) -> Result<Written, E> {
        Ok(Written::Null)
    }

    fn visit_none<E>(self) -> Result<Written, E> {
        Ok(Written::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Written, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Written, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Written::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Written, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Written::Map(entries))
    }
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WrittenVisitor)
    }
}

fn into_node(source: &str, Placed { written, place }: Placed) -> Result<Node, SyntaxError> {
    let as_written = || {
        source
            .get(place.bytes.clone())
            .unwrap_or_default()
            .to_owned()
    };
    let value = match written {
        Written::Null => Value::Null,
        Written::Bool(value) => Value::Scalar(Scalar {
            text: as_written(),
            kind: ScalarKind::Bool(value),
        }),
        Written::Number => Value::Scalar(Scalar {
            text: as_written(),
            kind: ScalarKind::Number,
        }),
        Written::Text(text) => Value::Scalar(Scalar {
            text,
            kind: ScalarKind::Text,
        }),
        Written::List(items) => {
            let items: Result<_, _> = items
                .into_iter()
                .map(|item| into_node(source, item))
                .collect();
            Value::List(items?)
        }
        Written::Map(entries) => {
            let entries: Result<_, _> = entries
                .into_iter()
                .map(|(key, value)| into_entry(source, key, value))
                .collect();
            Value::Map(merged(entries?)?)
        }
    };
    Ok(Node { value, place })
}

/// The entries with those in place of a merge key that it stands for. What is written beside it goes before, and of
/// several mappings the earlier one.
fn merged(entries: Vec<Entry>) -> Result<Vec<Entry>, SyntaxError> {
    let (merges, mut own): (Vec<_>, Vec<_>) =
        entries.into_iter().partition(|entry| entry.key == "<<");
    if merges.is_empty() {
        return Ok(own);
    }
    let mut known: HashSet<String> = own.iter().map(|entry| entry.key.clone()).collect();
    for merge in merges {
        let mappings = match merge.value.value {
            Value::List(items) => items,
            _ => vec![merge.value],
        };
        for mapping in mappings {
            let Value::Map(others) = mapping.value else {
                return Err(SyntaxError {
                    place: merge.key_place,
                    message: format!(
                        "'<<' takes in a mapping such as *name, or a list of them, not {}",
                        mapping.value.describe()
                    ),
                });
            };
            for other in others {
                if known.insert(other.key.clone()) {
                    own.push(other);
                }
            }
        }
    }
    Ok(own)
}

fn into_entry(source: &str, key: Placed, value: Placed) -> Result<Entry, SyntaxError> {
    let key = into_node(source, key)?;
    match key.value {
        Value::Scalar(scalar) => Ok(Entry {
            key: scalar.text,
            key_place: key.place,
            value: into_node(source, value)?,
        }),
        other => Err(SyntaxError {
            place: key.place,
            message: format!("a key must be text, not {}", other.describe()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scalar(text: &str) -> String {
        let Value::Map(mut entries) = parse(text).unwrap().value else {
            panic!("{text}")
        };
        match entries.remove(0).value.value {
            Value::Scalar(scalar) => scalar.text,
            other => other.describe(),
        }
    }

    #[test]
    fn scalars_keep_their_text() {
        for (yaml, text) in [
            ("a: 05", "05"),
            ("a: off", "off"),
            ("a: 1.50", "1.50"),
            ("a: 99999999999999999999999", "99999999999999999999999"),
            ("a: 'it''s'", "it's"),
            ("a: \"x\\ty\"", "x\ty"),
            ("a: |\n  x\n  y\n", "x\ny\n"),
            ("a: x\n  y", "x y"),
            ("a: .nan", ".nan"),
            ("a: ~", "nothing"),
        ] {
            assert_eq!(scalar(yaml), text, "{yaml}");
        }
    }
}
