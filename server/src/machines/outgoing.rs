//! The way to a wrapper: one message at a time, each within its time.

use super::hub::Limits;
use super::wire::To;
use axum::extract::ws::{CloseFrame, Message};
use futures::SinkExt as _;
use serde::Serialize;
use std::time::Duration;
use tokio::time::Instant;

/// Messages that may wait for the writing half of a connection; the reading half waits when it is reached, and so the
/// wrapper is slowed down.
pub(super) const QUEUED_ANSWERS: usize = 64;

/// Orders of the run that may wait for a connection. A run never waits: a connection that takes none is cut off.
pub(super) const QUEUED_ORDERS: usize = 8;

/// The connection is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    /// The other side is gone.
    Gone,
    /// The other side does not read.
    Slow,
}

/// Why a connection is closed, by the codes of RFC 6455.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closing {
    /// All is said.
    Normal,
    /// Too many bad messages, or none in time.
    Policy,
    /// The server ends or cannot go on; try again.
    Restart,
}

impl Closing {
    fn code(self) -> u16 {
        match self {
            Self::Normal => 1000,
            Self::Policy => 1008,
            Self::Restart => 1012,
        }
    }
}

/// The writing half.
pub(super) struct Outgoing {
    sink: To,
    within: Duration,
}

impl Outgoing {
    pub(super) fn new(sink: To, limits: &Limits) -> Self {
        Self {
            sink,
            within: limits.write_within,
        }
    }

    /// Sends `message` as JSON.
    pub(super) async fn say<T: Serialize>(&mut self, message: &T) -> Result<(), Over> {
        // Messages of the protocol have no maps with odd keys, so they always serialize.
        let text = serde_json::to_string(message).map_err(|_| Over::Gone)?;
        self.send(Message::Text(text.into())).await
    }

    /// Says farewell. Whether it arrives does not matter any more.
    pub(super) async fn close(&mut self, closing: Closing, reason: &'static str) {
        let frame = CloseFrame {
            code: closing.code(),
            reason: reason.into(),
        };
        let _ = self.send(Message::Close(Some(frame))).await;
    }

    async fn send(&mut self, message: Message) -> Result<(), Over> {
        match tokio::time::timeout(self.within, self.sink.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Over::Gone),
            Err(_) => Err(Over::Slow),
        }
    }
}

/// Waits until then; for ever when there is no such time.
pub(super) async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}
