//! The machine protocol: wrapper ↔ server.
//!
//! Two versions share one port. A client that offers the WebSocket subprotocol [`SUBPROTOCOL_V2`]
//! speaks [`v2`], any other [`v1`]. The server speaks both for good.

pub mod v1;
pub mod v2;

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The WebSocket subprotocol that selects version 2.
pub const SUBPROTOCOL_V2: &str = "saltpeter.v2";

/// The name that a wrapper asks for in TLS when it knows the server by the digest of its certificate: whatever other
/// certificates the server has, it answers this name with the one that it made itself. No host has it (RFC 2606).
pub const PINNED_NAME: &str = "pinned.saltpeter.invalid";

/// How often a wrapper sends a heartbeat.
pub const HEARTBEAT_EVERY: Duration = Duration::from_secs(5);

/// Silence after which a wrapper counts as out of contact: three missed heartbeats.
pub const SILENCE_LIMIT: Duration = Duration::from_secs(15);

/// Time within which a launched wrapper must have reported the start of its command.
pub const START_WINDOW: Duration = Duration::from_secs(30);

/// Which of the command's two output streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}
