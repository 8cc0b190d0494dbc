//! Keys that only their holder has: of sessions, of API tokens, of the link that makes the first admin.

use saltpeter_domain::Secret;
use sha2::{Digest as _, Sha256};
use std::fmt::{self, Write as _};
use subtle::ConstantTimeEq as _;

/// A new key: 256 random bits as 64 hexadecimal digits. It is shown once and not kept.
pub(super) fn new_key() -> Secret {
    let bytes: [u8; 32] = rand::random();
    Secret::new(hex(&bytes))
}

/// What is kept in place of a key. Nobody can make the key from it, and no salt is needed: a key has no likely values.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyHash(String);

impl KeyHash {
    /// That of a key as it was presented.
    pub fn of(key: &str) -> Self {
        Self(hex(&Sha256::digest(key.as_bytes())))
    }

    /// As it is kept.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether both are of one key, in the same time whatever they are.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash(…)")
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_and_their_hash_is_another_text() {
        let (one, two) = (new_key(), new_key());
        assert_eq!(one.expose().len(), 64);
        assert_ne!(one.expose(), two.expose());
        let hash = KeyHash::of(one.expose());
        assert!(hash.is(&KeyHash::of(one.expose())) && !hash.is(&KeyHash::of(two.expose())));
        assert_ne!(hash.as_str(), one.expose());
    }
}
