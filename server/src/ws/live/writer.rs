//! The task that writes to a browser.

use super::texts::Text;
use axum::extract::ws::Message;
use futures::{Sink, SinkExt as _};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Writes to the browser what is queued, state before output.
pub(super) async fn write<S: Sink<Message> + Unpin>(
    mut sink: S,
    mut texts: mpsc::Receiver<Text>,
    mut outputs: mpsc::Receiver<Message>,
    stalled: Duration,
    closing: CancellationToken,
) {
    // Whichever way this ends, the rest of the socket does too.
    let _guard = closing.clone().drop_guard();
    loop {
        // A text's room is held until it is written.
        let (message, _room) = tokio::select! {
            biased;
            () = closing.cancelled() => break,
            Some(text) = texts.recv() => text.split(),
            Some(output) = outputs.recv() => (output, None),
            else => break,
        };
        match tokio::time::timeout(stalled, sink.send(message)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return,
            Err(_) => {
                tracing::info!("a browser took nothing for {stalled:?} and was dropped");
                return;
            }
        }
    }
    // The browser reconnects either way; this only lets it know sooner.
    let _ = tokio::time::timeout(Duration::from_secs(1), sink.close()).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ws::live::texts::Texts;
    use crate::ws::live::{OUTPUTS, Patience};
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use tokio::time::Instant;

    /// A browser that takes nothing.
    struct Stuck;

    impl Sink<Message> for Stuck {
        type Error = std::convert::Infallible;

        fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
            Poll::Pending
        }

        fn start_send(self: Pin<&mut Self>, _: Message) -> Result<(), Self::Error> {
            Ok(())
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
            Poll::Pending
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
            Poll::Pending
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_browser_that_takes_nothing_is_dropped_with_all_that_belongs_to_it() {
        let (texts, text_queue) = Texts::new();
        let (_outputs, output_queue) = mpsc::channel(OUTPUTS);
        let closing = CancellationToken::new();
        let begun = Instant::now();
        let stalled = Patience::default().stalled;
        let writer = write(Stuck, text_queue, output_queue, stalled, closing.clone());
        let writer = tokio::spawn(writer);
        assert!(texts.send(Message::Text("x".into())).await.is_ok());
        // The subscriptions end by the token, and the socket by its queue.
        closing.cancelled().await;
        assert_eq!(begun.elapsed(), stalled);
        writer.await.unwrap();
        assert!(texts.send(Message::Text("x".into())).await.is_err());
    }
}
