//! Salt, as this server uses it: call a function on machines and hear what they return. The port, and its two
//! ways: Salt's REST service and the `salt` command.
//!
//! What is called, and what an answer means to a run, is the executor's business (`executor/salt`), not this module's.

use futures::future::BoxFuture;
use saltpeter_domain::targeting::TargetType;
use saltpeter_protocol::MachineId;
use serde_json::{Map, Value};
use std::time::Duration;
use tokio::sync::mpsc;

/// Salt's number of a job: 20 digits, the time of its making.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Jid(pub String);

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
    /// The number that Salt is to give the job; `None`: one of Salt's choice.
    pub jid: Option<Jid>,
    /// How long machines may take to return. The returns end then at the latest.
    pub wait: Duration,
}

/// A call that Salt has taken.
#[derive(Debug)]
pub struct Called {
    /// Salt's number of it, where the way tells.
    pub jid: Option<Jid>,
    /// The machines that Salt expects to return; `None` where the way tells only at the end. Empty: none match.
    pub expected: Option<Vec<MachineId>>,
    /// What comes back, in the order in which it comes. It ends when every expected machine has been heard or
    /// its silence been found out. Dropping it stops the listening, not the call.
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

/// What a machine has returned.
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
    /// knows no such call.
    fn hear<'a>(
        &'a self,
        jid: &'a Jid,
        wait: Duration,
    ) -> BoxFuture<'a, Result<Option<Called>, SaltError>>;
}
