//! ID tokens as they come: three parts in base64, of which the last is the signature of the first two.
//!
//! There is no `none` among the algorithms, and no secret that both sides know: a token is either signed by one of the
//! provider's keys, or refused.

use super::keys::PublicKey;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{self, RsaParameters, VerificationAlgorithm};
use saltpeter_domain::access::oidc::ClaimError;
use serde::Deserialize;
use serde_json::{Map, Value};

/// The longest token that is looked at, in bytes.
const LONGEST: usize = 64 * 1024;

/// How a token can be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
}

impl Algorithm {
    const ALL: [Self; 9] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
    ];

    /// Its name in the header of a token.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }

    /// What verifies it, and by what kind of key.
    pub(super) fn scheme(self) -> Scheme {
        use Scheme::{Curve, Rsa};
        match self {
            Self::Rs256 => Rsa(&signature::RSA_PKCS1_2048_8192_SHA256),
            Self::Rs384 => Rsa(&signature::RSA_PKCS1_2048_8192_SHA384),
            Self::Rs512 => Rsa(&signature::RSA_PKCS1_2048_8192_SHA512),
            Self::Ps256 => Rsa(&signature::RSA_PSS_2048_8192_SHA256),
            Self::Ps384 => Rsa(&signature::RSA_PSS_2048_8192_SHA384),
            Self::Ps512 => Rsa(&signature::RSA_PSS_2048_8192_SHA512),
            Self::Es256 => Curve("P-256", &signature::ECDSA_P256_SHA256_FIXED),
            Self::Es384 => Curve("P-384", &signature::ECDSA_P384_SHA384_FIXED),
            Self::EdDsa => Curve("Ed25519", &signature::ED25519),
        }
    }
}

/// What verifies a signature.
#[derive(Clone, Copy)]
pub(super) enum Scheme {
    /// An RSA key of 2048 bits or more.
    Rsa(&'static RsaParameters),
    /// A point on the curve of this name.
    Curve(&'static str, &'static dyn VerificationAlgorithm),
}

/// Why an ID token is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It has not the form of one.
    #[error("{0}")]
    Malformed(&'static str),
    /// It is signed in a way that proves nothing, or that is not known.
    #[error(
        "it is signed by {0:?}, which is not taken; have the provider sign by RS256, ES256 or another with a public key"
    )]
    Algorithm(String),
    /// The key that it names is not one of the provider's.
    #[error("it is signed by the key {0}, which the provider does not publish")]
    UnknownKey(String),
    /// Somebody has changed it, or signed it with another key.
    #[error("its signature is not that of the provider")]
    Signature,
    /// What it says is not about this login.
    #[error(transparent)]
    Claims(#[from] ClaimError),
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<Value>,
}

/// A token whose signature has not been looked at.
#[derive(Debug)]
pub(super) struct SignedToken<'t> {
    algorithm: Algorithm,
    key: Option<String>,
    message: &'t str,
    claims: Vec<u8>,
    signature: Vec<u8>,
}

