//! A connection's two ways, whatever carries them: a WebSocket, or a simulated one.

use axum::extract::ws::Message;
use futures::{Sink, Stream, StreamExt as _};
use std::pin::Pin;

/// Messages of a wrapper.
pub(super) type From = Pin<Box<dyn Stream<Item = Result<Message, axum::Error>> + Send + Sync>>;
/// Messages to a wrapper.
pub(super) type To = Pin<Box<dyn Sink<Message, Error = axum::Error> + Send>>;

/// What carries a conversation with a wrapper.
pub trait Wire:
    Stream<Item = Result<Message, axum::Error>> + Sink<Message, Error = axum::Error> + Send + 'static
{
}

impl<W> Wire for W where
    W: Stream<Item = Result<Message, axum::Error>>
        + Sink<Message, Error = axum::Error>
        + Send
        + 'static
{
}

/// The two ways of `wire`.
pub(super) fn ways(wire: impl Wire) -> (To, From) {
    let (to, from) = wire.split();
    (Box::pin(to), Box::pin(from))
}
