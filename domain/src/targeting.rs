//! Which machines a job is for.
//!
//! Expressions are Salt's. Salt's own executors hand them on; the local executor matches them here, where the same meanings
//! hold: shell patterns cover the whole name, regular expressions its beginning.

mod compound;
mod glob;
mod grain;

use crate::config::Grains;
use crate::maintenance::Maintenance;
use crate::network::Network;
use grain::{GrainTest, Pattern, is_within};
use regex::Regex;
use saltpeter_protocol::{MachineId, UnixMillis};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// How a target expression is read; the words are Salt's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetType {
    /// Shell pattern on the machine's name.
    #[default]
    Glob,
    /// Regular expression on the machine's name.
    Pcre,
    /// Names.
    List,
    /// Shell pattern on a grain.
    Grain,
    /// Regular expression on a grain.
    GrainPcre,
    /// Shell pattern on a pillar value.
    Pillar,
    /// A group that Salt's master defines.
    Nodegroup,
    /// Address or network.
    #[serde(rename = "ipcidr")]
    IpCidr,
    /// Several of these with `and`, `or`, `not` and parentheses.
    Compound,
}

impl TargetType {
    /// The word that stands for it in a file and in Salt.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Glob => "glob",
            Self::Pcre => "pcre",
            Self::List => "list",
            Self::Grain => "grain",
            Self::GrainPcre => "grain_pcre",
            Self::Pillar => "pillar",
            Self::Nodegroup => "nodegroup",
            Self::IpCidr => "ipcidr",
            Self::Compound => "compound",
        }
    }
}

/// A target expression, checked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct TargetExpr {
    target_type: TargetType,
    text: String,
    matcher: Matcher,
}

impl PartialEq for TargetExpr {
    fn eq(&self, other: &Self) -> bool {
        // The matcher follows from these.
        self.target_type == other.target_type && self.text == other.text
    }
}

impl Eq for TargetExpr {}

#[derive(Serialize, Deserialize)]
struct Written {
    target_type: TargetType,
    text: String,
}

/// Why a text is not a target expression. The message is for the person who wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TargetError {
    /// Where in the expression, in characters from 0.
    pub offset: usize,
    /// What is wrong and what was expected.
    pub message: String,
}

/// Why an expression cannot be matched without Salt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{what} can only be matched by Salt; the local executor knows glob, pcre, list, grain, grain_pcre, ipcidr and compound"
)]
pub struct NeedsSalt {
    what: &'static str,
}

/// Whether a run would take a machine, and why not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Verdict {
    /// It would.
    Taken,
    /// It matches and is under maintenance.
    Maintenance,
    /// It does not match.
    NotMatched {
        /// Why, as the end of a sentence that begins with the machine.
        reason: String,
    },
}

#[derive(Debug, Clone)]
enum Matcher {
    Glob(String),
    Pcre(Regex),
    List(BTreeSet<String>),
    Grain(GrainTest),
    Network(Network),
    SaltOnly(&'static str),
    Not(Box<Self>),
    All(Vec<Self>),
    Any(Vec<Self>),
}

impl TargetExpr {
    /// Reads `text` as `target_type`. A list is its names with commas between.
    pub fn parse(target_type: TargetType, text: &str) -> Result<Self, TargetError> {
        if text.trim().is_empty() {
            return Err(TargetError {
                offset: 0,
                message: "the expression is empty; '*' means every machine".to_owned(),
            });
        }
        let matcher = match target_type {
            TargetType::Compound => compound::parse(text)?,
            other => {
                simple(other, text.trim()).map_err(|message| TargetError { offset: 0, message })?
            }
        };
        Ok(Self {
            target_type,
            text: text.to_owned(),
            matcher,
        })
    }

    /// How it is read.
    pub fn target_type(&self) -> TargetType {
        self.target_type
    }

    /// The expression as written; a list is its names with commas between.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it can be matched without Salt.
    pub fn check_local(&self) -> Result<(), NeedsSalt> {
        match self.matcher.salt_only() {
            Some(what) => Err(NeedsSalt { what }),
            None => Ok(()),
        }
    }

    /// Whether it is for the machine `id` with these grains.
    pub fn matches(&self, id: &MachineId, grains: &Grains) -> Result<bool, NeedsSalt> {
        self.check_local()?;
        Ok(self.matcher.matches(id.as_str(), grains))
    }

    /// Those of `machines` that it is for, in their order.
    pub fn select<'m>(
        &self,
        machines: impl IntoIterator<Item = (&'m MachineId, &'m Grains)>,
    ) -> Result<Vec<MachineId>, NeedsSalt> {
        self.check_local()?;
        let taken = machines
            .into_iter()
            .filter(|(id, grains)| self.matcher.matches(id.as_str(), grains));
        Ok(taken.map(|(id, _)| id.clone()).collect())
    }

