//! People and programs: who they are, what they may do, and how they show it.
//!
//! A password is exchanged for a session, whose key the browser keeps in a cookie; programs have API tokens. Nothing of
//! either is remembered here: each request asks the store, so that what ends somewhere has ended everywhere.

pub mod audit;
mod caller;
mod first;
mod hashing;
mod key;
mod login;
pub mod oidc;
mod port;
mod provided;
mod tokens;
mod users;

pub use caller::{Caller, Who};
pub use first::GOOD_FOR as FIRST_LINK_GOOD_FOR;
pub use key::KeyHash;
pub use login::{Login, Refused, Visitor};
pub use port::{
    Identity, MAX_SESSIONS, MAX_TOKENS, MAX_USERS, PeopleStore, PeopleWrite, Session, Token, User,
};
pub use tokens::{DEFAULT_DAYS, LONGEST_DAYS, NewToken};

use crate::clock::Clock;
use crate::store::StoreError;
use audit::{Audit, Entry, What};
use caller::Proof;
use first::FirstAdmin;
use hashing::{Hashing, HashingError};
use saltpeter_domain::access::guesses::{Guesses, Limit};
use saltpeter_domain::access::{Deed, Denial, UserName, session};
use saltpeter_protocol::api::{ApiError, ErrorCode};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// Whether people have to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Auth {
    /// They do, and programs need a token.
    #[default]
    Required,
    /// Whoever reaches the server may do everything (`--insecure-no-auth`).
    InsecureNone,
}

/// People and programs. Clones share everything.
#[derive(Clone)]
pub struct People {
    inner: Arc<Inner>,
}

struct Inner {
    auth: Auth,
    store: Arc<dyn PeopleStore>,
    audit: Arc<dyn Audit>,
    clock: Arc<dyn Clock>,
    hashing: Hashing,
    by_address: Mutex<Guesses<IpAddr>>,
    by_user: Mutex<Guesses<String>>,
    first: Mutex<Option<FirstAdmin>>,
    /// Told when somebody's access ends or changes, for those whose connection is open.
    changed: watch::Sender<()>,
}

/// What a request brings along to show who sends it.
#[derive(Debug, Clone, Default)]
pub struct Presented {
    /// The session's key, from the cookie.
    pub session: Option<String>,
    /// The token of `Authorization: Bearer`.
    pub token: Option<String>,
    /// The name that a proxy vouches for. Whoever fills this in has made sure that it is one.
    pub proxied: Option<String>,
    /// The address it comes from.
    pub from: Option<IpAddr>,
}

