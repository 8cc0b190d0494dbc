//! Names of people.

use std::fmt;
use std::str::FromStr;

/// The longest name, in bytes.
const LONGEST: usize = 64;

/// The name of somebody who has an account: letters, digits, `.`, `_`, `-` and `@`, in lower case whatever was
/// typed, so that no two names differ by that alone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserName(String);

/// Why a text is no name of a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a user's name has 1 to 64 letters (a to z), digits, '.', '_', '-' and '@', and begins with a letter or a digit"
)]
pub struct NameError;

impl UserName {
    /// The name that `text` is.
    pub fn new(text: &str) -> Result<Self, NameError> {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || b"._-@".contains(&byte);
        let begins = text
            .bytes()
            .next()
            .is_some_and(|byte| byte.is_ascii_alphanumeric());
        if begins && text.len() <= LONGEST && text.bytes().all(good) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(NameError)
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for UserName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_and_in_lower_case() {
        for (text, name) in [
            ("Ana", "ana"),
            ("j.doe@example.net", "j.doe@example.net"),
            ("7", "7"),
        ] {
            assert_eq!(UserName::new(text).unwrap().as_str(), name);
        }
        let long = "a".repeat(LONGEST + 1);
        for wrong in ["", ".a", "-a", "a b", "<b>", "ä", "a/b", "a\n", &long] {
            assert!(UserName::new(wrong).is_err(), "{wrong:?}");
        }
    }
}
