//! The lines of a crontab.

use super::field::{self, FIELDS};
use saltpeter_protocol::api::CrontabForm;

/// A line as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line<'t> {
    Blank,
    /// With its `#`.
    Comment(&'t str),
    Variable {
        name: &'t str,
        value: &'t str,
    },
    Entry(Entry<'t>),
}

/// A line that starts something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry<'t> {
    pub(super) when: When<'t>,
    /// In a system crontab.
    pub(super) user: Option<&'t str>,
    pub(super) command: &'t str,
    /// Whether a `-` stood before it, which keeps it out of the system's log.
    pub(super) is_unlogged: bool,
}

/// When it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum When<'t> {
    /// The five fields.
    Fields([&'t str; 5]),
    /// `@daily` and the like.
    Alias(&'t str),
}

/// Why a line is not understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    /// In characters, from 1.
    pub(super) column: u32,
    pub(super) message: String,
}

const ALIASES: [(&str, &str); 9] = [
    ("@yearly", "@yearly"),
    ("@annually", "@yearly"),
    ("@monthly", "@monthly"),
    ("@weekly", "@weekly"),
    ("@daily", "@daily"),
    ("@midnight", "@daily"),
    ("@hourly", "@hourly"),
    ("@every_minute", "@minutely"),
    ("@minutely", "@minutely"),
];

/// Users that system crontabs speak of, without those that are commands too, such as `mail` and `backup`.
const KNOWN_USERS: [&str; 8] = [
    "root", "www-data", "nobody", "postgres", "mysql", "munin", "smmsp", "apache",
];

pub(super) fn read(text: &str, form: CrontabForm) -> Result<Line<'_>, Trouble> {
    let rest = text.trim_start_matches([' ', '\t']);
    if rest.trim().is_empty() {
        return Ok(Line::Blank);
    }
    if rest.starts_with('#') {
        return Ok(Line::Comment(rest.trim_end()));
    }
    if let Some((name, value)) = variable(rest) {
        return Ok(Line::Variable { name, value });
    }
    entry(text, rest, form).map(Line::Entry)
}

/// `NAME = value`, either of them in quotes or not.
fn variable(rest: &str) -> Option<(&str, &str)> {
    let (name, after) = match rest.strip_prefix(['"', '\'']) {
        Some(inner) => {
            let quote = rest.get(..1)?;
            inner.split_once(quote)?
        }
        None => rest.split_at(rest.find([' ', '\t', '='])?),
    };
    let value = after
        .trim_start_matches([' ', '\t'])
        .strip_prefix('=')?
        .trim();
    let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !plain || name.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let unquoted = ['"', '\'']
        .iter()
        .find_map(|&quote| value.strip_prefix(quote)?.strip_suffix(quote));
    Some((name, unquoted.unwrap_or(value)))
}

/// Takes words off the front of a line and knows where it is.
struct Words<'t> {
    whole: &'t str,
    rest: &'t str,
}

impl<'t> Words<'t> {
    fn next(&mut self) -> Option<&'t str> {
        let rest = self.rest.trim_start_matches([' ', '\t']);
        let end = rest.find([' ', '\t']).unwrap_or(rest.len());
        let (word, rest) = rest.split_at(end);
        self.rest = rest;
        (!word.is_empty()).then_some(word)
    }

    fn column_of(&self, part: &str) -> u32 {
        let start = part.as_ptr() as usize - self.whole.as_ptr() as usize;
        let before = self.whole.get(..start).unwrap_or_default();
        u32::try_from(before.chars().count() + 1).unwrap_or(u32::MAX)
    }

    fn trouble(&self, part: &str, message: impl Into<String>) -> Trouble {
        Trouble {
            column: self.column_of(part),
            message: message.into(),
        }
    }
}