/// Why something about people was not done.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PeopleError {
    /// They may not.
    #[error("{0}")]
    Denied(#[from] Denial),
    /// There is no such account, session or token.
    #[error("{0}")]
    Unknown(String),
    /// It is not acceptable; a sentence says what is wrong.
    #[error("{0}")]
    Invalid(String),
    /// It would leave the server without an admin.
    #[error("{0} is the only admin; make somebody else one first")]
    LastAdmin(UserName),
    /// Passwords are being hashed.
    #[error(transparent)]
    Hashing(#[from] HashingError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<PeopleError> for ApiError {
    fn from(error: PeopleError) -> Self {
        let code = match &error {
            PeopleError::Denied(_) => ErrorCode::Forbidden,
            PeopleError::Unknown(_) => ErrorCode::NotFound,
            PeopleError::Invalid(_) => ErrorCode::Invalid,
            PeopleError::LastAdmin(_) => ErrorCode::Conflict,
            PeopleError::Hashing(_) | PeopleError::Store(_) => ErrorCode::Unavailable,
        };
        Self::new(code, error.to_string())
    }
}

impl People {
    /// Those whom `store` keeps. What they do is told to `audit`.
    pub fn new(
        auth: Auth,
        store: Arc<dyn PeopleStore>,
        audit: Arc<dyn Audit>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                auth,
                store,
                audit,
                clock,
                hashing: Hashing::default(),
                by_address: Mutex::new(Guesses::new(Limit::ADDRESS)),
                by_user: Mutex::new(Guesses::new(Limit::USER)),
                first: Mutex::default(),
                changed: watch::Sender::default(),
            }),
        }
    }

    /// Whether people have to log in.
    pub fn auth(&self) -> Auth {
        self.inner.auth
    }

    /// Whether anybody has an account.
    pub async fn has_users(&self) -> Result<bool, PeopleError> {
        Ok(self.inner.store.has_users().await?)
    }

    /// Told when somebody's access has ended or changed here. What is done on the command line shows within a while only.
    pub fn changed(&self) -> watch::Receiver<()> {
        self.inner.changed.subscribe()
    }

    /// Who sends a request; `None` when nothing in it shows that. Counts as a use of the session or the token.
    pub async fn identify(&self, presented: Presented) -> Result<Option<Caller>, PeopleError> {
        let from = presented.from;
        if self.inner.auth == Auth::InsecureNone {
            return Ok(Some(Caller::anybody(from)));
        }
        // A program that shows a token means it, whatever else it sends.
        if let Some(token) = presented.token {
            return self.by_token(KeyHash::of(&token), from).await;
        }
        if let Some(key) = presented.session
            && let Some(caller) = self.by_session(KeyHash::of(&key), from).await?
        {
            return Ok(Some(caller));
        }
        match presented.proxied {
            Some(name) => self.by_proxy(&name, from).await,
            None => Ok(None),
        }
    }

    /// The same caller as they are now; `None` when they may be here no longer.
    pub async fn still(&self, caller: &Caller) -> Result<Option<Caller>, PeopleError> {
        match (&caller.proof, &caller.who) {
            (Proof::NotNeeded, _) => Ok(Some(caller.clone())),
            (Proof::Session { key, .. }, _) => self.by_session(key.clone(), caller.from).await,
            (Proof::Token(key), _) => self.by_token(key.clone(), caller.from).await,
            (Proof::Proxy, Who::User(name)) => self.by_proxy(name.as_str(), caller.from).await,
            (Proof::Proxy, _) => Ok(None),
        }
    }

    async fn by_session(
        &self,
        key: KeyHash,
        from: Option<IpAddr>,
    ) -> Result<Option<Caller>, PeopleError> {
        let Some((found, user)) = self.inner.store.session(&key).await? else {
            return Ok(None);
        };
        let now = self.inner.clock.now();
        if session::is_over(found.created, user.longest_session(), found.seen, now) {
            return Ok(None);
        }
        let seq = found.seq;
        if now.since(found.seen) >= session::NOTED_EVERY {
            self.touch(PeopleWrite::TouchSession(seq, now)).await;
        }
        Ok(Some(Caller {
            who: Who::User(user.name),
            access: user.access,
            from,
            proof: Proof::Session { key, seq },
        }))
    }

    async fn by_token(
        &self,
        key: KeyHash,
        from: Option<IpAddr>,
    ) -> Result<Option<Caller>, PeopleError> {
        let Some(token) = self.inner.store.token(&key).await? else {
            return Ok(None);
        };
        let now = self.inner.clock.now();
        if now >= token.expires {
            return Ok(None);
        }
        let noted = token.seen;
        if noted.is_none_or(|seen| now.since(seen) >= session::NOTED_EVERY) {
            self.touch(PeopleWrite::TouchToken(token.name.clone(), now))
                .await;
        }
        Ok(Some(Caller {
            who: Who::Token(token.name),
            access: token.access,
            from,
            proof: Proof::Token(key),
        }))
    }

    async fn by_proxy(
        &self,
        name: &str,
        from: Option<IpAddr>,
    ) -> Result<Option<Caller>, PeopleError> {
        let Ok(name) = UserName::new(name) else {
            return Ok(None);
        };
        let user = self.inner.store.user(&name).await?;
        Ok(user.map(|user| Caller {
            who: Who::User(user.name),
            access: user.access,
            from,
            proof: Proof::Proxy,
        }))
    }

    /// Notes a use. While the disk fails people still get in.
    async fn touch(&self, write: PeopleWrite) {
        if let Err(error) = self.inner.store.change(write).await {
            tracing::debug!(%error, "the use of a session or a token could not be noted");
        }
    }

    /// Nothing, if `caller` may; else it is put down and refused.
    pub async fn permit(&self, caller: &Caller, deed: Deed<'_>) -> Result<(), Denial> {
        self.settle(caller, caller.may(deed)).await
    }

    /// The same, where it has been found out already whether `caller` may.
    pub async fn settle(&self, caller: &Caller, may: Result<(), Denial>) -> Result<(), Denial> {
        if let Err(denial) = &may {
            self.record(caller, What::Denied(denial.to_string())).await;
        }
        may
    }

    /// Puts down what somebody did.
    pub async fn record(&self, caller: &Caller, what: What) {
        self.inner.audit.record(Entry::of(caller, what)).await;
    }

    /// Somebody's access has ended or changed.
    fn tell(&self) {
        self.inner.changed.send_replace(());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
