//! Takes documents from a spool to a cluster, in their order, until the cluster has them.

use super::bulk::Fate;
use super::cluster::{Cluster, Target, Trouble};
use super::spool::{self, Spool};
use super::state::SinkState;
use crate::clock::Clock;
use bytes::Bytes;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Most documents in a request.
const MAX_DOCUMENTS: usize = 1000;
/// Most bytes in a request of more than one document. Services commonly take 10 MiB.
const MAX_BYTES: u64 = 5 * 1024 * 1024;
/// How long a stop of the server waits for what is left to be sent.
const GOODBYE: Duration = Duration::from_secs(1);

/// How long things take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Longest first pause after a failure. It doubles with each further one.
    pub(super) first: Duration,
    /// Longest pause.
    pub(super) longest: Duration,
    /// Longest time for a request.
    pub(super) request: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            longest: Duration::from_mins(1),
            request: Duration::from_secs(30),
        }
    }
}

/// One cluster's task.
pub(super) struct Courier {
    target: Target,
    spool: Spool,
    state: Arc<SinkState>,
    pace: Pace,
    clock: Arc<dyn Clock>,
    /// `None` until what it needs could be read, and after it was refused.
    cluster: Option<Cluster>,
    has_template: bool,
    /// Documents in a request; less than [`MAX_DOCUMENTS`] after one that was too large.
    at_once: usize,
    /// How often in a row the documents could not be read back from disk.
    unread: u32,
}

impl Courier {
    pub(super) fn new(
        target: Target,
        spool: Spool,
        state: Arc<SinkState>,
        pace: Pace,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            has_template: !target.access.template,
            target,
            spool,
            state,
            pace,
            clock,
            cluster: None,
            at_once: MAX_DOCUMENTS,
            unread: 0,
        }
    }

    /// Until `stop`, and a little longer if all is well. What is under way then is sent again after the next start.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            never = self.carry() => match never {},
        }
        if self.state.is_working() && self.spool.waiting().documents > 0 {
            let rest = async {
                while self.spool.waiting().documents > 0 && self.state.is_working() {
                    self.carry_some().await;
                }
            };
            // Whatever it has come to: the spool knows the rest.
            let _ = tokio::time::timeout(GOODBYE, rest).await;
        }
    }

    async fn carry(&mut self) -> Infallible {
        loop {
            self.carry_some().await;
        }
    }

    /// Takes the next documents to the cluster, however long that may take.
    async fn carry_some(&mut self) {
        let records = match self.spool.next(MAX_DOCUMENTS, MAX_BYTES).await {
            Ok(records) => records,
            Err(error) => {
                let why = format!("they cannot be read back from disk: {error}");
                if spool::is_lost(&error) {
                    let lost = self.spool.give_up_oldest().await;
                    self.state.dropped(lost, &why);
                } else {
                    // They are there, and what is in the way may pass.
                    let mut failures = self.unread;
                    self.pause(&mut failures, &why).await;
                    self.unread = failures;
                }
                return;
            }
        };
        self.unread = 0;
        let count = records.len();
        let mut left = records;
        let mut failures = 0;
        while !left.is_empty() {
            let some = left.len().min(self.at_once);
            match self.attempt(&left[..some]).await {
                Ok(fates) => {
                    let reason = self.sort(&fates, &mut left);
                    // Doubles until it was too much again.
                    self.at_once = (self.at_once * 2).min(MAX_DOCUMENTS);
                    if let Some(reason) = reason {
                        self.pause(&mut failures, &reason).await;
                    } else {
                        failures = 0;
                        self.state.working();
                    }
                }
                Err(Trouble::TooLarge) if some > 1 => self.at_once = some / 2,
                Err(trouble @ Trouble::TooLarge) => {
                    self.state.rejected(1, &trouble.to_string());
                    left.remove(0);
                }
                Err(trouble) => {
                    if matches!(trouble, Trouble::Refused(_)) {
                        // The key may be another by now.
                        self.cluster = None;
                    }
                    self.pause(&mut failures, &trouble.to_string()).await;
                }
            }
        }
        if let Err(error) = self.spool.remove(count).await {
            tracing::warn!(cluster = self.target.name, %error, "documents that were sent cannot be removed from disk; they are sent again after the next start");
        }
    }

    async fn attempt(&mut self, records: &[Bytes]) -> Result<Vec<Fate>, Trouble> {
        let cluster = match &mut self.cluster {
            Some(cluster) => cluster,
            none => none.insert(Cluster::new(&self.target, self.pace.request)?),
        };
        if !self.has_template {
            cluster.ensure_template(&self.target.index).await?;
            self.has_template = true;
        }
        cluster.bulk(records).await
    }

    /// Takes those that are done with out of the beginning of `left`. Returns why others are not.
    fn sort(&self, fates: &[Fate], left: &mut Vec<Bytes>) -> Option<String> {
        let (mut taken, mut rejected) = (0, 0);
        let (mut why_again, mut why_rejected) = (None, None);
        let mut fates = fates.iter();
        left.retain(|_| match fates.next() {
            Some(Fate::Taken) => {
                taken += 1;
                false
            }
            Some(Fate::Rejected(why)) => {
                rejected += 1;
                why_rejected.get_or_insert(why);
                false
            }
            Some(Fate::Again(why)) => {
                why_again.get_or_insert_with(|| why.clone());
                true
            }
            None => true,
        });
        self.state.sent(taken);
        if let Some(why) = why_rejected {
            self.state.rejected(rejected, why);
        }
        why_again
    }

    /// Waits after a failure: at random, so that servers that failed together do not come back together, and longer
    /// each time.
    async fn pause(&self, failures: &mut u32, reason: &str) {
        self.state.failing(self.clock.now(), reason);
        let longest = self.pace.first.saturating_mul(1 << (*failures).min(16));
        let longest = longest.min(self.pace.longest);
        *failures += 1;
        tokio::time::sleep(longest.mul_f64(rand::random_range(0.5..=1.0))).await;
    }
}
