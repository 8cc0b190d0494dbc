//! The browser's socket at `/ws/live`: one per tab.
//!
//! State: [`ServerMessage::Snapshot`] (with [`ServerMessage::Jobs`] before it) at a sequence number, then [`ServerMessage::Event`]s with rising
//! numbers. A client that sees a new snapshot forgets what it had; the server sends one at the start
//! and whenever the client could not keep up. Output: binary frames ([`OutputPush`]) per subscription,
//! by offset; a client that reconnects subscribes again from where it stands.

use crate::api::{
    JobRow, MachineRow, MaintenanceView, OutputSlice, Overview, Problem, RunDetail, RunSummary,
    SliceError, StorageTrouble, decode_with_header, encode_with_header,
};
use crate::attempt::Attempt;
use crate::ids::{JobName, MachineId, RunId};
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// Where the socket is.
pub const PATH: &str = "/ws/live";

/// Longest message a browser may send, in bytes.
pub const MAX_CLIENT_MESSAGE: usize = 16 * 1024;

/// Output subscriptions that one socket may hold.
pub const MAX_SUBSCRIPTIONS: usize = 32;

/// Identifies an output subscription within its socket; chosen by the client.
pub type SubscriptionId = u32;

/// What a browser says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientMessage {
    /// Send this run with its machines, now and at every change.
    WatchRun {
        /// The run.
        run: RunId,
    },
    /// No longer.
    UnwatchRun {
        /// The run.
        run: RunId,
    },
    /// Send this machine's output from `from` on, as it grows.
    WatchOutput {
        /// The client's name for the subscription.
        sub: SubscriptionId,
        /// The run.
        run: RunId,
        /// The machine.
        machine: MachineId,
        /// Which of its attempts; the first when absent.
        #[serde(default)]
        attempt: Attempt,
        /// Offset of the first byte wanted.
        from: u64,
    },
    /// No longer.
    UnwatchOutput {
        /// The subscription.
        sub: SubscriptionId,
    },
    /// Asks for a `pong`, to tell a dead connection from a quiet one.
    Ping,
}

/// What the server says in text frames.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
// Named outside, as `{"snapshot": …}`: a tag inside would make serde keep every message as a tree before
// reading it, and all of that code would be in the WASM twice.
#[serde(rename_all = "snake_case")]
pub enum ServerMessage {
    /// Jobs of the snapshot that comes next, when there are many: a browser that read all of them at once would stand still
    /// meanwhile. The snapshot has the others.
    Jobs {
        /// Some of them, in no order.
        jobs: Vec<JobRow>,
    },
    /// The whole state that every page stands on.
    Snapshot {
        /// Events after this one follow.
        seq: u64,
        /// The state, but for the jobs that have been sent before it.
        overview: Box<Overview>,
    },
    /// A change. Numbers rise; they need not be consecutive, since events about runs that are not
    /// watched are left out.
    Event {
        /// Its number.
        seq: u64,
        /// The change.
        event: Event,
    },
    /// A watched run, whole: right after `watch_run`, and again after a snapshot.
    Run {
        /// Events after this one follow.
        seq: u64,
        /// The run.
        run: Box<RunDetail>,
    },
    /// Answer to `ping`.
    Pong {
        /// The server's clock.
        now: UnixMillis,
    },
    /// A request could not be met. The connection stays.
    Error {
        /// What was wrong.
        message: String,
        /// The subscription it was about.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sub: Option<SubscriptionId>,
    },
}

/// A change of state. Each carries the new value whole, so that applying one twice does no harm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A job is new or has changed (its definition, its next time, its runs).
    Job {
        /// The row.
        job: Box<JobRow>,
    },
    /// A job is gone.
    JobRemoved {
        /// Its name.
        name: JobName,
    },
    /// Maintenance has changed.
    Maintenance {
        /// As it is now.
        maintenance: MaintenanceView,
    },
    /// The configuration's problems have changed.
    Problems {
        /// All of them.
        problems: Vec<Problem>,
    },
    /// What keeps the server from writing to its disk has changed.
    Storage {
        /// All of it.
        troubles: Vec<StorageTrouble>,
    },
    /// A watched run has changed.
    Run {
        /// The run.
        summary: Box<RunSummary>,
    },
    /// A machine of a watched run has changed.
    Machine {
        /// The run.
        run: RunId,
        /// The machine.
        row: Box<MachineRow>,
    },
}

/// Output for one subscription, in a binary frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputPush {
    /// The subscription.
    pub sub: SubscriptionId,
    /// The output; its bytes follow the header.
    pub slice: OutputSlice,
}

impl OutputPush {
    /// Writes header length (u32, little-endian), JSON header, bytes.
    pub fn encode(&self) -> Result<Vec<u8>, SliceError> {
        encode_with_header(self, &self.slice.bytes)
    }

    /// Reads what [`OutputPush::encode`] wrote.
    pub fn decode(data: &[u8]) -> Result<Self, SliceError> {
        let (mut push, bytes): (Self, &[u8]) = decode_with_header(data)?;
        push.slice.bytes = bytes.to_vec();
        Ok(push)
    }
}
