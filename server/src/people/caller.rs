//! Who asks for something.

use super::key::KeyHash;
use saltpeter_domain::access::{Access, Deed, Denial, UserName};
use std::fmt;
use std::net::IpAddr;

/// Whoever asks for something, what they may do, and where they are. Every request that is let in carries one.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Who.
    pub who: Who,
    /// What they may do.
    pub access: Access,
    /// The address they ask from; `None` on this host's command line.
    pub from: Option<IpAddr>,
    pub(super) proof: Proof,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// Somebody with an account.
    User(UserName),
    /// A program with the API token of this name.
    Token(String),
    /// Whoever sits at this host's command line.
    Console,
    /// Anybody: nobody needs to log in to this server.
    Anybody,
}

/// What shows who it is, to be looked at again later.
#[derive(Debug, Clone)]
pub(super) enum Proof {
    Session { key: KeyHash, seq: i64 },
    Token(KeyHash),
    Proxy,
    NotNeeded,
}

impl Caller {
    /// Somebody at this host's command line, who may do everything: the database is theirs.
    pub fn console() -> Self {
        Self {
            who: Who::Console,
            access: Access::EVERYTHING,
            from: None,
            proof: Proof::NotNeeded,
        }
    }

    /// Anybody, on a server to which nobody needs to log in.
    pub fn anybody(from: Option<IpAddr>) -> Self {
        Self {
            who: Who::Anybody,
            access: Access::EVERYTHING,
            from,
            proof: Proof::NotNeeded,
        }
    }

    /// Whether they may; an error is a sentence for them.
    pub fn may(&self, deed: Deed<'_>) -> Result<(), Denial> {
        self.access.may(deed)
    }

    /// Their account, if they have one.
    pub fn user(&self) -> Option<&UserName> {
        match &self.who {
            Who::User(name) => Some(name),
            Who::Token(_) | Who::Console | Who::Anybody => None,
        }
    }

    /// The number of their session, if they have one.
    pub fn session(&self) -> Option<i64> {
        match self.proof {
            Proof::Session { seq, .. } => Some(seq),
            Proof::Token(_) | Proof::Proxy | Proof::NotNeeded => None,
        }
    }

    /// Whether the browser sends by itself what shows who they are, so that another site can make it do so.
    pub fn is_sent_by_browsers(&self) -> bool {
        matches!(self.proof, Proof::Session { .. } | Proof::Proxy)
    }
}

/// As it stands in histories: the name of a user, `token NAME`, or the address of whoever it was.
impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.who, self.from) {
            (Who::User(name), _) => name.fmt(f),
            (Who::Token(name), _) => write!(f, "token {name}"),
            (Who::Console, _) => f.write_str("the command line"),
            (Who::Anybody, Some(address)) => address.fmt(f),
            (Who::Anybody, None) => f.write_str("somebody"),
        }
    }
}
