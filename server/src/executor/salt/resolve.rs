//! Which machines match: Salt's own matching, and a ping that tells who is there.

use super::SaltExecutor;
use super::recent::Machines;
use crate::executor::{Answer, ExecutorError, Matching};
use crate::salt::{Call, Heard, Target};
use futures::StreamExt as _;
use saltpeter_domain::targeting::TargetType;
use saltpeter_domain::{Maintenance, TargetExpr};
use saltpeter_protocol::api::{TargetRow, TargetVerdict};
use saltpeter_protocol::{MachineId, UnixMillis};
use serde_json::{Map, Value};
use std::time::Duration;
use tokio::time::Instant;

/// How long a machine may take to answer before it counts as silent.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How long a page waits for machines.
const PREVIEW_WITHIN: Duration = Duration::from_secs(2);

/// How the text begins that Salt gives in place of a machine that has not answered.
const NO_RETURN: &str = "Minion did not return";

impl SaltExecutor {
    /// Asks the machines that match whether they are there.
    pub(super) async fn ping(
        &self,
        targets: &TargetExpr,
        wait: Duration,
    ) -> Result<Matching, ExecutorError> {
        let call = Call {
            target: Target {
                target_type: targets.target_type(),
                text: targets.text().to_owned(),
            },
            function: "test.ping",
            args: Vec::new(),
            kwargs: Map::new(),
            jid: None,
            wait,
        };
        let mut called = self.salt.call(call).await?;
        let heard = futures::stream::poll_fn(move |cx| called.returns.poll_recv(cx));
        Ok(Matching {
            expected: called.expected,
            answers: heard.map(answer).boxed(),
        })
    }

    /// Every machine that Salt knows, or none when it cannot be asked in time.
    pub(super) async fn all_machines(&self) -> Vec<MachineId> {
        let Ok(everything) = TargetExpr::parse(TargetType::Glob, "*") else {
            return Vec::new();
        };
        match self.answers(&everything).await {
            Ok(machines) => machines.into_keys().collect(),
            Err(error) => {
                tracing::warn!("Salt's machines cannot be listed: {error}");
                Vec::new()
            }
        }
    }

    /// What a run at `now` would do with the machines that match.
    pub(super) async fn preview(
        &self,
        targets: &TargetExpr,
        maintenance: &Maintenance,
        now: UnixMillis,
    ) -> Result<Vec<TargetRow>, ExecutorError> {
        let row = |(machine, responds): (MachineId, bool)| TargetRow {
            verdict: if maintenance.covers(&machine, now) {
                TargetVerdict::Maintenance
            } else if responds {
                TargetVerdict::Included
            } else {
                TargetVerdict::Down
            },
            // Salt names only machines that match, so there is no exclusion to explain.
            reason: None,
            machine,
        };
        Ok(self.answers(targets).await?.into_iter().map(row).collect())
    }

    /// The machines that match, and whether each has answered within a page's time: now, or a few seconds ago.
    async fn answers(&self, targets: &TargetExpr) -> Result<Machines, ExecutorError> {
        if let Some(machines) = self.recent.get(targets, Instant::now()) {
            return Ok(machines);
        }
        let machines = self.answers_now(targets).await?;
        self.recent.keep(targets, Instant::now(), machines.clone());
        Ok(machines)
    }

    async fn answers_now(&self, targets: &TargetExpr) -> Result<Machines, ExecutorError> {
        let asking = async {
            let matching = self.ping(targets, PREVIEW_WITHIN).await?;
            let mut machines: Machines = matching
                .expected
                .into_iter()
                .map(|machine| (machine, false))
                .collect();
            let limit = tokio::time::sleep(PREVIEW_WITHIN);
            let mut answers = std::pin::pin!(matching.answers.take_until(limit));
            while let Some(answer) = answers.next().await {
                match answer {
                    Answer::Up(machine) => machines.insert(machine, true),
                    Answer::Silent(machine) => machines.insert(machine, false),
                };
                if machines.values().all(|up| *up) {
                    break;
                }
            }
            Ok(machines)
        };
        let late = || Err(ExecutorError::Away("Salt does not answer.".to_owned()));
        tokio::time::timeout(PREVIEW_WITHIN * 2, asking)
            .await
            .unwrap_or_else(|_| late())
    }
}

/// A machine that says anything at all is there.
fn answer(heard: Heard) -> Answer {
    match heard {
        Heard::Silent(machine) => Answer::Silent(machine),
        Heard::Returned(returned) => match returned.value {
            Value::String(text) if text.starts_with(NO_RETURN) => Answer::Silent(returned.machine),
            _ => Answer::Up(returned.machine),
        },
    }
}
