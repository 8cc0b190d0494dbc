//! Salt, as this server uses it: call a function on machines and hear what they return. The port, and its two
//! ways: Salt's REST service, and the master on this host.
//!
//! What is called, and what an answer means to a run, is the executor's business (`executor/salt`), not this module's.

mod answers;
pub mod api;
mod backoff;
mod board;
pub mod cli;
mod connection;
mod events;
mod sse;
mod tally;

pub use connection::{Connection, EventStream, Way};

use futures::future::BoxFuture;
use saltpeter_domain::targeting::TargetType;
use saltpeter_protocol::{MachineId, UnixMillis};
use serde_json::{Map, Value};
use std::fmt;
use std::time::Duration;
use tokio::sync::mpsc;

/// What stands in a return for text that was too long for Salt's event bus (`max_event_size` of the master).
pub const TRIMMED: &str = "VALUE_TRIMMED";

/// Salt's number of a job: 20 digits, the time of its making.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Jid(pub String);

impl Jid {
    /// A number for a job that is made at `now`. Behind the 20 digits it has `_` and a number of its own, which Salt
    /// allows and does not use itself by default, so that no other job gets the same.
    pub fn new(now: UnixMillis) -> Self {
        Self::numbered(now, rand::random_range(10_000_000..100_000_000))
    }

    /// The number of the job that is made at `made` and has `own`, of eight digits, as its own number: the same for
    /// the same.
    pub fn numbered(made: UnixMillis, own: u32) -> Self {
        let instant = chrono::DateTime::from_timestamp_millis(made.0).unwrap_or_default();
        let digits = instant.format("%Y%m%d%H%M%S%6f");
        Self(format!("{digits}_{own:08}"))
    }
}

impl fmt::Display for Jid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which machines a call is for, in Salt's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// How `text` is read.
    pub target_type: TargetType,
    /// The expression; a list is its names with commas between.
    pub text: String,
}

impl Target {
    /// Exactly these machines.
    pub fn list<'m>(machines: impl IntoIterator<Item = &'m MachineId>) -> Self {
        let names: Vec<&str> = machines.into_iter().map(MachineId::as_str).collect();
        Self {
            target_type: TargetType::List,
            text: names.join(","),
        }
    }
}

/// A function to be called on machines.
#[derive(Debug, Clone)]
pub struct Call {
    /// On which.
    pub target: Target,
    /// The function, such as `test.ping`.
    pub function: &'static str,
    /// Its arguments in order.
    pub args: Vec<Value>,
    /// Its arguments by name.
    pub kwargs: Map<String, Value>,
    /// The number that Salt is to give the job; `None`: one that is made for it.
    pub jid: Option<Jid>,
    /// How long machines may take to return. The returns end then at the latest.
    pub wait: Duration,
}

/// A call that Salt has taken.
#[derive(Debug)]
pub struct Called {
    /// Salt's number of it.
    pub jid: Jid,
    /// The machines that Salt expects to return. Empty: none match.
    pub expected: Vec<MachineId>,
    /// What comes back, in the order in which it comes; machines that Salt did not expect may be among it. It ends
    /// when every expected machine has been heard or its silence been found out. Dropping it stops the listening,
    /// not the call.
    pub returns: mpsc::Receiver<Heard>,
}

/// Something heard of a call.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    /// A machine has returned. One that returns twice is heard once.
    Returned(Return),
    /// A machine that was expected has not returned in time.
    Silent(MachineId),
}

/// What a machine has returned. Text that was too long is [`TRIMMED`].
#[derive(Debug, Clone, PartialEq)]
pub struct Return {
    /// The machine.
    pub machine: MachineId,
    /// The function's value. Where something went wrong it is often a text instead.
    pub value: Value,
    /// Salt's own code: 0, or not when the function failed.
    pub retcode: i64,
}

/// Why a call was not made. The messages are sentences for the operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SaltError {
    /// The master or its service is away: worth another try.
    #[error("{0}")]
    Away(String),
    /// No answer came in time: Salt may have taken the call or not. [`Salt::hear`] tells, where that matters.
    #[error("{0}")]
    Unsure(String),
    /// Salt refused: not permitted, bad credentials, client disabled. Another try changes nothing.
    #[error("{0}")]
    Refused(String),
}

/// One way to reach Salt.
pub trait Salt: Send + Sync + 'static {
    /// Which way it is, and where to: for the log and the Config page.
    fn describe(&self) -> String;

    /// Has Salt call a function. Returns when Salt has taken the call; any number may be under way at a time.
    fn call(&self, call: Call) -> BoxFuture<'_, Result<Called, SaltError>>;

    /// Hears the returns of a call that was made before, by an earlier life of this server perhaps. `None` when Salt
    /// knows no such call. Machines that returned before are heard too.
    fn hear<'a>(
        &'a self,
        jid: &'a Jid,
        wait: Duration,
    ) -> BoxFuture<'a, Result<Option<Called>, SaltError>>;
}
