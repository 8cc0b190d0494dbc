//! The writing half of a version 1 connection.

use super::hub::Limits;
use super::incoming::End;
use super::outgoing::{Closing, Outgoing, Over, at};
use super::session_v1::reached;
use crate::clock::Clock;
use crate::runs::ToMachine;
use crate::store::output::Durable;
use chrono::{DateTime, SecondsFormat};
use saltpeter_protocol::UnixMillis;
use saltpeter_protocol::machine::v1::{AckType, FromServer};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// What the reading half wants said.
pub(super) enum Answer {
    Say(FromServer),
    /// An ack without a number.
    Ack(AckType),
    /// The connection speaks for a machine now.
    Bound(Box<Binding>),
    /// An output message has been taken.
    AckOutput(PendingAck),
    /// The command has ended; to be acknowledged when the run says that it is durable.
    Completing(Completion),
    /// The command's end has been durable for long.
    AckComplete(Completion),
}

/// A `complete` message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Completion {
    /// Its number, where it had one.
    pub(super) seq: Option<u64>,
}

/// An ack that waits until its message is durable.
pub(super) struct PendingAck {
    pub(super) seq: Option<u64>,
    pub(super) after: Durable,
}

/// Whom a connection speaks for, as the writing half needs it.
pub(super) struct Binding {
    pub(super) job_name: String,
    pub(super) job_instance: String,
    pub(super) machine: String,
    /// `None` once the run's actor has ended.
    pub(super) orders: Option<mpsc::Receiver<ToMachine>>,
    pub(super) durable: watch::Receiver<Durable>,
    /// Whether a kill is pending.
    pub(super) kill: bool,
}

pub(super) struct Writer<'o> {
    answers: mpsc::Receiver<Answer>,
    outgoing: &'o mut Outgoing,
    clock: &'o dyn Clock,
    kill_every: Duration,
    goodbye_within: Duration,
    binding: Option<Box<Binding>>,
    /// Acks in the order of their messages. Bounded by what the log queues.
    pending: VecDeque<PendingAck>,
    /// The completion that waits for its ack.
    completing: Option<Completion>,
    /// When the kill is said again.
    kill_at: Option<Instant>,
    /// When the connection is closed because nothing is left to be said.
    leaves_by: Option<Instant>,
}

enum Event {
    Answer(Option<Answer>),
    Order(Option<ToMachine>),
    Durable(bool),
    KillAgain,
    GoodbyeDue,
}

impl<'o> Writer<'o> {
    pub(super) fn new(
        answers: mpsc::Receiver<Answer>,
        outgoing: &'o mut Outgoing,
        clock: &'o dyn Clock,
        limits: &Limits,
    ) -> Self {
        Self {
            answers,
            outgoing,
            clock,
            kill_every: limits.kill_every,
            goodbye_within: limits.goodbye_within,
            binding: None,
            pending: VecDeque::new(),
            completing: None,
            kill_at: None,
            leaves_by: None,
        }
    }

    pub(super) async fn run(mut self) -> End {
        loop {
            let event = self.next().await;
            match self.act(event).await {
                Ok(None) => {}
                Ok(Some(end)) => return end,
                Err(over) => return over.into(),
            }
        }
    }

    async fn next(&mut self) -> Event {
        let (orders, durable) = match self.binding.as_deref_mut() {
            Some(binding) => (binding.orders.as_mut(), Some(&mut binding.durable)),
            None => (None, None),
        };
        tokio::select! {
            // In this order: a completion is noted before the run's word that it is durable.
            biased;
            answer = self.answers.recv() => Event::Answer(answer),
            order = order(orders) => Event::Order(order),
            open = changed(durable) => Event::Durable(open),
            () = at(self.kill_at) => Event::KillAgain,
            () = at(self.leaves_by) => Event::GoodbyeDue,
        }
    }

