//! What is put down of what people and programs do: kinds of entries, how long they may be, and how many may come.

use saltpeter_protocol::UnixMillis;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Longest name of whoever did it, in characters; a name that is tried at a login can be anything.
pub const MAX_WHO: usize = 128;
/// Longest sentence on what was done, in characters.
pub const MAX_DEED: usize = 1000;
/// Longest value before or after, in characters.
pub const MAX_VALUE: usize = 8000;
/// Refusals that are put down one by one within [`REFUSALS_IN`]; of those beyond only the number is.
pub const MAX_REFUSALS: u32 = 120;
/// See [`MAX_REFUSALS`].
pub const REFUSALS_IN: Duration = Duration::from_mins(1);

/// What sort of thing was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Somebody logged in.
    Login,
    /// A login was refused.
    LoginRefused,
    /// Somebody logged out.
    Logout,
    /// Something was asked for that is not allowed to whoever asked.
    Denied,
    /// Something was done: a run started or killed, a job paused …
    Action,
    /// Something that has a value was given another: maintenance, a user, a token.
    Change,
    /// The configuration's files were read again, and what they say is something else.
    Reload,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Login,
        Self::LoginRefused,
        Self::Logout,
        Self::Denied,
        Self::Action,
        Self::Change,
        Self::Reload,
    ];

    /// The word that stands for it in the database, in addresses and in exports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::LoginRefused => "login_refused",
            Self::Logout => "logout",
            Self::Denied => "denied",
            Self::Action => "action",
            Self::Change => "change",
            Self::Reload => "reload",
        }
    }

    /// What that word stands for.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Whether strangers can make as many of it as they like.
    pub fn is_refusal(self) -> bool {
        matches!(self, Self::LoginRefused | Self::Denied)
    }
}

/// Something that was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub at: UnixMillis,
    /// Who: a person's name, a token's, an address; what the server calls itself where nobody asked.
    pub who: String,
    /// From which address; `None`: from this host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// What sort of thing.
    pub kind: Kind,
    /// A sentence in the past tense.
    pub deed: String,
    /// The value before, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<String>,
    /// The value from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<String>,
}

impl Entry {
    /// The entry with nothing in it that is too long, and with a name and a sentence of one line each: they also go to the
    /// server's log, where a name that somebody made up must not look like another line.
    pub fn clipped(self) -> Self {
        Self {
            who: clip(one_line(&self.who), MAX_WHO),
            deed: clip(one_line(&self.deed), MAX_DEED),
            old: self.old.map(|value| clip(value, MAX_VALUE)),
            new: self.new.map(|value| clip(value, MAX_VALUE)),
            ..self
        }
    }
}

fn one_line(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}

fn clip(mut text: String, most: usize) -> String {
    if let Some((end, _)) = text.char_indices().nth(most) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// Counts refusals, so that guessing cannot fill the disk.
#[derive(Debug, Clone, Default)]
pub struct Flood {
    /// Since when is counted.
    since: UnixMillis,
    count: u32,
}

impl Flood {
    /// Whether a refusal at `now` is put down, and how many before it were not.
    pub fn admit(&mut self, now: UnixMillis) -> (bool, u32) {
        let mut left_out = 0;
        if now.since(self.since) >= REFUSALS_IN || now < self.since {
            left_out = self.left_out();
            *self = Self {
                since: now,
                count: 0,
            };
        }
        self.count = self.count.saturating_add(1);
        (self.count <= MAX_REFUSALS, left_out)
    }

    fn left_out(&self) -> u32 {
        self.count.saturating_sub(MAX_REFUSALS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_is_cut_and_says_so() {
        let entry = Entry {
            at: UnixMillis(0),
            who: "ä".repeat(MAX_WHO + 1),
            from: None,
            kind: Kind::LoginRefused,
            deed: "short".to_owned(),
            old: Some("x".repeat(MAX_VALUE)),
            new: Some("x".repeat(MAX_VALUE + 5)),
        };
        let cut = entry.clone().clipped();
        assert_eq!(cut.who, "ä".repeat(MAX_WHO) + "…");
        assert_eq!((cut.deed, cut.old), (entry.deed, entry.old));
        assert_eq!(cut.new, Some("x".repeat(MAX_VALUE) + "…"));
    }

    #[test]
    fn a_name_makes_no_line_of_its_own() {
        let entry = Entry {
            at: UnixMillis(0),
            who: "eva\n2026 INFO anna logged in\u{1b}[2J".to_owned(),
            from: None,
            kind: Kind::LoginRefused,
            deed: "could not log in".to_owned(),
            old: None,
            new: Some("two\nlines".to_owned()),
        };
        let told = entry.clipped();
        assert_eq!(told.who, "eva\u{fffd}2026 INFO anna logged in\u{fffd}[2J");
        assert_eq!(told.new.as_deref(), Some("two\nlines"));
    }

    #[test]
    fn every_kind_has_a_word_of_its_own() {
        for kind in Kind::ALL {
            assert_eq!(Kind::parse(kind.as_str()), Some(kind));
            let written = serde_json::to_value(kind).unwrap();
            assert_eq!(written, kind.as_str());
        }
        assert_eq!(Kind::parse("nothing"), None);
    }

    #[test]
    fn a_flood_is_counted_and_told_of_when_it_is_over() {
        let mut flood = Flood::default();
        let start = UnixMillis(1_000_000);
        for _ in 0..MAX_REFUSALS {
            assert_eq!(flood.admit(start), (true, 0));
        }
        for _ in 0..3 {
            assert_eq!(flood.admit(start + Duration::from_secs(59)), (false, 0));
        }
        assert_eq!(flood.admit(start + REFUSALS_IN), (true, 3));
        assert_eq!(flood.admit(start + REFUSALS_IN), (true, 0));
        // The clock is set back.
        assert_eq!(flood.admit(UnixMillis(5)), (true, 0));
    }
}
