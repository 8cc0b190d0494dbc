//! What all connections of machines share.

use super::auth::RunKey;
use super::counters::Counters;
use super::output::Output;
use super::wire::{Wire, ways};
use super::wrappers::Wrappers;
use super::{session_v1, session_v2};
use crate::clock::Clock;
use crate::runs::Runs;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// Bounds of the machines port.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at a time; further ones are answered with 503 and try again later.
    pub connections: usize,
    /// Time from the upgrade to the first usable message.
    pub hello_within: Duration,
    /// Time that one message to a wrapper may take to leave. A wrapper that does not read is cut off then; it
    /// connects again and loses nothing.
    pub write_within: Duration,
    /// Time without any message, heartbeats included, after which a connection counts as dead.
    pub silence: Duration,
    /// Time that a wrapper may take to hang up once its machine's outcome is durable; its connection is closed then.
    pub goodbye_within: Duration,
    /// Time that a connection lasts of a version 1 wrapper whose machine had its outcome before. One that has more to
    /// say connects again, as long as it is heard.
    pub over_within: Duration,
    /// How often a version 1 wrapper is told to kill until its command has ended.
    pub kill_every: Duration,
    /// Bad messages in a row that end a connection.
    pub bad_in_a_row: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 16_384,
            hello_within: Duration::from_secs(10),
            write_within: Duration::from_secs(10),
            silence: Duration::from_secs(30),
            goodbye_within: Duration::from_secs(10),
            over_within: Duration::from_mins(10),
            kill_every: Duration::from_secs(2),
            bad_in_a_row: 10,
        }
    }
}

/// The place where connections of machines come in. Clones share it.
#[derive(Clone)]
pub struct Hub {
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) runs: Runs,
    pub(super) log: Arc<dyn Output>,
    pub(super) key: RunKey,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) limits: Limits,
    pub(super) counters: Counters,
    pub(super) wrappers: Wrappers,
    /// Cancelled when connections are to close.
    pub(super) closing: CancellationToken,
    seats: Arc<Semaphore>,
}

/// Room for one connection; given back when dropped.
pub struct Seat(#[expect(dead_code, reason = "held, not read")] OwnedSemaphorePermit);

/// Which version a connection speaks, and what it showed at the door.
#[derive(Debug, Clone)]
pub enum Door {
    /// No subprotocol; the token came in the address.
    V1 {
        /// The token.
        token: Option<String>,
    },
    /// `saltpeter.v2`; the token came in the `Authorization` header.
    V2 {
        /// The token.
        token: Option<String>,
    },
}

impl Hub {
    /// A hub for the wrappers of `runs`. Connections end when `closing` is cancelled.
    pub fn new(
        runs: Runs,
        log: impl Output,
        key: RunKey,
        clock: Arc<dyn Clock>,
        limits: Limits,
        closing: CancellationToken,
    ) -> Self {
        let seats = Arc::new(Semaphore::new(limits.connections));
        Self {
            shared: Arc::new(Shared {
                runs,
                log: Arc::new(log),
                key,
                clock,
                limits,
                counters: Counters::default(),
                wrappers: Wrappers::default(),
                closing,
                seats,
            }),
        }
    }

    /// What has come in so far.
    pub fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    /// Which wrappers the machines have.
    pub fn wrappers(&self) -> &Wrappers {
        &self.shared.wrappers
    }

    /// Room for one more connection, unless there are too many.
    pub fn seat(&self) -> Option<Seat> {
        if let Ok(permit) = self.shared.seats.clone().try_acquire_owned() {
            return Some(Seat(permit));
        }
        self.shared.counters.refused_full.add_one();
        None
    }

    /// Talks with a connected wrapper to the end.
    pub async fn talk(&self, seat: Seat, wire: impl Wire, door: Door) {
        let ways = ways(wire);
        let counters = &self.shared.counters;
        match door {
            Door::V1 { token } => {
                counters.accepted_v1.add_one();
                session_v1::talk(&self.shared, ways, token).await;
            }
            Door::V2 { token } => {
                counters.accepted_v2.add_one();
                session_v2::talk(&self.shared, ways, token).await;
            }
        }
        drop(seat);
    }
}
