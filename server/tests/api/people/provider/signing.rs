//! The provider's keys, and signatures good and bad.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use serde_json::{Value, json};

/// Keys that nothing else than these tests uses: ring cannot make any.
const RSA: [&[u8]; 2] = [include_bytes!("rsa-1.pk8"), include_bytes!("rsa-2.pk8")];

/// How tokens are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signing {
    /// By this RSA key, 1 or 2, which is published.
    Rsa(usize),
    /// By a key on a curve.
    Curve,
    /// By the second RSA key under the name of the first.
    WrongKey,
    /// By a key of a name that is nobody's.
    Unknown,
    /// Not at all: `alg` is `none`.
    Unsigned,
    /// With the public key as if it were a secret that both sides know: `alg` is `HS256`.
    PublicKeyAsSecret,
    /// Well, and then the groups are changed.
    Changed,
}

pub(super) struct Keys {
    rsa: Vec<RsaKeyPair>,
    curve: EcdsaKeyPair,
    random: SystemRandom,
}

impl Keys {
    pub(super) fn new() -> Self {
        let random = SystemRandom::new();
        let curve = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(curve, &random).unwrap();
        Self {
            rsa: RSA.map(|key| RsaKeyPair::from_pkcs8(key).unwrap()).into(),
            curve: EcdsaKeyPair::from_pkcs8(curve, pkcs8.as_ref(), &random).unwrap(),
            random,
        }
    }

    /// The keys that are published. The second RSA key takes the place of the first.
    pub(super) fn set(&self, signing: Signing) -> Value {
        let (name, pair) = match signing {
            Signing::Rsa(number) => (format!("rsa-{number}"), &self.rsa[number - 1]),
            _ => ("rsa-1".to_owned(), &self.rsa[0]),
        };
        let public = PublicKeyComponents::<Vec<u8>>::from(pair.public());
        let point = self.curve.public_key().as_ref();
        json!({"keys": [
            {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": name, "n": encode(&public.n), "e": encode(&public.e)},
            {"kty": "EC", "crv": "P-256", "use": "sig", "kid": "ec-1", "x": encode(&point[1..33]), "y": encode(&point[33..])},
        ]})
    }

    pub(super) fn sign(&self, signing: Signing, claims: &Value) -> String {
        let header = match signing {
            Signing::Rsa(number) => json!({"alg": "RS256", "kid": format!("rsa-{number}")}),
            Signing::WrongKey | Signing::Changed => json!({"alg": "RS256", "kid": "rsa-1"}),
            Signing::Unknown => json!({"alg": "RS256", "kid": "made-up"}),
            Signing::Curve => json!({"alg": "ES256", "kid": "ec-1"}),
            Signing::Unsigned => json!({"alg": "none"}),
            Signing::PublicKeyAsSecret => json!({"alg": "HS256", "kid": "rsa-1"}),
        };
        let part = |value: &Value| encode(value.to_string().as_bytes());
        let message = format!("{}.{}", part(&header), part(claims));
        let signature = match signing {
            Signing::Rsa(number) => self.by_rsa(number, &message),
            Signing::Changed => self.by_rsa(1, &message),
            Signing::WrongKey | Signing::Unknown => self.by_rsa(2, &message),
            Signing::Curve => {
                let signature = self.curve.sign(&self.random, message.as_bytes());
                signature.unwrap().as_ref().to_vec()
            }
            Signing::Unsigned => Vec::new(),
            Signing::PublicKeyAsSecret => {
                let secret = PublicKeyComponents::<Vec<u8>>::from(self.rsa[0].public()).n;
                let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
                hmac::sign(&key, message.as_bytes()).as_ref().to_vec()
            }
        };
        if signing == Signing::Changed {
            let mut claims = claims.clone();
            claims["groups"] = json!(["admins"]);
            let message = format!("{}.{}", part(&header), part(&claims));
            return format!("{message}.{}", encode(&signature));
        }
        format!("{message}.{}", encode(&signature))
    }

    fn by_rsa(&self, number: usize, message: &str) -> Vec<u8> {
        let pair = &self.rsa[number - 1];
        let mut signature = vec![0; pair.public().modulus_len()];
        let signed = pair.sign(
            &RSA_PKCS1_SHA256,
            &self.random,
            message.as_bytes(),
            &mut signature,
        );
        signed.unwrap();
        signature
    }
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
