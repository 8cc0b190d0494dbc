//! Who has been heard of a call, and who is awaited.

use super::{Heard, Return};
use saltpeter_protocol::MachineId;
use std::collections::BTreeSet;
use tokio::sync::mpsc;

/// The most that wait in a call's channel for whoever made it.
const WAITING_MAX: usize = 1024;

/// Passes returns on, each machine's once, and knows who is still awaited.
#[derive(Debug)]
pub(super) struct Tally {
    awaited: BTreeSet<MachineId>,
    heard: BTreeSet<MachineId>,
    to: mpsc::Sender<Heard>,
}

impl Tally {
    pub(super) fn new(expected: &[MachineId]) -> (Self, mpsc::Receiver<Heard>) {
        let (to, returns) = mpsc::channel(WAITING_MAX);
        let tally = Self {
            awaited: expected.iter().cloned().collect(),
            heard: BTreeSet::new(),
            to,
        };
        (tally, returns)
    }

    /// Passes a return on unless its machine has been heard.
    pub(super) async fn returned(&mut self, of: Return) {
        self.awaited.remove(&of.machine);
        if self.heard.insert(of.machine.clone()) {
            // An error means that nobody listens any more, which `unheeded` tells.
            let _ = self.to.send(Heard::Returned(of)).await;
        }
    }

    /// Whether everybody who was expected has been heard.
    pub(super) fn is_complete(&self) -> bool {
        self.awaited.is_empty()
    }

    /// Resolves when nobody listens any more.
    pub(super) async fn unheeded(&self) {
        self.to.closed().await;
    }

    /// The wait is over: those still awaited are silent.
    pub(super) async fn close(self) {
        for machine in self.awaited {
            if self.to.send(Heard::Silent(machine)).await.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Tally;
    use crate::salt::{Heard, Return};
    use saltpeter_protocol::MachineId;
    use serde_json::Value;

    fn id(name: &str) -> MachineId {
        MachineId::new(name).unwrap()
    }

    fn of(name: &str) -> Return {
        Return {
            machine: id(name),
            value: Value::Bool(true),
            retcode: 0,
        }
    }

    #[tokio::test]
    async fn a_machine_is_heard_once_and_the_rest_are_silent() {
        let (mut tally, mut returns) = Tally::new(&[id("a"), id("b")]);
        tally.returned(of("a")).await;
        tally.returned(of("a")).await;
        tally.returned(of("stranger")).await;
        assert!(!tally.is_complete());
        tally.close().await;
        let mut heard = Vec::new();
        while let Some(one) = returns.recv().await {
            heard.push(one);
        }
        let expected = [
            Heard::Returned(of("a")),
            Heard::Returned(of("stranger")),
            Heard::Silent(id("b")),
        ];
        assert_eq!(heard, expected);
    }
}
