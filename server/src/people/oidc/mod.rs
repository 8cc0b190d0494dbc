//! Logging in at a provider of `OpenID` Connect: by a code that is bound to one browser, and is swapped for an ID token whose
//! signature and claims are verified. Every login is a session like those by password; the provider is asked for nothing else.

mod keys;
mod pending;
mod provider;
mod token;

pub use pending::GOOD_FOR;
pub use provider::ProviderError;
pub use token::TokenError;

use super::audit::{Entry, What};
use super::login::network;
use super::provided::Provided;
use super::{Identity, Login, People, Refused, Visitor, lock};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pending::{Logins, Pending};
use provider::{Provider, shown};
use saltpeter_domain::Secret;
use saltpeter_domain::access::UserName;
use saltpeter_domain::access::oidc::{Claims, Expected, OidcProvider};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::sync::{Arc, Mutex};
use token::SignedToken;

/// The longest code that is redeemed, in bytes.
const LONGEST_CODE: usize = 4096;

/// Logs people in by a provider's word. Clones share everything.
#[derive(Clone)]
pub struct Oidc {
    inner: Arc<Inner>,
}

struct Inner {
    people: People,
    settings: Arc<OidcProvider>,
    provider: Provider,
    logins: Mutex<Logins>,
}

/// A login has begun.
#[derive(Debug)]
pub struct Begun {
    /// Where the browser goes on: the provider's login page.
    pub location: String,
    /// For the browser's cookie, good for [`GOOD_FOR`].
    pub browser: Secret,
}

/// What the provider has the browser bring back.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Answer {
    state: String,
    code: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
    iss: Option<String>,
}

/// Why a login by the provider's word was refused: what was wrong, and what to do.
#[derive(Debug, Clone, thiserror::Error)]
pub enum OidcRefused {
    /// This browser has begun no such login, or has ended it.
    #[error(
        "this login was begun in another browser, more than ten minutes ago, or has been used; log in anew. Cookies have to be on, and the dashboard has to be open as {0}"
    )]
    Stale(String),
    /// Somebody else answers than was asked.
    #[error("the answer comes from {found:?}, and {expected:?} was asked; nobody was logged in")]
    OtherIssuer {
        /// Who answers.
        found: String,
        /// Who was asked.
        expected: String,
    },
    /// The provider has not let them in.
    #[error("{provider} has not let you in: {said}")]
    Denied {
        /// What people know it as.
        provider: String,
        /// Its own words.
        said: String,
    },
    /// The provider could not be asked.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// Its word is not believed.
    #[error("the ID token of {provider} is not good: {error}")]
    Token {
        /// What people know it as.
        provider: String,
        /// Why not.
        error: TokenError,
    },
    /// None of their groups has a role.
    #[error(
        "{who} is in no group that may come in here; an admin gives one of the groups at {provider} a role, by `roles` of `oidc`{hint}"
    )]
    NoRole {
        /// Who it is, as the provider says.
        who: String,
        /// What people know it as.
        provider: String,
        /// What else may be wrong.
        hint: String,
    },
    /// There is no name for a new account.
    #[error(
        "the ID token's claim {claim} has no name for an account: {problem}; another can be chosen by `user_claim` of `oidc`"
    )]
    NoName {
        /// The claim.
        claim: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Somebody else has the name already.
    #[error(
        "the name {0} belongs to an account here that is not yours at the provider; an admin can remove that, or you take another name there"
    )]
    NameTaken(UserName),
    /// There would be people here and no admin.
    #[error(
        "nobody here is an admin yet: let an admin come first, by the link that the server printed or `saltpeter user add NAME --role admin`"
    )]
    NoAdminYet,
}

impl Oidc {
    /// Asks this provider. Nothing is asked before somebody logs in.
    pub fn new(people: People, settings: OidcProvider) -> Self {
        let settings = Arc::new(settings);
        let clock = Arc::clone(&people.inner.clock);
        Self {
            inner: Arc::new(Inner {
                people,
                provider: Provider::new(Arc::clone(&settings), clock),
                settings,
                logins: Mutex::default(),
            }),
        }
    }

    /// What people know the provider as.
    pub fn name(&self) -> &str {
        &self.inner.settings.name
    }

    /// Begins a login, after which the browser goes to `next`.
    pub async fn begin(&self, next: &str, visitor: &Visitor) -> Result<Begun, Refused> {
        match self.try_begin(next, visitor).await {
            Ok(begun) => Ok(begun),
            Err(refused) => Err(self.refuse("?", refused.into(), visitor).await),
        }
    }

