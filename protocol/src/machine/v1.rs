//! Version 1: what wrappers in the field speak. JSON text frames, output as numbered strings.
//!
//! Fields that very old wrappers leave out are optional here; unknown fields are ignored, unknown
//! types are [`FromWrapper::Unknown`].

use super::Stream;
use serde::{Deserialize, Serialize};

/// What every message of a wrapper carries, whatever its type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// The job's name.
    pub job_name: String,
    /// The run.
    pub job_instance: String,
    /// The machine.
    pub machine: String,
    /// The wrapper's clock, ISO 8601 with offset. Informative.
    #[serde(default)]
    pub timestamp: String,
}

/// A wrapper's message without its envelope (both are read from the same JSON object).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromWrapper {
    /// The first message of a wrapper's first connection.
    Connect,
    /// The command has started.
    Start {
        /// Process id of the command.
        #[serde(default)]
        pid: Option<u32>,
        /// The wrapper's version.
        #[serde(default)]
        version: Option<String>,
    },
    /// Still here.
    Heartbeat,
    /// A piece of output.
    Output {
        /// Which stream; very old wrappers do not say.
        #[serde(default = "stdout")]
        stream: Stream,
        /// The text.
        data: String,
        /// Position in the sequence of output and completion messages, from 0.
        #[serde(default)]
        seq: Option<u64>,
    },
    /// After a reconnection: what has the server got?
    SyncRequest {
        /// The last number whose ack the wrapper has seen; −1 for none.
        #[serde(default)]
        last_acked_seq: Option<i64>,
        /// The next number the wrapper will use.
        #[serde(default)]
        next_seq: Option<i64>,
    },
    /// The command has ended.
    Complete {
        /// Its exit code; negative for death by a signal.
        retcode: i32,
        /// Position in the sequence.
        #[serde(default)]
        seq: Option<u64>,
        /// All output at once (very old wrappers).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        output: Option<String>,
    },
    /// The wrapper could not do its work.
    Error {
        /// What happened.
        error: String,
    },
    /// A kill has been carried out; `complete` follows.
    Killed,
    /// A type that this server does not know.
    #[serde(other)]
    Unknown,
}

fn stdout() -> Stream {
    Stream::Stdout
}

/// Reads a wrapper's message: its envelope, and the rest of it.
pub fn read(text: &str) -> Result<(Envelope, FromWrapper), serde_json::Error> {
    Ok((serde_json::from_str(text)?, serde_json::from_str(text)?))
}

/// What the server says. `timestamp` is ISO 8601 with offset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromServer {
    /// A message has arrived and, for output and completion, is durable.
    Ack {
        /// The type of the message that is acknowledged: connect, start, output, complete.
        ack_type: AckType,
        /// Its number, where it had one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seq: Option<u64>,
        /// The server's clock.
        timestamp: String,
    },
    /// A message came before its predecessor.
    Nack {
        /// Always out of order.
        nack_type: NackType,
        /// The number that is wanted.
        expected_seq: u64,
        /// The number that came.
        received_seq: u64,
    },
    /// Answer to `sync_request`.
    SyncResponse {
        /// The last durable number. −1 only for an unknown run: the wrapper then drops its output.
        last_seq: i64,
    },
    /// End the command.
    Kill {
        /// The job's name.
        job_name: String,
        /// The run.
        job_instance: String,
        /// The machine.
        machine: String,
        /// The server's clock.
        timestamp: String,
    },
    /// The message could not be taken.
    Error {
        /// Which problem.
        code: ErrorCode,
        /// What was wrong, for a person.
        message: String,
    },
}

/// What an ack acknowledges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AckType {
    /// `connect`.
    Connect,
    /// `start`.
    Start,
    /// `output`.
    Output,
    /// `complete`.
    Complete,
}

/// Why a message was not taken, though its form was right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NackType {
    /// A number past the next expected one.
    OutOfOrder,
}

/// Why a message was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorCode {
    /// No such run, or the machine is not part of it.
    JobNotFound,
    /// Not a message of this protocol.
    BadMessage,
}
