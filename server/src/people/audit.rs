//! What people did and tried to do, for whoever keeps account of it.

use super::Caller;
use futures::future::BoxFuture;
use saltpeter_domain::Maintenance;
use std::net::IpAddr;
use std::sync::Arc;

/// Something that somebody did or was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Who: a user's name, `token NAME`, an address; or the name that was tried at a login.
    pub who: String,
    /// From where; `None` on this host's command line.
    pub from: Option<IpAddr>,
    /// What.
    pub what: What,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// They logged in.
    LoggedIn,
    /// A login was refused.
    LoginRefused(String),
    /// They logged out; from everywhere when `true`.
    LoggedOut {
        /// Every session ended.
        everywhere: bool,
    },
    /// They wanted something that they may not; a sentence.
    Denied(String),
    /// They did something; a sentence in the past tense, such as `ran backup as backup_1700000000`.
    Did(String),
    /// They changed something that has a value.
    Changed {
        /// What.
        what: String,
        /// The value before.
        before: String,
        /// The value now.
        after: String,
    },
    /// They changed maintenance.
    Maintained {
        /// In this file.
        file: String,
        /// What it was before.
        before: Arc<Maintenance>,
        /// What it is now.
        after: Arc<Maintenance>,
    },
}

impl Entry {
    /// What `caller` did.
    pub fn of(caller: &Caller, what: What) -> Self {
        Self {
            who: caller.to_string(),
            from: caller.from,
            what,
        }
    }
}

/// Keeps account.
pub trait Audit: Send + Sync + 'static {
    /// Writes an entry down. It is where it belongs when this returns; a failure is the writer's to tell of.
    fn record(&self, entry: Entry) -> BoxFuture<'_, ()>;
}
