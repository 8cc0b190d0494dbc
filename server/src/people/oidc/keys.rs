//! A provider's public keys, as a JSON Web Key Set has them.

use super::token::{Algorithm, Scheme};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;

/// Keys of a set that are looked at; the rest is not.
const MAX_KEYS: usize = 64;

/// A key that signatures are verified by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PublicKey {
    pub(super) id: Option<String>,
    /// The one algorithm that it is for, where it says so.
    algorithm: Option<String>,
    material: Material,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Material {
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// The curve's name, and a point on it, uncompressed.
    Curve {
        curve: String,
        point: Vec<u8>,
    },
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct WrittenKey {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// The keys of a set that are for signatures and of a known kind; the others are passed over, as the standard says.
pub(super) fn read_set(json: &[u8]) -> Result<Vec<PublicKey>, serde_json::Error> {
    let set: KeySet = serde_json::from_slice(json)?;
    let keys = set.keys.into_iter().take(MAX_KEYS);
    Ok(keys.filter_map(read_key).collect())
}

fn read_key(value: serde_json::Value) -> Option<PublicKey> {
    let key: WrittenKey = serde_json::from_value(value).ok()?;
    if key.purpose.is_some_and(|purpose| purpose != "sig") {
        return None;
    }
    let bytes = |text: Option<String>| URL_SAFE_NO_PAD.decode(text?).ok();
    let material = match key.kty.as_str() {
        "RSA" => Material::Rsa {
            modulus: without_zeros(bytes(key.n)?),
            exponent: without_zeros(bytes(key.e)?),
        },
        "EC" => {
            let mut point = vec![4];
            point.extend(bytes(key.x)?);
            point.extend(bytes(key.y)?);
            let curve = key.crv?;
            Material::Curve { curve, point }
        }
        "OKP" => Material::Curve {
            curve: key.crv?,
            point: bytes(key.x)?,
        },
        _ => return None,
    };
    Some(PublicKey {
        id: key.kid,
        algorithm: key.alg,
        material,
    })
}

/// Some write them in front, although the standard forbids it.
fn without_zeros(mut bytes: Vec<u8>) -> Vec<u8> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.drain(..zeros);
    bytes
}

impl PublicKey {
    /// Whether a signature by `algorithm` can be this key's.
    pub(super) fn fits(&self, algorithm: Algorithm) -> bool {
        let is_kind = match (&self.material, algorithm.scheme()) {
            (Material::Rsa { .. }, Scheme::Rsa(_)) => true,
            (Material::Curve { curve, .. }, Scheme::Curve(wanted, _)) => curve == wanted,
            _ => false,
        };
        let meant = self.algorithm.as_deref();
        is_kind && meant.is_none_or(|meant| meant == algorithm.as_str())
    }

    /// Whether `signature` is this key's of `message`, by `algorithm`. RSA keys of less than 2048 bits have none that counts.
    pub(super) fn has_signed(
        &self,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        if !self.fits(algorithm) {
            return false;
        }
        let verified = match (&self.material, algorithm.scheme()) {
            (Material::Rsa { modulus, exponent }, Scheme::Rsa(parameters)) => {
                let (n, e) = (modulus, exponent);
                RsaPublicKeyComponents { n, e }.verify(parameters, message, signature)
            }
            (Material::Curve { point, .. }, Scheme::Curve(_, verification)) => {
                UnparsedPublicKey::new(verification, point).verify(message, signature)
            }
            _ => return false,
        };
        verified.is_ok()
    }
}
