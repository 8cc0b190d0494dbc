//! Text that must not show up in logs, dumps or answers.

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
    fn the_password_of_an_address_is_masked() {
        assert_eq!(mask_url("http://es:9200/x"), "http://es:9200/x");
        assert_eq!(
            mask_url("https://u:p@ss@es:9200/x@y"),
            format!("https://u:{MASK}@es:9200/x@y")
        );
    }
}