fn entry<'t>(whole: &'t str, rest: &'t str, form: CrontabForm) -> Result<Entry<'t>, Trouble> {
    let without = rest.strip_prefix('-');
    let rest = without.unwrap_or(rest);
    let mut words = Words { whole, rest };
    let when = if rest.starts_with('@') {
        let word = words.next().unwrap_or(rest);
        When::Alias(alias(&words, word)?)
    } else {
        let mut texts = [""; 5];
        for (field, slot) in FIELDS.into_iter().zip(&mut texts) {
            let end = words.rest.trim_end();
            let end = end.get(end.len()..).unwrap_or_default();
            let Some(word) = words.next() else {
                let message = format!(
                    "{} was expected: five fields (min hour dom mon dow), and then the command",
                    field.key()
                );
                return Err(words.trouble(end, message));
            };
            let whole = field::check(field, word);
            whole.map_err(|trouble| Trouble {
                column: words.column_of(word) + u32::try_from(trouble.offset).unwrap_or(0),
                message: trouble.message,
            })?;
            *slot = word;
        }
        // The messages of the schedule itself: out of range, backwards, not a number.
        crate::schedule::Schedule::parse(&texts.join(" "), crate::schedule::Zone::Default)
            .map_err(|error| {
                let index = FIELDS
                    .iter()
                    .position(|&field| Some(field) == error.field)
                    .unwrap_or(0);
                let before: usize = texts
                    .iter()
                    .take(index)
                    .map(|text| text.chars().count() + 1)
                    .sum();
                let field = texts.get(index).copied().unwrap_or(rest);
                let offset = error.offset.saturating_sub(before);
                Trouble {
                    column: words.column_of(field) + u32::try_from(offset).unwrap_or(0),
                    message: error.message,
                }
            })?;
        When::Fields(texts)
    };
    let user = if form == CrontabForm::System {
        let end = words.rest;
        let user = words
            .next()
            .ok_or_else(|| words.trouble(end, "a user was expected, and then the command"))?;
        if !is_user(user) {
            let message = format!(
                "{user:?} is not the name of a user; is this a user's crontab, without that column?"
            );
            return Err(words.trouble(user, message));
        }
        Some(user)
    } else {
        None
    };
    let command = words.rest.trim_matches([' ', '\t']);
    if command.is_empty() || command.starts_with('%') {
        return Err(words.trouble(words.rest, "a command was expected"));
    }
    if command.contains('\0') {
        return Err(words.trouble(command, "the command has a NUL character in it"));
    }
    Ok(Entry {
        when,
        user,
        command,
        is_unlogged: without.is_some(),
    })
}

fn alias<'t>(words: &Words, word: &'t str) -> Result<&'t str, Trouble> {
    if word.eq_ignore_ascii_case("@reboot") {
        let message = "@reboot: Saltpeter starts jobs at times, and does not notice that a machine boots; \
                       use a systemd unit on the machine (WantedBy=multi-user.target)";
        return Err(words.trouble(word, message));
    }
    let known = ALIASES
        .iter()
        .find(|(alias, _)| alias.eq_ignore_ascii_case(word));
    known.map(|(_, ours)| *ours).ok_or_else(|| {
        let message = format!("{word:?} is not converted; @yearly, @monthly, @weekly, @daily and @hourly are, or write five fields");
        words.trouble(word, message)
    })
}

fn is_user(word: &str) -> bool {
    let word = word.strip_suffix('$').unwrap_or(word);
    word.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && word
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
}

/// Whether a user stands before each command, as far as the text shows it.
pub(super) fn detect(text: &str) -> CrontabForm {
    let mut known = false;
    for line in text.lines() {
        if let Some(comment) = line.trim_start().strip_prefix('#') {
            // As in the comment at the top of /etc/crontab.
            let words: Vec<&str> = comment.split_whitespace().collect();
            known |=
                words.starts_with(&["m", "h"]) && words.iter().any(|word| word.starts_with("user"));
            continue;
        }
        let Ok(Line::Entry(entry)) = read(line, CrontabForm::User) else {
            continue;
        };
        let mut words = entry.command.split_whitespace();
        let user = words.next().unwrap_or_default();
        if !is_user(user) || words.next().is_none() {
            return CrontabForm::User;
        }
        known |= KNOWN_USERS.contains(&user);
    }
    if known {
        CrontabForm::System
    } else {
        CrontabForm::User
    }
}
