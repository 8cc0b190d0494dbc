//! Logging in and out.

use super::audit::{Entry, What};
use super::first::FirstAdmin;
use super::key::{KeyHash, new_key};
use super::oidc::OidcRefused;
use super::{Caller, People, PeopleError, PeopleWrite, Session, User, Who, lock};
use saltpeter_domain::Secret;
use saltpeter_domain::access::{Access, UserName, password, session};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

/// The longest name that a browser gives itself and that is kept, in characters.
const LONGEST_AGENT: usize = 200;

/// Whoever is at the login page.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// The address they come from.
    pub from: Option<IpAddr>,
    /// What their browser calls itself.
    pub agent: String,
}

/// Somebody has logged in.
#[derive(Debug)]
pub struct Login {
    /// For the browser's cookie; kept nowhere else.
    pub key: Secret,
    /// Who.
    pub user: UserName,
}

/// Why somebody could not log in.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Refused {
    /// There is no such user, or it is another password: which, is not said.
    #[error("the name or the password is wrong")]
    Wrong,
    /// Too many attempts have failed.
    #[error("too many attempts have failed; try again in {} seconds", .0.as_secs() + 1)]
    Pause(Duration),
    /// The link has been used, or is too old.
    #[error(
        "this link has been used, or is older than half an hour. Restart the server for a new one, or run `saltpeter user add NAME --role admin`"
    )]
    NoLink,
    /// The provider's word did not let them in.
    #[error(transparent)]
    Elsewhere(#[from] OidcRefused),
    /// Something else.
    #[error(transparent)]
    Failed(#[from] PeopleError),
}

impl People {
    /// Logs somebody in.
    pub async fn log_in(
        &self,
        name: &str,
        password: Secret,
        visitor: &Visitor,
    ) -> Result<Login, Refused> {
        match self.try_log_in(name, password, visitor).await {
            Ok(login) => Ok(login),
            Err(refused) => {
                if !matches!(refused, Refused::Failed(_)) {
                    let who = UserName::new(name);
                    let who = who.map_or_else(|_| "?".to_owned(), |name| name.to_string());
                    let entry = Entry {
                        who,
                        from: visitor.from,
                        what: What::LoginRefused(refused.to_string()),
                    };
                    self.inner.audit.record(entry).await;
                }
                Err(refused)
            }
        }
    }

    async fn try_log_in(
        &self,
        name: &str,
        password: Secret,
        visitor: &Visitor,
    ) -> Result<Login, Refused> {
        let Ok(name) = UserName::new(name) else {
            return Err(Refused::Wrong);
        };
        if password.expose().len() > password::LONGEST {
            return Err(Refused::Wrong);
        }
        self.count_guess(&name, visitor.from)?;
        let verified = self.verify(&name, password).await;
        // What could not be looked at was no guess.
        if !matches!(verified, Ok(None)) {
            self.was_no_guess(&name, visitor.from);
        }
        let user = verified?.ok_or(Refused::Wrong)?;
        Ok(self.begin_session(user, visitor).await?)
    }

    /// The user, when it is their password.
    async fn verify(&self, name: &UserName, password: Secret) -> Result<Option<User>, PeopleError> {
        let user = self.inner.store.user(name).await?;
        let hash = user.as_ref().and_then(|user| user.password.clone());
        let same = self.inner.hashing.verify(password, hash).await?;
        Ok(user.filter(|_| same))
    }

    fn count_guess(&self, name: &UserName, from: Option<IpAddr>) -> Result<(), Refused> {
        let now = self.inner.clock.now();
        let address = from.map(network);
        if let Some(address) = &address {
            let begun = lock(&self.inner.by_address).begin(address, now);
            begun.map_err(Refused::Pause)?;
        }
        let begun = lock(&self.inner.by_user).begin(&name.to_string(), now);
        begun.map_err(|pause| {
            // This one was not looked at, so it tells nothing of the address.
            if let Some(address) = &address {
                lock(&self.inner.by_address).succeeded(address);
            }
            Refused::Pause(pause)
        })
    }

    fn was_no_guess(&self, name: &UserName, from: Option<IpAddr>) {
        lock(&self.inner.by_user).succeeded(&name.to_string());
        if let Some(address) = from.map(network) {
            lock(&self.inner.by_address).succeeded(&address);
        }
    }

    pub(super) async fn begin_session(
        &self,
        user: User,
        visitor: &Visitor,
    ) -> Result<Login, PeopleError> {
        let key = new_key();
        let now = self.inner.clock.now();
        let agent = visitor.agent.chars().take(LONGEST_AGENT).collect();
        let from = visitor
            .from
            .map_or_else(String::new, |from| from.to_string());
        let session = Session {
            seq: 0,
            user: user.name.clone(),
            created: now,
            seen: now,
            from,
            agent,
        };
        let write = PeopleWrite::AddSession {
            key: KeyHash::of(key.expose()),
            session,
            created_before: now - session::LONGEST,
            seen_before: now - session::IDLE,
        };
        if self.inner.store.change(write).await? == 0 {
            let message = format!("the account of {} has gone meanwhile", user.name);
            return Err(PeopleError::Unknown(message));
        }
        let entry = Entry {
            who: user.name.to_string(),
            from: visitor.from,
            what: What::LoggedIn,
        };
        self.inner.audit.record(entry).await;
        Ok(Login {
            key,
            user: user.name,
        })
    }

    /// Ends the caller's session; every one of theirs with `everywhere`.
    pub async fn log_out(&self, caller: &Caller, everywhere: bool) -> Result<(), PeopleError> {
        let Some(user) = caller.user().cloned() else {
            return Ok(());
        };
        let write = match caller.session() {
            _ if everywhere => PeopleWrite::EndSessions(user),
            Some(session) => PeopleWrite::EndSession(user, session),
            None => return Ok(()),
        };
        self.inner.store.change(write).await?;
        self.tell();
        self.record(caller, What::LoggedOut { everywhere }).await;
        Ok(())
    }

    /// Ends one of the caller's sessions.
    pub async fn end_session(&self, caller: &Caller, session: i64) -> Result<(), PeopleError> {
        let Some(user) = caller.user().cloned() else {
            return Ok(());
        };
        let write = PeopleWrite::EndSession(user, session);
        if self.inner.store.change(write).await? > 0 {
            self.tell();
            let what = What::Did(format!("ended their session {session}"));
            self.record(caller, what).await;
        }
        Ok(())
    }

    /// The caller's sessions that are in force, the newest first.
    pub async fn sessions(&self, caller: &Caller) -> Result<Vec<Session>, PeopleError> {
        let Some(user) = caller.user() else {
            return Ok(Vec::new());
        };
        let now = self.inner.clock.now();
        let Some(account) = self.inner.store.user(user).await? else {
            return Ok(Vec::new());
        };
        let longest = account.longest_session();
        let mut sessions = self.inner.store.sessions(user).await?;
        sessions.retain(|session| !session::is_over(session.created, longest, session.seen, now));
        Ok(sessions)
    }

    /// A code for the link that makes the first admin; `None` when somebody has an account, or nobody needs one.
    pub async fn first_admin_code(&self) -> Result<Option<Secret>, PeopleError> {
        if self.inner.auth == super::Auth::InsecureNone || self.has_users().await? {
            return Ok(None);
        }
        let (first, code) = FirstAdmin::new(self.inner.clock.now());
        *lock(&self.inner.first) = Some(first);
        Ok(Some(code))
    }

    /// Swaps the link's code for a key to the form.
    pub async fn open_first(&self, code: &str) -> Result<Secret, Refused> {
        if self.has_users().await? {
            return Err(Refused::NoLink);
        }
        let now = self.inner.clock.now();
        let mut first = lock(&self.inner.first);
        let key = first.as_mut().and_then(|first| first.exchange(code, now));
        key.ok_or(Refused::NoLink)
    }

    /// Whether the form may be shown to whoever has `key`.
    pub async fn may_make_first(&self, key: &str) -> Result<(), Refused> {
        let now = self.inner.clock.now();
        let is_key = lock(&self.inner.first)
            .as_ref()
            .is_some_and(|first| first.is_key(key, now));
        if !is_key || self.has_users().await? {
            return Err(Refused::NoLink);
        }
        Ok(())
    }

    /// Makes the first admin, and logs them in.
    pub async fn make_first(
        &self,
        key: &str,
        name: &str,
        password: Secret,
        visitor: &Visitor,
    ) -> Result<Login, Refused> {
        self.may_make_first(key).await?;
        let name = UserName::new(name);
        let name = name.map_err(|e| PeopleError::Invalid(e.to_string()))?;
        let password = self.new_password(&name, password).await?;
        let user = User {
            name,
            access: Access::EVERYTHING,
            password: Some(password),
            identity: None,
            created: self.inner.clock.now(),
            created_by: "the first link".to_owned(),
        };
        let write = PeopleWrite::AddFirstUser(user.clone());
        let added = self.inner.store.change(write).await;
        if added.map_err(PeopleError::from)? == 0 {
            return Err(Refused::NoLink);
        }
        *lock(&self.inner.first) = None;
        let caller = Caller {
            who: Who::User(user.name.clone()),
            from: visitor.from,
            ..Caller::console()
        };
        let what = What::Did(format!("made {} the first admin", user.name));
        self.record(&caller, what).await;
        Ok(self.begin_session(user, visitor).await?)
    }
}

/// What counts as one address: with IPv6 everybody has as many as they please within their network.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let network = address.to_bits() & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from_bits(network))
        }
    }
}
