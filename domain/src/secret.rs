//! Text that must not show up in logs, dumps or answers.

use saltpeter_protocol::launch::SHORTEST_MASKED;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// What stands in place of a secret wherever people look.
pub const MASK: &str = "••••••";

/// A secret text, such as the value of an environment variable. `Debug`, `Display` and `Serialize` show
/// [`MASK`]; whoever needs the text calls [`Secret::expose`], and a field that must be stored says so with
/// `#[serde(with = "saltpeter_domain::secret::exposed_map")]`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(String);

impl Secret {
    /// Takes `text` as a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(MASK)
    }
}

impl serde::Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(MASK)
    }
}

/// Most secrets of a job.
pub const MAX_SECRETS: usize = 64;
/// Longest secret, in bytes.
pub const MAX_SECRET_BYTES: usize = 64 * 1024;
/// Longest secrets of a job together, in bytes. Escaped in JSON they still fit into one message to a wrapper.
pub const MAX_SECRETS_BYTES: usize = 128 * 1024;

/// Where the server reads a secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretSource {
    /// A file, by its whole path.
    File(String),
    /// A variable of the server's own environment, by its name.
    Env(String),
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file {path}"),
            Self::Env(name) => write!(f, "variable {name} of the server"),
        }
    }
}

/// Why what was read is no secret. Says nothing of it but its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoSecret {
    /// Nothing is in it.
    #[error("is empty")]
    Empty,
    /// It would be found, and masked, everywhere in the output.
    #[error(
        "has {0} bytes, and a secret of less than {SHORTEST_MASKED} cannot be kept out of the output"
    )]
    Short(usize),
    /// It is no password or key.
    #[error("is longer than {MAX_SECRET_BYTES} bytes")]
    Long,
    /// No environment could be sure to hold it.
    #[error("is not text (UTF-8 without NUL bytes)")]
    NotText,
}

impl Secret {
    /// What was read from a source, without the line ends at its end.
    pub fn from_read(bytes: Vec<u8>) -> Result<Self, NoSecret> {
        let mut text = String::from_utf8(bytes).map_err(|_| NoSecret::NotText)?;
        text.truncate(text.trim_end_matches(['\n', '\r']).len());
        match text.len() {
            0 => Err(NoSecret::Empty),
            short if short < SHORTEST_MASKED => Err(NoSecret::Short(short)),
            long if long > MAX_SECRET_BYTES => Err(NoSecret::Long),
            _ if text.contains('\0') => Err(NoSecret::NotText),
            _ => Ok(Self(text)),
        }
    }
}

/// For fields that have to keep the secret itself: the frozen environment of a run in the store, and
/// the launch of a wrapper.
pub mod exposed_map {
    use super::{BTreeMap, Secret};
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes the map with its secrets in clear text.
    pub fn serialize<S: Serializer>(
        map: &BTreeMap<String, Secret>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(map.iter().map(|(key, secret)| (key, secret.expose())))
    }

    /// Reads what [`serialize`] wrote.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<String, Secret>, D::Error> {
        let map = BTreeMap::<String, String>::deserialize(deserializer)?;
        Ok(map
            .into_iter()
            .map(|(key, text)| (key, Secret(text)))
            .collect())
    }
}

/// The address `url` with a password in it masked: `https://elastic:••••••@search:9200`.
pub fn mask_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(authority_end);
    match authority.rsplit_once('@') {
        Some((user, host)) => {
            let user = user.split(':').next().unwrap_or_default();
            format!("{scheme}://{user}:{MASK}@{host}{path}")
        }
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_in_no_output_by_accident() {
        let secret = Secret::new("hunter2");
        let shown = format!(
            "{secret:?} {secret} {}",
            serde_json::to_string(&secret).unwrap()
        );
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn what_is_read_is_text_of_some_length() {
        let read = |text: &[u8]| Secret::from_read(text.to_vec());
        assert_eq!(read(b"hunter2\n").unwrap().expose(), "hunter2");
        assert_eq!(read(b" a\nb \r\n\n").unwrap().expose(), " a\nb ");
        for (bytes, why) in [
            (&b"\n"[..], NoSecret::Empty),
            (b"abc\n", NoSecret::Short(3)),
            (&vec![b'x'; MAX_SECRET_BYTES + 1], NoSecret::Long),
            (b"ab\xffcd", NoSecret::NotText),
            (b"ab\0cd", NoSecret::NotText),
        ] {
            assert_eq!(read(bytes), Err(why));
        }
    }

    #[test]
    fn the_password_of_an_address_is_masked() {
        assert_eq!(mask_url("http://es:9200/x"), "http://es:9200/x");
        assert_eq!(
            mask_url("https://u:p@ss@es:9200/x@y"),
            format!("https://u:{MASK}@es:9200/x@y")
        );
    }
}
