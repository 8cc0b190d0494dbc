//! What is kept of people, sessions and tokens, and what keeps it.

use super::key::KeyHash;
use crate::store::StoreError;
use futures::future::BoxFuture;
use saltpeter_domain::Secret;
use saltpeter_domain::access::{Access, UserName, session};
use saltpeter_protocol::UnixMillis;
use std::time::Duration;

/// Accounts there may be at most.
pub const MAX_USERS: u32 = 1000;
/// Tokens there may be at most.
pub const MAX_TOKENS: u32 = 1000;
/// Sessions of one user; a login beyond ends the oldest.
pub const MAX_SESSIONS: u32 = 50;

/// Somebody's account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The name.
    pub name: UserName,
    /// What they may do.
    pub access: Access,
    /// The argon2id hash of the password, in PHC form; `None` for those who come from a proxy or a provider that knows them.
    pub password: Option<Secret>,
    /// Who they are at the provider where they log in; `None`: they do not come from there.
    pub identity: Option<Identity>,
    /// Since when there is the account.
    pub created: UnixMillis,
    /// Who made it.
    pub created_by: String,
}

impl User {
    /// How long a session of theirs may last.
    pub fn longest_session(&self) -> Duration {
        match self.identity {
            Some(_) => session::LONGEST_PROVIDED,
            None => session::LONGEST,
        }
    }
}

/// Somebody at a provider of `OpenID` Connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The provider.
    pub issuer: String,
    /// What it calls them, and will never call anybody else.
    pub subject: String,
}

/// A login that is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its number.
    pub seq: i64,
    /// Whose it is.
    pub user: UserName,
    /// When they logged in.
    pub created: UnixMillis,
    /// When it was used last, to about a minute.
    pub seen: UnixMillis,
    /// The address of the login.
    pub from: String,
    /// What the browser calls itself.
    pub agent: String,
}

/// An API token. The token itself is not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Its name, unique.
    pub name: String,
    /// What it allows.
    pub access: Access,
    /// When it was made.
    pub created: UnixMillis,
    /// Who made it.
    pub created_by: String,
    /// When it stops working.
    pub expires: UnixMillis,
    /// When it was used last, to about a minute.
    pub seen: Option<UnixMillis>,
}

/// A change. Each says by how many rows it changed whether it came to anything.
#[derive(Debug, Clone)]
pub enum PeopleWrite {
    /// A new account; nothing when the name is taken or there are [`MAX_USERS`].
    AddUser(User),
    /// The very first account; nothing when there is one already.
    AddFirstUser(User),
    /// An account goes, and its sessions; nothing when there is none, or it is the last admin's.
    RemoveUser(UserName),
    /// Another password. Ends every session of that user but `but`.
    SetPassword {
        /// Whose.
        user: UserName,
        /// Its hash.
        password: Secret,
        /// The session that stays.
        but: Option<i64>,
    },
    /// Another role or other groups; nothing when that would leave no admin.
    SetAccess(UserName, Access),
    /// What the provider that somebody comes from says of them now; nothing when nobody here is that. It holds even if it
    /// leaves no admin: the command line can make one.
    SetProvided(Identity, Access),
    /// A login. Ends sessions that are over, and the user's oldest beyond [`MAX_SESSIONS`].
    AddSession {
        /// What its key is known by.
        key: KeyHash,
        /// Whose; the number is given by the store.
        session: Session,
        /// Sessions that were created before are over.
        created_before: UnixMillis,
        /// Sessions that were last used before are over.
        seen_before: UnixMillis,
    },
    /// A session is used.
    TouchSession(i64, UnixMillis),
    /// A session of this user ends.
    EndSession(UserName, i64),
    /// All of them end.
    EndSessions(UserName),
    /// A new token; nothing when the name is taken or there are [`MAX_TOKENS`].
    AddToken(KeyHash, Token),
    /// A token is used.
    TouchToken(String, UnixMillis),
    /// A token goes; nothing when there is none.
    RemoveToken(String),
}

/// Keeps them.
pub trait PeopleStore: Send + Sync + 'static {
    /// Makes a change. It is durable when this returns; the answer is the number of rows that it changed.
    fn change(&self, write: PeopleWrite) -> BoxFuture<'_, Result<u64, StoreError>>;

    /// Whether there is any account.
    fn has_users(&self) -> BoxFuture<'_, Result<bool, StoreError>>;

    /// An account.
    fn user<'a>(&'a self, name: &'a UserName) -> BoxFuture<'a, Result<Option<User>, StoreError>>;

    /// The account of somebody at a provider.
    fn user_of<'a>(
        &'a self,
        identity: &'a Identity,
    ) -> BoxFuture<'a, Result<Option<User>, StoreError>>;

    /// All accounts, by name.
    fn users(&self) -> BoxFuture<'_, Result<Vec<User>, StoreError>>;

    /// The session with this key, and whose it is.
    fn session<'a>(
        &'a self,
        key: &'a KeyHash,
    ) -> BoxFuture<'a, Result<Option<(Session, User)>, StoreError>>;

    /// A user's sessions, the newest first.
    fn sessions<'a>(
        &'a self,
        user: &'a UserName,
    ) -> BoxFuture<'a, Result<Vec<Session>, StoreError>>;

    /// The token with this key.
    fn token<'a>(&'a self, key: &'a KeyHash) -> BoxFuture<'a, Result<Option<Token>, StoreError>>;

    /// All tokens, by name.
    fn tokens(&self) -> BoxFuture<'_, Result<Vec<Token>, StoreError>>;
}
