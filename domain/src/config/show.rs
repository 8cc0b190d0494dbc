//! The settings as text, for people.

use super::Settings;
use super::keys::{Effect, SETTINGS_KEYS, settings_keys};
use crate::secret::mask_url;
use serde::Serialize;

/// A setting with its value as shown to people; passwords in it are masked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownSetting {
    /// The key.
    pub key: &'static str,
    /// The value; empty for none.
    pub value: String,
    /// Whether it is the default.
    pub is_default: bool,
    /// When a change takes effect.
    pub effect: Effect,
}

impl Settings {
    /// All settings in the order of the reference, with secrets masked.
    pub fn shown(&self) -> Vec<ShownSetting> {
        let defaults = Self::default().exposed();
        settings_keys()
            .zip(self.exposed())
            .zip(defaults)
            .map(|((key, value), default)| ShownSetting {
                key: key.name,
                is_default: value == default,
                value: if value.contains("://") {
                    mask_url(&value)
                } else {
                    value
                },
                effect: key.effect,
            })
            .collect()
    }

    /// The values as text, secrets and all, in the order of the keys' table.
    pub(super) fn exposed(&self) -> Vec<String> {
        SETTINGS_KEYS
            .iter()
            .map(|key| key.show.map_or_else(String::new, |show| show(self)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    #[test]
    fn the_reference_names_the_defaults_that_hold() {
        for shown in Settings::default().shown() {
            let key = settings_keys().find(|key| key.name == shown.key).unwrap();
            assert!(shown.is_default);
            if let Some(default) = key.default.strip_prefix('`') {
                assert_eq!(default.trim_end_matches('`'), shown.value, "{}", shown.key);
            } else {
                assert_eq!(shown.value, "", "{}", shown.key);
            }
        }
    }

    #[test]
    fn passwords_are_masked() {
        let settings = Settings {
            elasticsearch: Some(Secret::new("https://u:hunter2@es:9200")),
            ..Settings::default()
        };
        let shown = format!("{:?} {settings:?}", settings.shown());
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("es:9200"), "{shown}");
    }
}