    /// What a run at `now` would do with each of `machines`.
    pub fn explain<'m>(
        &self,
        machines: impl IntoIterator<Item = (&'m MachineId, &'m Grains)>,
        maintenance: &Maintenance,
        now: UnixMillis,
    ) -> Result<Vec<(MachineId, Verdict)>, NeedsSalt> {
        self.check_local()?;
        let verdict =
            |id: &MachineId, grains: &Grains| match self.matcher.why_not(id.as_str(), grains) {
                Some(reason) => Verdict::NotMatched { reason },
                None if maintenance.covers(id, now) => Verdict::Maintenance,
                None => Verdict::Taken,
            };
        Ok(machines
            .into_iter()
            .map(|(id, grains)| (id.clone(), verdict(id, grains)))
            .collect())
    }
}

/// Reads everything but a compound expression.
fn simple(target_type: TargetType, text: &str) -> Result<Matcher, String> {
    if text.is_empty() {
        return Err("the expression is empty".to_owned());
    }
    Ok(match target_type {
        TargetType::Glob | TargetType::Compound => Matcher::Glob(text.to_owned()),
        TargetType::Pcre => Matcher::Pcre(regex(text)?),
        TargetType::List => {
            let names: BTreeSet<String> =
                text.split(',').map(|name| name.trim().to_owned()).collect();
            if names.contains("") {
                return Err("there is a comma too many in the list".to_owned());
            }
            Matcher::List(names)
        }
        TargetType::Grain => Matcher::Grain(GrainTest::parse(text, |rest| {
            Ok(Pattern::Glob(rest.to_owned()))
        })?),
        TargetType::GrainPcre => Matcher::Grain(GrainTest::parse(text, |rest| {
            regex(rest).map(Pattern::Regex)
        })?),
        TargetType::IpCidr => Matcher::Network(Network::parse(text)?),
        TargetType::Pillar => Matcher::SaltOnly("a pillar value"),
        TargetType::Nodegroup => Matcher::SaltOnly("a nodegroup"),
    })
}

/// A regular expression that matches from the beginning, as Python's `re.match` does.
fn regex(text: &str) -> Result<Regex, String> {
    // On its own first, so that a stray ')' cannot close the group below.
    let explain = |error: regex::Error| {
        let full = error.to_string();
        let last = full.lines().last().unwrap_or_default();
        let reason = last.strip_prefix("error: ").unwrap_or(last);
        format!("{text:?} is not a regular expression: {reason}")
    };
    Regex::new(text).map_err(explain)?;
    Regex::new(&format!(r"\A(?:{text})")).map_err(explain)
}

impl Matcher {
    fn salt_only(&self) -> Option<&'static str> {
        match self {
            Self::SaltOnly(what) => Some(what),
            Self::Not(inner) => inner.salt_only(),
            Self::All(parts) | Self::Any(parts) => parts.iter().find_map(Self::salt_only),
            _ => None,
        }
    }

    fn matches(&self, id: &str, grains: &Grains) -> bool {
        match self {
            Self::Glob(pattern) => glob::matches(pattern, id),
            Self::Pcre(regex) => regex.is_match(id),
            Self::List(names) => names.contains(id),
            Self::Grain(test) => test.matches(grains),
            Self::Network(network) => is_within(grains, network),
            Self::SaltOnly(_) => false,
            Self::Not(inner) => !inner.matches(id, grains),
            Self::All(parts) => parts.iter().all(|part| part.matches(id, grains)),
            Self::Any(parts) => parts.iter().any(|part| part.matches(id, grains)),
        }
    }

    /// Why it does not match; `None` when it does.
    fn why_not(&self, id: &str, grains: &Grains) -> Option<String> {
        if self.matches(id, grains) {
            return None;
        }
        Some(match self {
            Self::Glob(pattern) => format!("its name does not match {pattern}"),
            Self::Pcre(_) => "its name does not match the regular expression".to_owned(),
            Self::List(_) => "it is not in the list".to_owned(),
            Self::Grain(test) => test.why_not(grains),
            Self::Network(_) => "it has no such address".to_owned(),
            Self::SaltOnly(what) => format!("{what} can only be matched by Salt"),
            Self::Not(_) => "it is excluded by 'not'".to_owned(),
            Self::All(parts) => parts
                .iter()
                .find_map(|part| part.why_not(id, grains))
                .unwrap_or_default(),
            Self::Any(parts) => {
                let reasons: Vec<String> = parts
                    .iter()
                    .filter_map(|part| part.why_not(id, grains))
                    .collect();
                reasons.join(", and ")
            }
        })
    }
}

impl TryFrom<Written> for TargetExpr {
    type Error = TargetError;
    fn try_from(written: Written) -> Result<Self, TargetError> {
        Self::parse(written.target_type, &written.text)
    }
}

impl From<TargetExpr> for Written {
    fn from(expr: TargetExpr) -> Self {
        Self {
            target_type: expr.target_type,
            text: expr.text,
        }
    }
}
