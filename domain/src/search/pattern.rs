//! What is searched for.

use memchr::memmem;
use regex::bytes::{Regex, RegexBuilder};

/// The longest pattern, in bytes.
pub const MAX_PATTERN: usize = 1_000;

/// Memory for a compiled expression, and for what it keeps of its states while it runs, in bytes.
const MAX_COMPILED: usize = 1024 * 1024;

/// How deep the groups of an expression may be nested.
const MAX_NESTING: u32 = 50;

/// Something to search for. Made once, used by any number of searches.
#[derive(Debug)]
pub struct Pattern {
    matcher: Matcher,
}

#[derive(Debug)]
enum Matcher {
    /// A text as it stands.
    Literal(Box<memmem::Finder<'static>>),
    /// A text, whatever its capitals.
    Folded(Regex),
    /// A regular expression.
    Expression(Regex),
}

/// Why a text is no pattern.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PatternError {
    /// Nothing to search for.
    #[error("there is nothing to search for; give a text or a regular expression")]
    Empty,
    /// Longer than [`MAX_PATTERN`].
    #[error("what is searched for has {0} bytes; {MAX_PATTERN} are allowed")]
    Long(usize),
    /// Reaches over a line's end.
    #[error("what is searched for has a line feed in it; a hit lies within one line")]
    LineFeed,
    /// Not an expression.
    #[error("this is not a regular expression: {0}")]
    Syntax(String),
    /// An expression that is too large.
    #[error("the regular expression becomes too large; use smaller numbers of repetitions")]
    Large,
}

impl Pattern {
    /// A text, taken as it stands. With `case` capitals count.
    pub fn literal(text: &str, case: bool) -> Result<Self, PatternError> {
        check(text)?;
        let matcher = if case {
            Matcher::Literal(Box::new(memmem::Finder::new(text).into_owned()))
        } else {
            Matcher::Folded(compile(&regex::escape(text), false)?)
        };
        Ok(Self { matcher })
    }

    /// A regular expression in the syntax of the `regex` crate, which takes time in proportion to what it reads.
    pub fn expression(text: &str, case: bool) -> Result<Self, PatternError> {
        check(text)?;
        Ok(Self {
            matcher: Matcher::Expression(compile(text, case)?),
        })
    }

    /// Whether many lines may be searched at once: no hit of it can reach over a line's end.
    pub(super) fn stays_in_line(&self) -> bool {
        !matches!(self.matcher, Matcher::Expression(_))
    }

    /// Each hit in `text`, from and to. Hits are not empty.
    pub(super) fn find_in(&self, text: &[u8], mut found: impl FnMut(usize, usize)) {
        match &self.matcher {
            Matcher::Literal(finder) => {
                let length = finder.needle().len();
                finder
                    .find_iter(text)
                    .for_each(|from| found(from, from + length));
            }
            Matcher::Folded(expression) | Matcher::Expression(expression) => {
                for hit in expression.find_iter(text) {
                    if !hit.is_empty() {
                        found(hit.start(), hit.end());
                    }
                }
            }
        }
    }
}

fn check(text: &str) -> Result<(), PatternError> {
    if text.is_empty() {
        return Err(PatternError::Empty);
    }
    if text.len() > MAX_PATTERN {
        return Err(PatternError::Long(text.len()));
    }
    if text.contains('\n') {
        return Err(PatternError::LineFeed);
    }
    Ok(())
}

fn compile(text: &str, case: bool) -> Result<Regex, PatternError> {
    RegexBuilder::new(text)
        .case_insensitive(!case)
        .size_limit(MAX_COMPILED)
        .dfa_size_limit(MAX_COMPILED)
        .nest_limit(MAX_NESTING)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => PatternError::Large,
            // It repeats the expression with a mark below the place, which wants a fixed font; the last line says it in words.
            error => {
                let text = error.to_string();
                let words = text.lines().last().unwrap_or_default();
                PatternError::Syntax(words.trim_start_matches("error: ").to_owned())
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_pattern_is_told_why() {
        let long = "x".repeat(MAX_PATTERN + 1);
        let refusals = [
            Pattern::literal("", true),
            Pattern::literal(&long, true),
            Pattern::literal("a\nb", true),
            Pattern::expression("a(b", true),
            Pattern::expression("[z-a]", true),
            Pattern::expression(&"(".repeat(MAX_NESTING as usize + 1), true),
            Pattern::expression("(?:a{1000}){1000}", true),
            Pattern::expression(r"(?-u)\xff", true),
        ]
        .map(|refused| refused.map_or_else(|error| error.to_string(), |_| "taken".to_owned()));
        insta::assert_snapshot!(refusals.join("\n"));
    }
}
