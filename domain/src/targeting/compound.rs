//! Compound expressions: `G@os:Debian and ( web* or E@db\d+ ) and not L@web3,web4`.

use super::{Matcher, TargetError, TargetType, simple};

/// Brackets within brackets, at most.
const MAX_DEPTH: usize = 50;

struct Word<'t> {
    text: &'t str,
    /// In characters from 0.
    offset: usize,
}

struct Parser<'t> {
    words: Vec<Word<'t>>,
    next: usize,
    /// Length of the whole expression, for what is missing at its end.
    end: usize,
    depth: usize,
}

/// Reads a compound expression. `not` binds closest, then `and`, then `or`.
pub(super) fn parse(text: &str) -> Result<Matcher, TargetError> {
    let mut words = Vec::new();
    let (mut at, mut offset) = (0, 0);
    for word in text.split_whitespace() {
        let start = word.as_ptr() as usize - text.as_ptr() as usize;
        offset += text[at..start].chars().count();
        at = start;
        words.push(Word { text: word, offset });
    }
    let mut parser = Parser {
        words,
        next: 0,
        end: text.trim_end().chars().count(),
        depth: 0,
    };
    let matcher = parser.any()?;
    match parser.peek() {
        None => Ok(matcher),
        Some(")") => Err(parser.wrong("this ')' has no '('")),
        Some(word) => {
            let message = format!("expected 'and' or 'or' before {word:?}");
            Err(parser.wrong(&message))
        }
    }
}

impl<'t> Parser<'t> {
    fn peek(&self) -> Option<&'t str> {
        self.words.get(self.next).map(|word| word.text)
    }

    fn take(&mut self, word: &str) -> bool {
        let found = self.peek().is_some_and(|text| text == word);
        self.next += usize::from(found);
        found
    }

    fn wrong(&self, message: &str) -> TargetError {
        let offset = self
            .words
            .get(self.next)
            .map_or(self.end, |word| word.offset);
        TargetError {
            offset,
            message: message.to_owned(),
        }
    }

    fn any(&mut self) -> Result<Matcher, TargetError> {
        let mut parts = vec![self.all()?];
        while self.take("or") {
            parts.push(self.all()?);
        }
        Ok(if parts.len() == 1 {
            parts.swap_remove(0)
        } else {
            Matcher::Any(parts)
        })
    }

    fn all(&mut self) -> Result<Matcher, TargetError> {
        let mut parts = vec![self.one()?];
        // As in Salt, 'and' may be left out before 'not'.
        while self.take("and") || self.peek() == Some("not") {
            parts.push(self.one()?);
        }
        Ok(if parts.len() == 1 {
            parts.swap_remove(0)
        } else {
            Matcher::All(parts)
        })
    }

    fn one(&mut self) -> Result<Matcher, TargetError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.wrong("nested too deeply (50 levels at most)"));
        }
        let matcher = match self.peek() {
            None => Err(self.wrong("something is missing at the end")),
            Some("and" | "or") => {
                let message = format!(
                    "expected a target before {:?}",
                    self.peek().unwrap_or_default()
                );
                Err(self.wrong(&message))
            }
            Some(")") => Err(self.wrong("expected a target before ')'")),
            Some("not") => {
                self.next += 1;
                self.one().map(|inner| Matcher::Not(Box::new(inner)))
            }
            Some("(") => {
                self.next += 1;
                let inner = self.any()?;
                if self.take(")") {
                    Ok(inner)
                } else {
                    Err(self.wrong("a '(' is not closed by ')'"))
                }
            }
            Some(word) => {
                let matcher = self.word(word)?;
                self.next += 1;
                Ok(matcher)
            }
        };
        self.depth -= 1;
        matcher
    }

    fn word(&self, word: &str) -> Result<Matcher, TargetError> {
        let kind = match word.split_once('@') {
            None => None,
            Some((letter, rest)) => match letter {
                "G" => Some((TargetType::Grain, rest)),
                "P" => Some((TargetType::GrainPcre, rest)),
                "E" => Some((TargetType::Pcre, rest)),
                "L" => Some((TargetType::List, rest)),
                "S" => Some((TargetType::IpCidr, rest)),
                "I" | "J" => Some((TargetType::Pillar, rest)),
                "N" => Some((TargetType::Nodegroup, rest)),
                "R" => return Ok(Matcher::SaltOnly("a range (R@)")),
                _ if has_delimiter(letter) => {
                    return Ok(Matcher::SaltOnly(
                        "a target with a delimiter of its own (as in G|@os|Debian)",
                    ));
                }
                _ if letter.len() == 1 => {
                    let message =
                        format!("'{letter}@' is not known; there are G@ P@ E@ L@ S@ I@ J@ N@ R@");
                    return Err(self.wrong(&message));
                }
                _ => None,
            },
        };
        match kind {
            Some((kind, rest)) => simple(kind, rest).map_err(|message| self.wrong(&message)),
            None if word.starts_with('(') || word.ends_with(')') => {
                Err(self.wrong(&format!("the brackets of {word:?} need spaces around them")))
            }
            None => simple(TargetType::Glob, word).map_err(|message| self.wrong(&message)),
        }
    }
}

/// Whether Salt takes what stands before an `@` for a letter and the delimiter of what follows.
fn has_delimiter(letter: &str) -> bool {
    let mut chars = letter.chars();
    matches!(chars.next(), Some('G' | 'P' | 'I' | 'J'))
        && chars.next().is_some()
        && chars.next().is_none()
}

#[cfg(test)]
mod tests {
    use crate::targeting::{TargetExpr, TargetType};

    fn compound(text: &str) -> Result<TargetExpr, (usize, String)> {
        TargetExpr::parse(TargetType::Compound, text).map_err(|error| (error.offset, error.message))
    }

    #[test]
    fn what_salt_takes_is_taken() {
        for text in [
            "web* not db*",
            "G|@os|Debian and I/@a/b",
            "J@role:web.* or N@group and R@%range",
            "( web* or E@db\\d+ ) and not S@10.0.0.0/8",
            "ab@host",
        ] {
            assert!(compound(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_salt_would_answer_with_silence_is_refused_with_the_place() {
        for (text, place) in [
            ("web* and", 8),
            ("and web*", 0),
            ("web* and ( db* or x", 19),
            ("web* )", 5),
            ("web* db*", 5),
            ("web* and E@(", 9),
            ("web* and P@os:(", 9),
            ("S@10.0.0.300", 0),
            ("G@os", 0),
            ("Q@x", 0),
        ] {
            let (offset, message) = compound(text).unwrap_err();
            assert_eq!(offset, place, "{text}: {message}");
        }
        for (kind, text) in [(TargetType::Pcre, "("), (TargetType::IpCidr, "10.0.0.0/99")] {
            assert!(TargetExpr::parse(kind, text).is_err(), "{text}");
        }
    }
}
