//! The writing half of a version 2 connection.

use super::incoming::End;
use super::outgoing::{Closing, Outgoing, Over, at};
use super::output::MachineOutput;
use crate::runs::ToMachine;
use crate::store::output::Durable;
use saltpeter_protocol::machine::v2::{FromServer, RefusedCode};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// What the reading half answers to the wrapper.
pub(super) enum Answer {
    Refused {
        code: RefusedCode,
        message: String,
    },
    /// The wrapper repeated what is durable, so it has missed an ack.
    AckAgain,
}

/// The writing half.
pub(super) struct Writer<'o> {
    pub(super) answers: mpsc::Receiver<Answer>,
    pub(super) orders: mpsc::Receiver<ToMachine>,
    pub(super) durable: watch::Receiver<Durable>,
    pub(super) output: Arc<dyn MachineOutput>,
    pub(super) outgoing: &'o mut Outgoing,
    /// How long the wrapper may stay once it may leave.
    pub(super) goodbye_within: Duration,
}

impl Writer<'_> {
    pub(super) async fn run(mut self) -> Result<End, Over> {
        let mut orders_open = true;
        let mut leaves_by = None;
        loop {
            tokio::select! {
                biased;
                order = self.orders.recv(), if orders_open => match order {
                    Some(ToMachine::Kill) => self.outgoing.say(&FromServer::Kill).await?,
                    Some(ToMachine::Done) => {
                        self.outgoing.say(&FromServer::Done).await?;
                        leaves_by.get_or_insert(Instant::now() + self.goodbye_within);
                    }
                    Some(ToMachine::Displaced) => {
                        return Ok(End::Close(Closing::Normal, "the wrapper has connected anew"));
                    }
                    // The run's actor has ended; a wrapper that still has something to say will be heard by the next.
                    None => orders_open = false,
                },
                // Its token is good for nothing more.
                () = at(leaves_by) => return Ok(End::Close(Closing::Normal, "all is said")),
                // It cannot be closed while this half holds the stream.
                _ = self.durable.changed() => self.ack().await?,
                answer = self.answers.recv() => match answer {
                    Some(Answer::AckAgain) => self.ack().await?,
                    Some(Answer::Refused { code, message }) => {
                        self.outgoing.say(&FromServer::Refused { code, message }).await?;
                        if code == RefusedCode::OutOfOrder {
                            // So that the wrapper knows from where to send again.
                            self.ack().await?;
                        }
                    }
                    None => return Ok(End::Gone),
                },
            }
        }
    }

    async fn ack(&mut self) -> Result<(), Over> {
        self.durable.mark_unchanged();
        let durable = self.output.durable().length.bytes;
        self.outgoing.say(&FromServer::Ack { durable }).await
    }
}
