//! Machines after an outage of the way to them. Minions need a while to come back to a Salt master that was started
//! anew, and what it publishes meanwhile they never hear: those that are silent then are asked again, for as long as
//! the run may still begin.

use crate::clock::Clock;
use crate::executor::{Answer, Executor, Matching};
use futures::StreamExt as _;
use futures::future::ready;
use futures::stream;
use saltpeter_domain::TargetExpr;
use saltpeter_protocol::{MachineId, UnixMillis};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Pause between two questions.
const PAUSE: Duration = Duration::from_millis(500);
/// Answers that may wait to be heard.
const ANSWERS: usize = 64;

/// Who asks again, and until when.
pub(super) struct Comeback {
    pub(super) executor: Arc<dyn Executor>,
    pub(super) targets: TargetExpr,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) until: UnixMillis,
}

impl Comeback {
    /// The machines of `first`, none of which is called silent before it has been asked for long enough.
    pub(super) fn of(self, first: Matching) -> Matching {
        let expected = first.expected.clone();
        let (heard, mut answers) = mpsc::channel(ANSWERS);
        let asking = stream::once(self.ask(first, heard)).filter_map(|()| ready(None));
        let answers = stream::poll_fn(move |cx| answers.poll_recv(cx));
        Matching {
            expected,
            answers: stream::select(answers, asking).boxed(),
        }
    }

    async fn ask(self, first: Matching, heard: mpsc::Sender<Answer>) {
        let mut silent: BTreeSet<MachineId> = first.expected.into_iter().collect();
        let mut up = BTreeSet::new();
        let mut answers = first.answers;
        loop {
            while let Some(answer) = answers.next().await {
                let Answer::Up(machine) = answer else {
                    continue;
                };
                silent.remove(&machine);
                // Whoever listened is gone when the run is over.
                if up.insert(machine.clone()) && heard.send(Answer::Up(machine)).await.is_err() {
                    return;
                }
            }
            if silent.is_empty() {
                return;
            }
            match self.again().await {
                Some(again) => answers = again.answers,
                None => break,
            }
        }
        for machine in silent {
            // The same.
            let _ = heard.send(Answer::Silent(machine)).await;
        }
    }

    /// The next answers; `None` when the time is over.
    async fn again(&self) -> Option<Matching> {
        while self.clock.now() + PAUSE < self.until {
            tokio::time::sleep(PAUSE).await;
            match self.executor.resolve(&self.targets).await {
                Ok(matching) => return Some(matching),
                Err(error) => tracing::debug!("silent machines cannot be asked again yet: {error}"),
            }
        }
        None
    }
}
