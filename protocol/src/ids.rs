//! Names and identifiers. Each is checked once, where it enters, and is safe from then on.

use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a text is not a valid identifier. The message is for the person who wrote the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {text:?} {problem}")]
pub struct InvalidId {
    kind: &'static str,
    text: String,
    problem: &'static str,
}

impl InvalidId {
    fn new(kind: &'static str, text: &str, problem: &'static str) -> Self {
        let text = text.chars().take(80).collect();
        Self {
            kind,
            text,
            problem,
        }
    }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $check:path) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks `text` and takes it as an identifier.
            pub fn new(text: impl Into<String>) -> Result<Self, InvalidId> {
                let text = text.into();
                $check(&text)?;
                Ok(Self(text))
            }

            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

text_id!(
    /// A job's name: 1 to 128 ASCII letters, digits, `_`, `-` and `.`, beginning with a letter, a digit or `_`.
    /// Such a name is safe as a file name and as a URL segment as it stands.
    JobName,
    check_job_name
);

text_id!(
    /// A run's permanent name, `<job>_<unix seconds>`, with `_2`, `_3` … when a second one starts in the same second.
    /// Where older documents speak of an *instance*, this is meant.
    RunId,
    check_run_id
);

text_id!(
    /// A machine as its executor names it (with Salt: the minion id). 1 to 255 characters, no control
    /// characters, no white space, no `/`, not `.` or `..`.
    MachineId,
    check_machine_id
);

impl RunId {
    /// The name of the `ordinal`-th run (counted from 1) of `job` in the second of `at`.
    pub fn compose(job: &JobName, at: UnixMillis, ordinal: u32) -> Self {
        let seconds = at.seconds();
        if ordinal <= 1 {
            Self(format!("{job}_{seconds}"))
        } else {
            Self(format!("{job}_{seconds}_{ordinal}"))
        }
    }
}

fn plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')
}

fn check_plain(kind: &'static str, text: &str, longest: usize) -> Result<(), InvalidId> {
    let problem = if text.is_empty() {
        "is empty"
    } else if text.len() > longest {
        "is too long (128 characters at most)"
    } else if !text.chars().all(plain) {
        "may only have letters, digits, '_', '-' and '.'"
    } else if text.starts_with(['.', '-']) {
        "must begin with a letter, a digit or '_'"
    } else {
        return Ok(());
    };
    Err(InvalidId::new(kind, text, problem))
}

fn check_job_name(text: &str) -> Result<(), InvalidId> {
    check_plain("job name", text, 128)
}

fn check_run_id(text: &str) -> Result<(), InvalidId> {
    check_plain("run", text, 160)
}

fn check_machine_id(text: &str) -> Result<(), InvalidId> {
    let problem = if text.is_empty() {
        "is empty"
    } else if text.len() > 255 {
        "is too long (255 bytes at most)"
    } else if text
        .chars()
        .any(|c| c.is_control() || c.is_whitespace() || c == '/')
    {
        "may not have control characters, spaces or '/'"
    } else if text == "." || text == ".." {
        "is not a machine"
    } else {
        return Ok(());
    };
    Err(InvalidId::new("machine", text, problem))
}

/// The secret with which a run's wrappers prove that they belong to it. 256 random bits as 64 hexadecimal digits.
///
/// `Debug` hides it. It has no `Display`: whoever needs the text calls [`Token::expose`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Token(String);

impl Token {
    /// Takes `text` as a token when it has the form of one.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidId> {
        let text = text.into();
        if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            Ok(Self(text))
        } else {
            Err(InvalidId::new("token", "…", "is not 64 hexadecimal digits"))
        }
    }

    /// The token of 32 random bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        use std::fmt::Write as _;
        let mut text = String::with_capacity(64);
        for byte in bytes {
            // Writing into a String cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        Self(text)
    }

    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Token {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        Self::new(text)
    }
}

impl From<Token> for String {
    fn from(token: Token) -> Self {
        token.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn job_names_are_safe_as_files_and_url_segments() {
        for good in ["backup_db", "a", "db.nightly-2", "_hidden", "7zip"] {
            assert!(JobName::new(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "../x",
            "a/b",
            ".",
            "..",
            ".x",
            "-rf",
            "a b",
            "a\n",
            "ü",
            &"x".repeat(129),
        ] {
            assert!(JobName::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn run_ids_do_not_collide_within_a_second() {
        let job = JobName::new("tick").unwrap();
        let at = UnixMillis(1_699_000_000_123);
        assert_eq!(RunId::compose(&job, at, 1).as_str(), "tick_1699000000");
        assert_eq!(RunId::compose(&job, at, 2).as_str(), "tick_1699000000_2");
    }

    #[test]
    fn a_token_never_shows_in_debug_output() {
        let token = Token::from_bytes([0xab; 32]);
        assert_eq!(format!("{token:?}"), "Token(…)");
        assert_eq!(Token::new(token.expose()).unwrap(), token);
    }
}
