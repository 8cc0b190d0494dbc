//! Text messages on their way to a browser, bounded in number and in bytes.

use super::Ended;
use axum::extract::ws::Message;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// Messages that may wait.
const MESSAGES: usize = 64;

/// Bytes that may wait. A message that is larger waits alone.
const BYTES: usize = 2 * 1024 * 1024;

/// A message that waits. Gives its room back when dropped.
pub(super) struct Text {
    message: Message,
    room: OwnedSemaphorePermit,
}

impl Text {
    /// The message, and its room.
    pub(super) fn split(self) -> (Message, Option<OwnedSemaphorePermit>) {
        (self.message, Some(self.room))
    }
}

/// Where messages wait. Who adds one waits until there is room for it.
#[derive(Clone)]
pub(super) struct Texts {
    queue: mpsc::Sender<Text>,
    room: Arc<Semaphore>,
}

impl Texts {
    pub(super) fn new() -> (Self, mpsc::Receiver<Text>) {
        let (queue, waiting) = mpsc::channel(MESSAGES);
        let room = Arc::new(Semaphore::new(BYTES));
        (Self { queue, room }, waiting)
    }

    pub(super) async fn send(&self, message: Message) -> Result<(), Ended> {
        let bytes = match &message {
            Message::Text(text) => text.len().min(BYTES),
            _ => 0,
        };
        let permits = u32::try_from(bytes).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).acquire_many_owned(permits);
        let room = room.await.map_err(|_| Ended)?;
        self.queue
            .send(Text { message, room })
            .await
            .map_err(|_| Ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;

    fn text(bytes: usize) -> Message {
        Message::Text("x".repeat(bytes).into())
    }

    #[test]
    fn what_waits_is_bounded_in_bytes_and_in_number() {
        let (texts, mut waiting) = Texts::new();
        assert!(texts.send(text(BYTES / 2)).now_or_never().is_some());
        assert!(texts.send(text(BYTES * 3)).now_or_never().is_none());
        waiting.try_recv().ok();
        assert!(texts.send(text(BYTES * 3)).now_or_never().is_some());
        assert!(texts.send(text(1)).now_or_never().is_none());
        waiting.try_recv().ok();
        for _ in 0..MESSAGES {
            assert!(texts.send(text(1)).now_or_never().is_some());
        }
        assert!(texts.send(text(1)).now_or_never().is_none());
    }

    #[tokio::test]
    async fn who_waits_for_room_hears_of_the_end() {
        let (texts, waiting) = Texts::new();
        assert!(texts.send(text(BYTES)).await.is_ok());
        let more = tokio::spawn(async move { texts.send(text(1)).await.is_err() });
        tokio::task::yield_now().await;
        drop(waiting);
        assert!(more.await.unwrap());
    }
}