    async fn try_begin(&self, next: &str, visitor: &Visitor) -> Result<Begun, OidcRefused> {
        let Inner {
            people,
            settings,
            provider,
            logins,
        } = &*self.inner;
        let _turn = provider.turn()?;
        let description = provider.description().await?;
        let from = visitor.from.map(network);
        let beginning = lock(logins).begin(next, from, people.inner.clock.now());
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(beginning.verifier.expose()));
        let mut scope = "openid".to_owned();
        for wanted in &settings.scopes {
            scope.extend([" ", wanted]);
        }
        let location = description.login_address(&[
            ("response_type", "code"),
            ("client_id", &settings.client_id),
            ("redirect_uri", &settings.redirect_uri()),
            ("scope", &scope),
            ("state", beginning.state.expose()),
            ("nonce", beginning.nonce.expose()),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ]);
        let browser = beginning.browser;
        Ok(Begun { location, browser })
    }

    /// Ends a login: `answer` is what the browser brings back, `browser` its cookie. Says where to go next.
    pub async fn finish(
        &self,
        answer: Answer,
        browser: &str,
        visitor: &Visitor,
    ) -> Result<(Login, String), Refused> {
        let (pending, claims) = match self.claims(answer, browser).await {
            Ok(known) => known,
            Err(refused) => return Err(self.refuse("?", refused.into(), visitor).await),
        };
        let who = self.shown_name(&claims);
        match self.admit(&claims, visitor).await {
            Ok(login) => Ok((login, pending.next)),
            Err(refused) => Err(self.refuse(&who, refused, visitor).await),
        }
    }

    /// What the provider says of whoever has logged in.
    async fn claims(
        &self,
        answer: Answer,
        browser: &str,
    ) -> Result<(Pending, Claims), OidcRefused> {
        let Inner {
            people,
            settings,
            provider,
            logins,
        } = &*self.inner;
        let clock = &people.inner.clock;
        let pending = lock(logins).take(&answer.state, browser, clock.now());
        let stale = || OidcRefused::Stale(settings.url.clone());
        let pending = pending.ok_or_else(stale)?;
        let _turn = provider.turn()?;
        let tells_issuer = provider
            .description()
            .await?
            .authorization_response_iss_parameter_supported;
        if answer
            .iss
            .as_deref()
            .map_or(tells_issuer, |iss| iss != settings.issuer)
        {
            return Err(OidcRefused::OtherIssuer {
                found: shown(&answer.iss.unwrap_or_default()),
                expected: settings.issuer.clone(),
            });
        }
        if let Some(error) = answer.error {
            let said = match answer.error_description {
                Some(description) => format!("{}: {}", shown(&error), shown(&description)),
                None => shown(&error),
            };
            let provider = settings.name.clone();
            return Err(OidcRefused::Denied { provider, said });
        }
        let code = answer.code.filter(|code| code.len() <= LONGEST_CODE);
        let id_token = provider
            .redeem(&code.ok_or_else(stale)?, &pending.verifier)
            .await?;
        let expected = Expected {
            issuer: &settings.issuer,
            client_id: &settings.client_id,
            nonce: pending.nonce.expose(),
            now: clock.now(),
        };
        let claims = self.verified(&id_token, &expected).await?;
        Ok((pending, claims))
    }

    /// The claims of a token that the provider has signed, for this login.
    async fn verified(
        &self,
        id_token: &str,
        expected: &Expected<'_>,
    ) -> Result<Claims, OidcRefused> {
        let Inner {
            settings, provider, ..
        } = &*self.inner;
        let bad = |error: TokenError| OidcRefused::Token {
            provider: settings.name.clone(),
            error,
        };
        let token = SignedToken::parse(id_token).map_err(bad)?;
        let mut verified = token.verify(&provider.keys().await?);
        // It may have a new key since its keys were read.
        if matches!(verified, Err(TokenError::UnknownKey(_)))
            && let Some(keys) = provider.keys_anew().await?
        {
            verified = token.verify(&keys);
        }
        let claims = verified.and_then(|all| Ok(Claims::check(all, expected)?));
        claims.map_err(bad)
    }

    async fn admit(&self, claims: &Claims, visitor: &Visitor) -> Result<Login, Refused> {
        let Inner {
            people, settings, ..
        } = &*self.inner;
        let identity = Identity {
            issuer: settings.issuer.clone(),
            subject: claims.subject.clone(),
        };
        let groups = claims.list(&settings.groups_claim);
        let Some(access) = settings.access(groups.as_deref().unwrap_or_default()) else {
            // Who was in such a group may still be here.
            people.shut_out(&identity).await?;
            let hint = match groups {
                Some(_) => String::new(),
                None => format!(
                    ". The ID token has no claim {}: is `groups_claim` right, and does the provider put it there?",
                    settings.groups_claim
                ),
            };
            return Err(OidcRefused::NoRole {
                who: self.shown_name(claims),
                provider: settings.name.clone(),
                hint,
            }
            .into());
        };
        let provided = Provided {
            identity,
            provider: settings.name.clone(),
            name: self.account_name(claims)?,
            access,
        };
        people.log_in_provided(provided, visitor).await
    }

    /// The name that a new account would have.
    fn account_name(&self, claims: &Claims) -> Result<UserName, OidcRefused> {
        let claim = &self.inner.settings.user_claim;
        let wrong = |problem: String| OidcRefused::NoName {
            claim: claim.clone(),
            problem,
        };
        let text = claims.text(claim);
        let text = text.ok_or_else(|| wrong("it is not there".to_owned()))?;
        if claim == "email" && claims.is_email_unverified() {
            return Err(wrong("the address is not verified".to_owned()));
        }
        UserName::new(text).map_err(|error| wrong(format!("{:?} is none: {error}", shown(text))))
    }

    /// Who it is, for those who read of it.
    fn shown_name(&self, claims: &Claims) -> String {
        let name = claims.text(&self.inner.settings.user_claim);
        shown(name.unwrap_or(&claims.subject))
    }

    /// Puts down that somebody was not let in, and why. Anybody can answer a login that never was, so the log does not tell of
    /// those; the audit trail has a bound for them.
    async fn refuse(&self, who: &str, refused: Refused, visitor: &Visitor) -> Refused {
        let provider = self.name();
        if !matches!(refused, Refused::Elsewhere(OidcRefused::Stale(_))) {
            tracing::warn!(from = ?visitor.from, "a login by {provider} was refused: {refused}");
        }
        let entry = Entry {
            who: who.to_owned(),
            from: visitor.from,
            what: What::LoginRefused(format!("by {provider}: {refused}")),
        };
        self.inner.people.inner.audit.record(entry).await;
        refused
    }
}