    async fn act(&mut self, event: Event) -> Result<Option<End>, Over> {
        match event {
            Event::Answer(None) => return Ok(Some(End::Gone)),
            Event::Answer(Some(answer)) => self.answer(answer).await?,
            Event::Order(Some(ToMachine::Kill)) | Event::KillAgain => self.kill().await?,
            Event::Order(Some(ToMachine::Done)) => {
                self.kill_at = None;
                let by = Instant::now() + self.goodbye_within;
                self.leaves_by.get_or_insert(by);
                if let Some(completion) = self.completing.take() {
                    self.ack(AckType::Complete, completion.seq).await?;
                }
            }
            Event::Order(Some(ToMachine::Displaced)) => {
                return Ok(Some(End::Close(
                    Closing::Normal,
                    "the wrapper has connected anew",
                )));
            }
            Event::Order(None) => {
                if let Some(binding) = &mut self.binding {
                    binding.orders = None;
                }
            }
            Event::GoodbyeDue => {
                return Ok(Some(End::Close(Closing::Normal, "all is said")));
            }
            Event::Durable(true) => self.ack_durable().await?,
            Event::Durable(false) => {
                return Ok(Some(End::Close(
                    Closing::Restart,
                    "the output log is closed",
                )));
            }
        }
        Ok(None)
    }

    async fn answer(&mut self, answer: Answer) -> Result<(), Over> {
        match answer {
            Answer::Say(message) => self.outgoing.say(&message).await,
            Answer::Ack(ack_type) => self.ack(ack_type, None).await,
            Answer::AckComplete(completion) => self.ack(AckType::Complete, completion.seq).await,
            Answer::Completing(completion) => {
                self.completing = Some(completion);
                Ok(())
            }
            Answer::AckOutput(pending) => {
                self.pending.push_back(pending);
                self.ack_durable().await
            }
            Answer::Bound(binding) => {
                self.pending.clear();
                self.completing = None;
                self.leaves_by = None;
                self.kill_at = binding.kill.then(Instant::now);
                self.binding = Some(binding);
                Ok(())
            }
        }
    }

    async fn ack_durable(&mut self) -> Result<(), Over> {
        let Some(binding) = &mut self.binding else {
            return Ok(());
        };
        let durable = *binding.durable.borrow_and_update();
        while let Some(first) = self
            .pending
            .pop_front_if(|first| reached(durable, first.after))
        {
            self.ack(AckType::Output, first.seq).await?;
        }
        Ok(())
    }

    async fn kill(&mut self) -> Result<(), Over> {
        let Some(binding) = &self.binding else {
            return Ok(());
        };
        let kill = FromServer::Kill {
            job_name: binding.job_name.clone(),
            job_instance: binding.job_instance.clone(),
            machine: binding.machine.clone(),
            timestamp: timestamp(self.clock.now()),
        };
        self.kill_at = Some(Instant::now() + self.kill_every);
        self.outgoing.say(&kill).await
    }

    async fn ack(&mut self, ack_type: AckType, seq: Option<u64>) -> Result<(), Over> {
        let timestamp = timestamp(self.clock.now());
        let ack = FromServer::Ack {
            ack_type,
            seq,
            timestamp,
        };
        self.outgoing.say(&ack).await
    }
}

/// ISO 8601 with offset.
fn timestamp(at: UnixMillis) -> String {
    DateTime::from_timestamp_millis(at.0)
        .unwrap_or_default()
        .to_rfc3339_opts(SecondsFormat::Millis, false)
}

async fn order(orders: Option<&mut mpsc::Receiver<ToMachine>>) -> Option<ToMachine> {
    match orders {
        Some(orders) => orders.recv().await,
        None => std::future::pending().await,
    }
}

async fn changed(durable: Option<&mut watch::Receiver<Durable>>) -> bool {
    match durable {
        Some(durable) => durable.changed().await.is_ok(),
        None => std::future::pending().await,
    }
}
