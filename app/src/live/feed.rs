//! Output subscriptions of a tab.

use saltpeter_protocol::api::OutputSlice;
use saltpeter_protocol::live::{ClientMessage, SubscriptionId};
use saltpeter_protocol::{Attempt, MachineId, RunId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What comes of a subscription.
pub(crate) enum Delivery {
    /// Output, from about where the subscriber stands.
    Output(OutputSlice),
    /// There will be none; the text says why.
    Refused(String),
}

/// Someone who wants a machine's output as it grows.
#[derive(Clone)]
pub(crate) struct Subscription {
    /// The run.
    pub(crate) run: RunId,
    /// The machine.
    pub(crate) machine: MachineId,
    /// Which of its attempts.
    pub(crate) attempt: Attempt,
    /// Where the subscriber stands: the offset of the first byte it does not have.
    pub(crate) from: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// Takes what comes.
    pub(crate) deliver: Arc<dyn Fn(Delivery) + Send + Sync>,
}

impl Subscription {
    fn request(&self, sub: SubscriptionId) -> ClientMessage {
        ClientMessage::WatchOutput {
            sub,
            run: self.run.clone(),
            machine: self.machine.clone(),
            attempt: self.attempt,
            from: (self.from)(),
        }
    }
}

/// All subscriptions of a tab.
#[derive(Default)]
pub(super) struct Feed {
    next: SubscriptionId,
    open: BTreeMap<SubscriptionId, Subscription>,
}

impl Feed {
    /// Adds one; the message is what to send when there is a connection.
    pub(super) fn add(&mut self, subscription: Subscription) -> (SubscriptionId, ClientMessage) {
        let sub = self.next;
        self.next = self.next.wrapping_add(1);
        let request = subscription.request(sub);
        self.open.insert(sub, subscription);
        (sub, request)
    }

    /// Ends one.
    pub(super) fn remove(&mut self, sub: SubscriptionId) -> Option<ClientMessage> {
        self.open
            .remove(&sub)
            .map(|_| ClientMessage::UnwatchOutput { sub })
    }

    /// What to ask of a new connection.
    pub(super) fn requests(&self) -> Vec<ClientMessage> {
        self.open
            .iter()
            .map(|(sub, subscription)| subscription.request(*sub))
            .collect()
    }

    /// Who takes what comes for `sub`. Nobody, when it has ended meanwhile.
    pub(super) fn receiver(&self, sub: SubscriptionId) -> Option<Subscription> {
        self.open.get(&sub).cloned()
    }
}