impl<'t> SignedToken<'t> {
    /// Takes a token apart.
    pub(super) fn parse(text: &'t str) -> Result<Self, TokenError> {
        const FORM: TokenError =
            TokenError::Malformed("it has not the form of an ID token: three parts in base64url");
        if text.len() > LONGEST {
            return Err(TokenError::Malformed("it is longer than 64 KiB"));
        }
        let (message, signature) = text.rsplit_once('.').ok_or(FORM)?;
        let (header, claims) = message.split_once('.').ok_or(FORM)?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| FORM);
        let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| FORM)?;
        if header.crit.is_some() {
            let message = "its header asks for something that is not known here (crit)";
            return Err(TokenError::Malformed(message));
        }
        let known = Algorithm::ALL
            .into_iter()
            .find(|algorithm| algorithm.as_str() == header.alg);
        let algorithm = known.ok_or(TokenError::Algorithm(header.alg))?;
        Ok(Self {
            algorithm,
            key: header.kid,
            message,
            claims: decode(claims)?,
            signature: decode(signature)?,
        })
    }

    /// Its claims, if one of `keys` has signed it.
    pub(super) fn verify(&self, keys: &[PublicKey]) -> Result<Map<String, Value>, TokenError> {
        let mut candidates = keys
            .iter()
            .filter(|key| self.key.is_none() || key.id == self.key)
            .filter(|key| key.fits(self.algorithm))
            .peekable();
        let unknown =
            || TokenError::UnknownKey(self.key.clone().unwrap_or("without a name".to_owned()));
        if candidates.peek().is_none() {
            return Err(unknown());
        }
        let message = self.message.as_bytes();
        if !candidates.any(|key| key.has_signed(self.algorithm, message, &self.signature)) {
            // One that names no key may be by one that is new.
            return Err(match self.key {
                Some(_) => TokenError::Signature,
                None => unknown(),
            });
        }
        serde_json::from_slice(&self.claims)
            .map_err(|_| TokenError::Malformed("its claims are not a JSON object"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::keys::read_set;
    use super::*;
    use ring::rand::SystemRandom;
    use ring::signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
    };
    use serde_json::json;

    fn encode(bytes: impl AsRef<[u8]>) -> String {
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn token(header: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
        let message = format!(
            "{}.{}",
            encode(header.to_string()),
            encode(json!({"sub": "1"}).to_string())
        );
        let signature = sign(message.as_bytes());
        format!("{message}.{}", encode(signature))
    }

    fn verify(token: &str, set: &Value) -> Result<Map<String, Value>, TokenError> {
        let keys = read_set(set.to_string().as_bytes()).unwrap();
        SignedToken::parse(token)?.verify(&keys)
    }

    /// Key pairs of two kinds, and the set with both.
    fn pairs() -> (EcdsaKeyPair, Ed25519KeyPair, Value) {
        let random = SystemRandom::new();
        let curve = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let ec = EcdsaKeyPair::generate_pkcs8(curve, &random).unwrap();
        let ec = EcdsaKeyPair::from_pkcs8(curve, ec.as_ref(), &random).unwrap();
        let ed = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        let ed = Ed25519KeyPair::from_pkcs8(ed.as_ref()).unwrap();
        let point = ec.public_key().as_ref();
        let set = json!({"keys": [
            {"kty": "oct", "kid": "shared", "k": "c2VjcmV0"},
            {"kty": "EC", "crv": "P-256", "kid": "ec", "use": "sig", "x": encode(&point[1..33]), "y": encode(&point[33..])},
            {"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": encode(ed.public_key().as_ref())},
            {"kty": "EC", "crv": "P-256", "kid": "enc", "use": "enc", "x": encode(&point[1..33]), "y": encode(&point[33..])},
            7,
        ]});
        (ec, ed, set)
    }

    #[test]
    fn a_token_is_signed_by_the_key_that_it_names() {
        let (ec, ed, set) = pairs();
        let random = SystemRandom::new();
        let by_ec = |message: &[u8]| ec.sign(&random, message).unwrap().as_ref().to_vec();
        let by_ed = |message: &[u8]| ed.sign(message).as_ref().to_vec();
        let good = [
            token(&json!({"alg": "ES256", "kid": "ec"}), by_ec),
            token(&json!({"alg": "ES256"}), by_ec),
            token(&json!({"alg": "EdDSA", "kid": "ed"}), by_ed),
        ];
        for token in &good {
            assert_eq!(verify(token, &set).unwrap()["sub"], "1");
        }
        let unknown = |kid: &str| Err(TokenError::UnknownKey(kid.to_owned()));
        let header = json!({"alg": "ES256", "kid": "enc"});
        assert_eq!(verify(&token(&header, by_ec), &set), unknown("enc"));
        let header = json!({"alg": "EdDSA", "kid": "ec"});
        assert_eq!(verify(&token(&header, by_ed), &set), unknown("ec"));
        let header = json!({"alg": "ES256", "kid": "ec"});
        let by_nobody = |_: &[u8]| vec![0; 64];
        let refused = verify(&token(&header, by_nobody), &set);
        assert_eq!(refused, Err(TokenError::Signature));
        let (other, ..) = pairs();
        let by_other = |message: &[u8]| other.sign(&random, message).unwrap().as_ref().to_vec();
        let refused = verify(&token(&header, by_other), &set);
        assert_eq!(refused, Err(TokenError::Signature));
        // Another's claims between the header and the signature of a good one.
        let parts: Vec<&str> = good[0].split('.').collect();
        let swapped = format!("{}.{}.{}", parts[0], encode(r#"{"sub":"2"}"#), parts[2]);
        assert_eq!(verify(&swapped, &set), Err(TokenError::Signature));
    }

    #[test]
    fn what_proves_nothing_is_refused_by_its_name() {
        let (.., set) = pairs();
        let nothing = |_: &[u8]| Vec::new();
        for algorithm in ["none", "None", "HS256", "HS512", "ES256K", ""] {
            let refused = verify(&token(&json!({"alg": algorithm}), nothing), &set);
            assert_eq!(refused, Err(TokenError::Algorithm(algorithm.to_owned())));
        }
        let critical = token(
            &json!({"alg": "ES256", "crit": ["b64"], "b64": false}),
            nothing,
        );
        let long = "a".repeat(LONGEST + 1);
        for malformed in [
            "",
            "a.b",
            "a.b.c",
            "....",
            "{}.{}.{}",
            critical.as_str(),
            &long,
        ] {
            let refused = verify(malformed, &set);
            assert!(
                matches!(refused, Err(TokenError::Malformed(_))),
                "{malformed:?}: {refused:?}"
            );
        }
    }
}
