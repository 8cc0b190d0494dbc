//! People who log in at a provider of `OpenID` Connect: what its word has to say before it is believed, and what each of its
//! groups may do here.

use super::{Access, Groups, Role};
use crate::secret::SecretSource;
use saltpeter_protocol::UnixMillis;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

/// How far the provider's clock may be off.
pub const LEEWAY: Duration = Duration::from_mins(1);
/// The longest subject, in bytes; the standard allows no more.
const LONGEST_SUBJECT: usize = 255;

/// A provider, and how it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OidcProvider {
    /// What people know it as.
    pub name: String,
    /// Its identifier, an address; what it can do is described below it.
    pub issuer: String,
    /// What it knows this server as.
    pub client_id: String,
    /// Where the secret is read that shows it is this server; `None`: it asks for none.
    pub client_secret: Option<SecretSource>,
    /// The address under which browsers reach the dashboard, without a slash at its end.
    pub url: String,
    /// PEM file of authorities to trust besides the host's.
    pub ca: Option<String>,
    /// What the provider is asked to tell of people, besides `openid`.
    pub scopes: Vec<String>,
    /// The claim that has the name for a new account.
    pub user_claim: String,
    /// The claim that has the groups.
    pub groups_claim: String,
    /// What each group may do here.
    pub roles: Vec<RoleRule>,
}

/// What those of a group may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleRule {
    /// The provider's group; `None`: everybody whom it lets in.
    pub group: Option<String>,
    /// What they may do.
    pub access: Access,
}

impl fmt::Display for RoleRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.group {
            Some(group) => write!(f, "{group}: {}", self.access),
            None => write!(f, "everybody: {}", self.access),
        }
    }
}

impl OidcProvider {
    /// Where the provider sends people back to.
    pub fn redirect_uri(&self) -> String {
        format!("{}/login/oidc/callback", self.url)
    }

    /// What somebody of these groups may do: the greatest role that any rule gives, and as an operator the job groups of all such
    /// rules together. `None`: no rule is about them, and they may not come in.
    pub fn access(&self, groups: &[String]) -> Option<Access> {
        let is_about = |rule: &&RoleRule| {
            let group = rule.group.as_ref();
            group.is_none_or(|group| groups.contains(group))
        };
        let granted: Vec<&Access> = self
            .roles
            .iter()
            .filter(is_about)
            .map(|rule| &rule.access)
            .collect();
        let role = granted.iter().map(|access| access.role).max()?;
        if role != Role::Operator {
            let groups = Groups::All;
            return Some(Access { role, groups });
        }
        let operated = granted.iter().filter(|access| access.role == role);
        let mut names = BTreeSet::new();
        for access in operated {
            match &access.groups {
                Groups::All => return Some((*access).clone()),
                Groups::Only(some) => names.extend(some.iter().cloned()),
            }
        }
        let groups = Groups::Only(names);
        Some(Access { role, groups })
    }
}

/// Whether what is said to this address is safe on its way: it goes over TLS, or does not leave this host.
pub fn is_safe_address(text: &str) -> bool {
    let host = |rest: &str| {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        authority.to_owned()
    };
    if let Some(rest) = text.strip_prefix("https://") {
        let host = host(rest);
        return !host.is_empty() && !host.contains('@');
    }
    text.strip_prefix("http://").is_some_and(|rest| {
        let host = host(rest);
        let name = host
            .rsplit_once(':')
            .filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()))
            .map_or(host.as_str(), |(name, _)| name);
        matches!(name, "localhost" | "127.0.0.1" | "[::1]")
    })
}

/// What an ID token has to be about.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// Who has made it.
    pub issuer: &'a str,
    /// For whom.
    pub client_id: &'a str,
    /// In answer to which login.
    pub nonce: &'a str,
    /// When it is looked at.
    pub now: UnixMillis,
}

/// Why an ID token is not believed although its signature is good.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// Another provider has made it.
    #[error(
        "it was made by {found:?} and not by {expected:?}; the issuer of `oidc` has to be the provider's own word, to the letter"
    )]
    Issuer {
        /// Who says to have made it.
        found: String,
        /// Who should have.
        expected: String,
    },
    /// It is meant for somebody else.
    #[error("it is meant for {found} and not for {expected:?} alone; is client_id right?")]
    Audience {
        /// For whom it is.
        found: String,
        /// For whom it should be.
        expected: String,
    },
    /// Its time is over.
    #[error("it has expired {} seconds ago; are the clocks of both hosts right?", .0.as_secs())]
    Expired(Duration),
    /// Its time has not come.
    #[error("it is from {} seconds in the future; are the clocks of both hosts right?", .0.as_secs())]
    Early(Duration),
    /// It was made for another login.
    #[error("it answers another login than this one")]
    Nonce,
    /// Something is missing in it, or is of another kind.
    #[error("its claim {0:?} is missing, or is not what the standard says")]
    Malformed(&'static str),
}

