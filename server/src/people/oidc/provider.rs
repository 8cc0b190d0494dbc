//! What the provider is asked: what it can do, its keys, and who has logged in. Nothing is asked before somebody logs in there.

use super::keys::{self, PublicKey};
use crate::clock::Clock;
use crate::outbound::{self, Unread};
use crate::secrets;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Client, RequestBuilder, StatusCode};
use saltpeter_domain::Secret;
use saltpeter_domain::access::oidc::{OidcProvider, is_safe_address};
use saltpeter_protocol::UnixMillis;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, OnceCell, Semaphore, SemaphorePermit};

/// How long the provider may take for one answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// The longest answer that is taken, in bytes.
const ANSWER_MAX: usize = 256 * 1024;
/// How long its description and its keys are taken as they were read.
const READ_AGAIN_AFTER: Duration = Duration::from_hours(1);
/// Keys that are not known make it read its keys again no more often than this: anybody can make up their names.
const LOOK_AGAIN_AFTER: Duration = Duration::from_mins(1);
/// How long nobody asks again after its description could not be had.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(3);
/// The longest of its own words that are shown, in characters.
const LONGEST_SHOWN: usize = 200;
/// Logins for which it is asked at a time; further ones are told to try again.
const AT_A_TIME: usize = 16;

/// What stands as it is in a form.
const FORM: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// Why the provider has not said what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ProviderError {
    /// Too many ask already.
    #[error("too many people log in at this moment; try again in a few seconds")]
    Busy,
    /// It cannot even be asked, for something is wrong here.
    #[error("{0}")]
    Here(String),
    /// There is no answer.
    #[error("{at} does not answer: {why}; is it up, and are issuer and ca of `oidc` right?")]
    Silent {
        /// The address.
        at: String,
        /// What went wrong.
        why: String,
    },
    /// It refuses.
    #[error(
        "{at} answers {status}{said}; are issuer, client_id, client_secret and url of `oidc` right?"
    )]
    Refuses {
        /// The address.
        at: String,
        /// The status.
        status: StatusCode,
        /// Its own words, if there are any.
        said: String,
    },
    /// The answer is none.
    #[error("what {at} answers is not what OpenID Connect says: {problem}")]
    Malformed {
        /// The address.
        at: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// What a provider says of itself.
#[derive(Debug, Deserialize)]
pub(super) struct Description {
    issuer: String,
    pub(super) authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    /// Whether its answers say whose they are (RFC 9207).
    #[serde(default)]
    pub(super) authorization_response_iss_parameter_supported: bool,
}

#[derive(Deserialize)]
struct Tokens {
    id_token: Option<String>,
}

#[derive(Deserialize)]
struct Complaint {
    error: String,
    error_description: Option<String>,
}

/// What was read, and when.
struct Read<T> {
    at: UnixMillis,
    value: Arc<T>,
}

impl<T> Read<T> {
    /// It, unless it is too old.
    fn fresh(slot: Option<&Self>, now: UnixMillis) -> Option<Arc<T>> {
        let read = slot.filter(|read| now.since(read.at) < READ_AGAIN_AFTER)?;
        Some(Arc::clone(&read.value))
    }
}

/// The provider's description, or why it could not be had last.
#[derive(Default)]
struct Described {
    read: Option<Read<Description>>,
    failed: Option<(UnixMillis, ProviderError)>,
}

/// The provider, as far as it is known. Whoever reads something holds its lock, so that those who come meanwhile wait instead
/// of asking too.
pub(super) struct Provider {
    settings: Arc<OidcProvider>,
    clock: Arc<dyn Clock>,
    client: OnceCell<Client>,
    description: Mutex<Described>,
    keys: Mutex<Option<Read<Vec<PublicKey>>>>,
    /// When keys were looked for that were not known.
    looked_again: Mutex<Option<UnixMillis>>,
    asking: Semaphore,
}

impl Provider {
    pub(super) fn new(settings: Arc<OidcProvider>, clock: Arc<dyn Clock>) -> Self {
        Self {
            settings,
            clock,
            client: OnceCell::new(),
            description: Mutex::default(),
            keys: Mutex::default(),
            looked_again: Mutex::default(),
            asking: Semaphore::new(AT_A_TIME),
        }
    }

    /// A turn to ask it, for as long as it is held.
    pub(super) fn turn(&self) -> Result<SemaphorePermit<'_>, ProviderError> {
        self.asking.try_acquire().map_err(|_| ProviderError::Busy)
    }

    /// What it says of itself.
    pub(super) async fn description(&self) -> Result<Arc<Description>, ProviderError> {
        let mut known = self.description.lock().await;
        let now = self.clock.now();
        if let Some(fresh) = Read::fresh(known.read.as_ref(), now) {
            return Ok(fresh);
        }
        if let Some((at, error)) = &known.failed
            && now.since(*at) < TRY_AGAIN_AFTER
        {
            return Err(error.clone());
        }
        match self.read_description().await {
            Ok(description) => {
                let value = Arc::new(description);
                known.read = Some(Read {
                    at: now,
                    value: Arc::clone(&value),
                });
                Ok(value)
            }
            Err(error) => {
                known.failed = Some((self.clock.now(), error.clone()));
                Err(error)
            }
        }
    }

    async fn read_description(&self) -> Result<Description, ProviderError> {
        let issuer = &self.settings.issuer;
        let base = issuer.trim_end_matches('/');
        let at = format!("{base}/.well-known/openid-configuration");
        let body = self.ask(&at, self.client().await?.get(&at)).await?;
        let description: Description =
            serde_json::from_slice(&body).map_err(|error| malformed(&at, error.to_string()))?;
        if description.issuer != *issuer {
            let found = shown(&description.issuer);
            let problem = format!(
                "it describes {found:?} and not {issuer:?}, and the two have to be the same to the letter"
            );
            return Err(malformed(&at, problem));
        }
        for address in [
            &description.authorization_endpoint,
            &description.token_endpoint,
            &description.jwks_uri,
        ] {
            if !is_safe_address(address) {
                let address = shown(address);
                let problem = format!("{address:?} is no address that begins with https://");
                return Err(malformed(&at, problem));
            }
        }
        Ok(description)
    }

    /// Its keys.
    pub(super) async fn keys(&self) -> Result<Arc<Vec<PublicKey>>, ProviderError> {
        let mut known = self.keys.lock().await;
        if let Some(fresh) = Read::fresh(known.as_ref(), self.clock.now()) {
            return Ok(fresh);
        }
        self.read_keys(&mut known).await
    }

    /// Its keys as they are now, for a token by a key that is not known; `None` when that was asked a moment ago.
    pub(super) async fn keys_anew(&self) -> Result<Option<Arc<Vec<PublicKey>>>, ProviderError> {
        let now = self.clock.now();
        let mut looked = self.looked_again.lock().await;
        if looked.is_some_and(|at| now.since(at) < LOOK_AGAIN_AFTER) {
            return Ok(None);
        }
        *looked = Some(now);
        drop(looked);
        let mut known = self.keys.lock().await;
        self.read_keys(&mut known).await.map(Some)
    }

    async fn read_keys(
        &self,
        known: &mut Option<Read<Vec<PublicKey>>>,
    ) -> Result<Arc<Vec<PublicKey>>, ProviderError> {
        let at = self.description().await?.jwks_uri.clone();
        let body = self.ask(&at, self.client().await?.get(&at)).await?;
        let keys = keys::read_set(&body).map_err(|error| malformed(&at, error.to_string()))?;
        let value = Arc::new(keys);
        *known = Some(Read {
            at: self.clock.now(),
            value: Arc::clone(&value),
        });
        Ok(value)
    }

    /// Swaps a code for an ID token.
    pub(super) async fn redeem(
        &self,
        code: &str,
        verifier: &Secret,
    ) -> Result<String, ProviderError> {
        let description = self.description().await?;
        let at = &description.token_endpoint;
        let redirect_uri = self.settings.redirect_uri();
        let client_id = self.settings.client_id.as_str();
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &redirect_uri),
            ("code_verifier", verifier.expose()),
        ];
        let secret = self.secret().await?;
        let mut request = self.client().await?.post(at);
        match &secret {
            Some(secret) if description.takes_basic() => {
                request = request.basic_auth(encoded(client_id), Some(encoded(secret.expose())));
            }
            Some(secret) => {
                fields.extend([("client_id", client_id), ("client_secret", secret.expose())]);
            }
            None => fields.push(("client_id", client_id)),
        }
        let request = request
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form(&fields));
        let body = self.ask(at, request).await?;
        let tokens: Tokens =
            serde_json::from_slice(&body).map_err(|error| malformed(at, error.to_string()))?;
        tokens
            .id_token
            .ok_or_else(|| malformed(at, "there is no id_token in it".to_owned()))
    }

    /// The client's secret. It is read for each login, so that a new one needs no restart.
    async fn secret(&self) -> Result<Option<Secret>, ProviderError> {
        const NAME: &str = "client_secret";
        let Some(source) = self.settings.client_secret.clone() else {
            return Ok(None);
        };
        let read = secrets::read(&BTreeMap::from([(NAME.to_owned(), source)])).await;
        let mut read = read.map_err(|error| ProviderError::Here(format!("`oidc`: {error}")))?;
        Ok(read.remove(NAME))
    }

    async fn client(&self) -> Result<&Client, ProviderError> {
        let made = self.client.get_or_try_init(async || {
            let ca = self.settings.ca.as_deref().map(Path::new);
            outbound::client(ca).map_err(|error| ProviderError::Here(format!("`oidc`: {error:#}")))
        });
        made.await
    }

    /// The body of a good answer.
    async fn ask(&self, at: &str, request: RequestBuilder) -> Result<Vec<u8>, ProviderError> {
        let silent = |error: reqwest::Error| {
            let error = anyhow::Error::from(error.without_url());
            ProviderError::Silent {
                at: at.to_owned(),
                why: error.root_cause().to_string(),
            }
        };
        let request = request
            .header(ACCEPT, "application/json")
            .timeout(ANSWER_WITHIN);
        let mut response = request.send().await.map_err(silent)?;
        let body = outbound::body(&mut response, ANSWER_MAX).await;
        let body = body.map_err(|unread| match unread {
            Unread::TooLong => malformed(at, "it is longer than 256 KiB".to_owned()),
            Unread::Broken(error) => silent(error),
        })?;
        let status = response.status();
        if status == StatusCode::OK {
            return Ok(body);
        }
        let said = serde_json::from_slice::<Complaint>(&body).map_or_else(
            |_| String::new(),
            |complaint| match complaint.error_description {
                Some(description) => {
                    format!(" ({}: {})", shown(&complaint.error), shown(&description))
                }
                None => format!(" ({})", shown(&complaint.error)),
            },
        );
        let at = at.to_owned();
        Err(ProviderError::Refuses { at, status, said })
    }
}

impl Description {
    /// Whether the client's secret goes into a header; it does unless the provider asks for something else.
    fn takes_basic(&self) -> bool {
        let methods = self.token_endpoint_auth_methods_supported.as_ref();
        methods.is_none_or(|methods| {
            let has = |wanted: &str| methods.iter().any(|method| method == wanted);
            has("client_secret_basic") || !has("client_secret_post")
        })
    }

    /// Where the browser is sent to log in.
    pub(super) fn login_address(&self, fields: &[(&str, &str)]) -> String {
        let at = &self.authorization_endpoint;
        let joint = if at.contains('?') { '&' } else { '?' };
        format!("{at}{joint}{}", form(fields))
    }
}

fn malformed(at: &str, problem: String) -> ProviderError {
    let at = at.to_owned();
    ProviderError::Malformed { at, problem }
}

/// The provider's own words, as far as they are fit to be shown.
pub(super) fn shown(text: &str) -> String {
    let plain = text.chars().filter(|c| !c.is_control());
    plain.take(LONGEST_SHOWN).collect()
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, FORM).to_string()
}

fn form(fields: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{name}={}", encoded(value)))
        .collect();
    pairs.join("&")
}
