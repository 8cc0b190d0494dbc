//! The bounds on connections, before anybody has said who it is. docs/SECURITY.md has them in a table.

use std::time::Duration;

/// Bounds of a port.
#[derive(Debug, Clone)]
pub struct ConnectionLimits {
    /// Connections at a time; further ones are closed at once.
    pub connections: usize,
    /// Of these, those from one address, or from one IPv6 network of 64 bits.
    pub per_address: usize,
    /// Connections that have not sent a request's head yet; further ones wait.
    pub handshakes: usize,
    /// Of these, those from one address.
    pub handshakes_per_address: usize,
    /// Time for waiting, and then for a request's head. A kept connection may stay idle as long.
    pub head_within: Duration,
    /// Bytes of a request's head, at most; a longer one is answered with 431. Also what is kept of a body or an answer at
    /// a time.
    pub head_bytes: usize,
    /// Time for a request's body.
    pub body_within: Duration,
    /// Time in which a client has to take something of what is sent to it.
    pub write_within: Duration,
}

impl ConnectionLimits {
    /// Those of the API port: room for the dashboard's 500 pages, also when all come through one proxy, and for programs.
    pub fn api() -> Self {
        Self {
            connections: 1_024,
            per_address: 640,
            handshakes: 256,
            handshakes_per_address: 128,
            head_within: Duration::from_secs(10),
            head_bytes: 64 * 1024,
            body_within: Duration::from_secs(30),
            write_within: Duration::from_secs(30),
        }
    }

    /// Those of the machines' port: room for 16,384 wrappers and for those that are about to be told that there are too many.
    pub fn machines() -> Self {
        Self {
            connections: 16_384 + 512,
            per_address: 8_192,
            handshakes: 512,
            handshakes_per_address: 256,
            // A wrapper sends half a kilobyte, and no body.
            head_bytes: 16 * 1024,
            ..Self::api()
        }
    }
}
