//! One output subscription: reads the log by offset and waits for it to grow.

use super::texts::Texts;
use crate::outputs::{OutputError, Outputs};
use axum::extract::ws::Message;
use saltpeter_protocol::live::{OutputPush, ServerMessage, SubscriptionId};
use saltpeter_protocol::{Attempt, MachineId, RunId};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Pause once all is sent, before more is: nobody sees more than forty pictures a second.
const PAUSE: Duration = Duration::from_millis(25);

/// Follows one machine's output.
pub(super) struct Follow {
    pub(super) sub: SubscriptionId,
    pub(super) run: RunId,
    pub(super) machine: MachineId,
    pub(super) attempt: Attempt,
    pub(super) from: u64,
    pub(super) outputs: Outputs,
    pub(super) queue: mpsc::Sender<Message>,
    pub(super) texts: Texts,
}

impl Follow {
    /// Sends what there is and what is added until `end`.
    pub(super) async fn run(self, end: CancellationToken) {
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

    async fn follow(&self) -> Result<(), OutputError> {
        let part = (&self.machine, self.attempt);
        let mut follower = self.outputs.follow(&self.run, part, self.from).await?;
        while follower.grown().await {
            while follower.has_more() {
                // Room first: a browser that does not read costs no reading and no memory.
                let Ok(room) = self.queue.reserve().await else {
                    return Ok(());
                };
                let Some(slice) = follower.next().await? else {
                    break;
                };
                let push = OutputPush {
                    sub: self.sub,
                    slice,
                };
                let Ok(data) = push.encode() else { break };
                room.send(Message::Binary(data.into()));
            }
            // What is written meanwhile goes together.
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }
}
