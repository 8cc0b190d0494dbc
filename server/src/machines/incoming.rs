//! The way from a wrapper, for both versions.

use super::counters::Counters;
use super::hub::Limits;
use super::outgoing::{Closing, Over};
use crate::runs::Gone;
use super::wire::From as Way;
use axum::extract::ws::{Message, Utf8Bytes};
use bytes::Bytes;
use futures::StreamExt as _;
use std::pin::Pin;
use tokio::time::{Instant, Sleep};

/// Why a conversation has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The wrapper hung up, or the line broke.
    Gone,
    /// The wrapper does not read what it is sent.
    Slow,
    /// Close with this.
    Close(Closing, &'static str),
}

impl From<Over> for End {
    fn from(over: Over) -> Self {
        match over {
            Over::Gone => Self::Gone,
            Over::Slow => Self::Slow,
        }
    }
}

impl From<Gone> for End {
    fn from(_: Gone) -> Self {
        Self::Close(Closing::Restart, "the server is ending")
    }
}

/// A message that is not about the connection itself.
pub(super) enum Frame {
    Text(Utf8Bytes),
    Binary(Bytes),
}

/// The reading half.
pub(super) struct Incoming<'h> {
    stream: Way,
    limits: &'h Limits,
    counters: &'h Counters,
    /// Looks for silence from time to time: setting it anew for each message costs as much as reading the message.
    look: Pin<Box<Sleep>>,
    /// Bad messages since the last good one.
    bad: u32,
}

impl<'h> Incoming<'h> {
    pub(super) fn new(
        stream: Way,
        limits: &'h Limits,
        counters: &'h Counters,
    ) -> Self {
        Self {
            stream,
            limits,
            counters,
            look: Box::pin(tokio::time::sleep(limits.silence)),
            bad: 0,
        }
    }

    /// The next message. Dropping the future loses none.
    pub(super) async fn next(&mut self) -> Result<Frame, End> {
        let mut heard = Instant::now();
        loop {
            let message = tokio::select! {
                biased;
                message = self.stream.next() => message,
                () = self.look.as_mut() => {
                    let silent = heard + self.limits.silence;
                    if silent <= Instant::now() {
                        return Err(End::Close(Closing::Policy, "nothing heard"));
                    }
                    self.look.as_mut().reset(silent);
                    continue;
                }
            };
            match message {
                Some(Ok(Message::Text(text))) => return Ok(Frame::Text(text)),
                Some(Ok(Message::Binary(bytes))) => return Ok(Frame::Binary(bytes)),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => heard = Instant::now(),
                Some(Ok(Message::Close(_))) | None => return Err(End::Gone),
                Some(Err(_)) => {
                    self.counters.broken_connections.add_one();
                    return Err(End::Gone);
                }
            }
        }
    }

    /// Notes a good message.
    pub(super) fn good(&mut self) {
        self.bad = 0;
    }

    /// Notes a bad message; too many in a row are the end.
    pub(super) fn strike(&mut self) -> Result<(), End> {
        self.counters.bad_messages.add_one();
        self.bad += 1;
        if self.bad < self.limits.bad_in_a_row {
            return Ok(());
        }
        self.counters.closed_bad.add_one();
        Err(End::Close(Closing::Policy, "too many bad messages"))
    }
}
