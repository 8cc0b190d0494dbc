//! A machine's present connection, when another one wants to take its place.
//!
//! A version 2 wrapper is known by the number that it chose: a new connection of it says that the old one is dead. Those of
//! version 1 have nothing but the run's token, which others may have too, so theirs waits for the old one's end.

use super::actor::{Actor, Applied};
use super::handle::Answer;
use super::{HelloAnswer, ToMachine};
use saltpeter_domain::run::{Input, Speaker};
use saltpeter_protocol::MachineId;
use tokio::sync::mpsc;

/// A machine's present connection, in the way of another.
#[derive(Debug, Clone)]
pub struct Occupant(mpsc::Sender<ToMachine>);

impl Occupant {
    /// Waits until it has ended.
    pub async fn left(&self) {
        self.0.closed().await;
    }
}

impl PartialEq for Occupant {
    fn eq(&self, other: &Self) -> bool {
        self.0.same_channel(&other.0)
    }
}

impl Eq for Occupant {}

impl Actor {
    /// Answers a hello itself when another connection is in its way; gives back the answer that is still to be given.
    /// `before` are the inputs that were taken in just now.
    pub(super) fn ask_occupant(
        &self,
        input: &Input,
        answer: Answer,
        before: &[Applied],
    ) -> Option<Answer> {
        match (input, answer) {
            (
                Input::Hello {
                    machine, speaker, ..
                },
                Answer::Hello(outbox, waiting),
            ) => {
                let Some(present) = self.occupant(machine, *speaker, before) else {
                    return Some(Answer::Hello(outbox, waiting));
                };
                // Nobody waiting any more is no error.
                let _ = waiting.send(HelloAnswer::Occupied(present));
                None
            }
            (_, answer) => Some(answer),
        }
    }

    /// The connection that a new one of `speaker` may not displace while it lives.
    fn occupant(
        &self,
        machine: &MachineId,
        speaker: Speaker,
        before: &[Applied],
    ) -> Option<Occupant> {
        let known = self.run.machines().get(machine)?;
        let same = known.bound.is_some_and(|bound| bound.speaker == speaker);
        if !speaker.is_v1() || !same || known.state.is_ended() {
            return None;
        }
        let just_now = before.iter().rev().find_map(|one| match &one.answer {
            Answer::Hello(outbox, _) if one.machine.as_ref() == Some(machine) => Some(outbox),
            _ => None,
        });
        let outbox = just_now.or_else(|| self.outboxes.get(machine))?;
        (!outbox.is_closed()).then(|| Occupant(outbox.clone()))
    }
}