/// What a provider's word says of somebody, once it is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// Whom it is about: the name that the provider never gives to anybody else.
    pub subject: String,
    all: Map<String, Value>,
}

impl Claims {
    /// The claims of an ID token whose signature is good, if it is about `expected`.
    pub fn check(all: Map<String, Value>, expected: &Expected<'_>) -> Result<Self, ClaimError> {
        let text = |name: &'static str| {
            let value = all.get(name).and_then(Value::as_str);
            value.ok_or(ClaimError::Malformed(name))
        };
        let issuer = text("iss")?;
        if issuer != expected.issuer {
            return Err(ClaimError::Issuer {
                found: issuer.to_owned(),
                expected: expected.issuer.to_owned(),
            });
        }
        check_audience(&all, expected.client_id)?;
        check_times(&all, expected.now)?;
        if text("nonce")? != expected.nonce {
            return Err(ClaimError::Nonce);
        }
        let subject = text("sub")?;
        if subject.is_empty() || subject.len() > LONGEST_SUBJECT {
            return Err(ClaimError::Malformed("sub"));
        }
        let subject = subject.to_owned();
        Ok(Self { subject, all })
    }

    /// The text of a claim.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.find(name).and_then(Value::as_str)
    }

    /// Whether the provider says that it has not made sure of the address in `email`.
    pub fn is_email_unverified(&self) -> bool {
        self.find("email_verified") == Some(&Value::Bool(false))
    }

    /// The texts of a claim that is a list, or one text. `None`: there is no such claim.
    pub fn list(&self, name: &str) -> Option<Vec<String>> {
        match self.find(name)? {
            Value::String(one) => Some(vec![one.clone()]),
            Value::Array(many) => Some(
                many.iter()
                    .filter_map(|value| value.as_str().map(str::to_owned))
                    .collect(),
            ),
            _ => None,
        }
    }

    /// The claim of this name; where there is none, each dot leads into a mapping, as in `realm_access.roles`.
    fn find(&self, name: &str) -> Option<&Value> {
        self.all.get(name).or_else(|| {
            let mut steps = name.split('.');
            let first = self.all.get(steps.next()?)?;
            steps.try_fold(first, |value, step| value.get(step))
        })
    }
}

/// It has to be for this client; and for nobody else, for another that gets hold of it could come here with it.
fn check_audience(all: &Map<String, Value>, client_id: &str) -> Result<(), ClaimError> {
    let audience = all.get("aud").ok_or(ClaimError::Malformed("aud"))?;
    let wrong = |found: &Value| ClaimError::Audience {
        found: found.to_string(),
        expected: client_id.to_owned(),
    };
    let is_ours = match audience {
        Value::String(one) => one == client_id,
        Value::Array(many) => matches!(many.as_slice(), [Value::String(one)] if one == client_id),
        _ => return Err(ClaimError::Malformed("aud")),
    };
    if !is_ours {
        return Err(wrong(audience));
    }
    match all.get("azp") {
        Some(party) if party != client_id => Err(wrong(party)),
        _ => Ok(()),
    }
}

fn check_times(all: &Map<String, Value>, now: UnixMillis) -> Result<(), ClaimError> {
    let expires = time(all, "exp")?.ok_or(ClaimError::Malformed("exp"))?;
    if now >= expires + LEEWAY {
        return Err(ClaimError::Expired(now.since(expires)));
    }
    let made = time(all, "iat")?.ok_or(ClaimError::Malformed("iat"))?;
    let begins = time(all, "nbf")?.unwrap_or(made);
    let latest = made.max(begins);
    if latest > now + LEEWAY {
        return Err(ClaimError::Early(latest.since(now)));
    }
    Ok(())
}

/// A claim in seconds since 1970, which may have a fraction.
fn time(all: &Map<String, Value>, name: &'static str) -> Result<Option<UnixMillis>, ClaimError> {
    /// The year 9999.
    const LATEST: f64 = 253_402_300_799.0;
    let Some(value) = all.get(name) else {
        return Ok(None);
    };
    match value.as_f64() {
        Some(seconds) if (0.0..=LATEST).contains(&seconds) => {
            Ok(Some(UnixMillis((seconds * 1000.0) as i64)))
        }
        _ => Err(ClaimError::Malformed(name)),
    }
}

#[cfg(test)]
mod tests;
