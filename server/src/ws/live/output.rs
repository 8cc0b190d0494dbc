//! One output subscription: reads the log by offset and waits for it to grow.

use crate::store::output::{OutputError, OutputLog};
use axum::extract::ws::Message;
use saltpeter_protocol::api::{OutputFrom, OutputSlice};
use saltpeter_protocol::live::{OutputPush, ServerMessage, SubscriptionId};
use saltpeter_protocol::{Attempt, MachineId, RunId};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// The most that one message carries, in bytes.
pub(super) const SLICE: usize = 256 * 1024;

/// Follows one machine's output.
pub(super) struct Follow {
    pub(super) sub: SubscriptionId,
    pub(super) run: RunId,
    pub(super) machine: MachineId,
    pub(super) attempt: Attempt,
    pub(super) from: u64,
    pub(super) log: OutputLog,
    pub(super) outputs: mpsc::Sender<Message>,
    pub(super) texts: mpsc::Sender<Message>,
}

impl Follow {
    /// Sends what there is and what is added until `end`.
    pub(super) async fn run(mut self, end: CancellationToken) {
        let followed = end.run_until_cancelled(self.follow()).await;
        if let Some(Err(error)) = followed {
            let message = ServerMessage::Error {
                message: format!("the output cannot be read: {error}"),
                sub: Some(self.sub),
            };
            let text = serde_json::to_string(&message).unwrap_or_default();
            // A socket that has ended needs no message.
            let _ = self.texts.send(Message::Text(text.into())).await;
        }
    }

    async fn follow(&mut self) -> Result<(), OutputError> {
        // Held, so that whoever appends tells the same stream.
        let stream = self
            .log
            .stream(&self.run, (&self.machine, self.attempt))
            .await?;
        let mut grown = stream.watch();
        loop {
            let end = grown.borrow_and_update().length.bytes;
            while self.from < end {
                let from = OutputFrom::Offset(self.from);
                let slice = self
                    .log
                    .read(&self.run, (&self.machine, self.attempt), from, SLICE)
                    .await?;
                let slice = trim(slice, self.from);
                if slice.bytes.is_empty() {
                    break;
                }
                self.from = slice.offset + slice.bytes.len() as u64;
                let push = OutputPush {
                    sub: self.sub,
                    slice,
                };
                let Ok(data) = push.encode() else { break };
                if self
                    .outputs
                    .send(Message::Binary(data.into()))
                    .await
                    .is_err()
                {
                    return Ok(());
                }
            }
            if grown.changed().await.is_err() {
                return Ok(());
            }
        }
    }
}

/// Cuts off what lies before `from`: the log gives whole chunks.
fn trim(mut slice: OutputSlice, from: u64) -> OutputSlice {
    let mut excess = usize::try_from(from.saturating_sub(slice.offset)).unwrap_or(usize::MAX);
    excess = excess.min(slice.bytes.len());
    if excess == 0 {
        return slice;
    }
    let cut: Vec<u8> = slice.bytes.drain(..excess).collect();
    slice.line += memchr::memchr_iter(b'\n', &cut).count() as u64;
    slice.offset += excess as u64;
    let mut left = excess;
    slice.chunks.retain_mut(|chunk| {
        let gone = left.min(chunk.len as usize);
        left -= gone;
        chunk.len -= gone as u32;
        chunk.len > 0
    });
    slice
}

#[cfg(test)]
mod tests {
    use super::*;
    use saltpeter_protocol::UnixMillis;
    use saltpeter_protocol::api::{ChunkMark, OutputLength};
    use saltpeter_protocol::machine::Stream;

    #[test]
    fn a_slice_begins_exactly_where_it_was_asked_to() {
        let chunk = |len| ChunkMark {
            len,
            stream: Stream::Stdout,
            at: UnixMillis(0),
        };
        let slice = OutputSlice {
            offset: 10,
            line: 3,
            total: OutputLength {
                bytes: 18,
                lines: 6,
            },
            chunks: vec![chunk(2), chunk(4), chunk(2)],
            bytes: b"a\nbc\ndef".to_vec(),
        };
        assert_eq!(trim(slice.clone(), 10), slice);
        assert_eq!(trim(slice.clone(), 4), slice);
        let cut = trim(slice.clone(), 15);
        assert_eq!(
            (cut.offset, cut.line, cut.bytes.as_slice()),
            (15, 5, &b"def"[..])
        );
        assert_eq!(cut.chunks, [chunk(1), chunk(2)]);
        assert!(trim(slice, 99).bytes.is_empty());
    }
}
