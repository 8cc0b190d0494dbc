//! Whom a version 1 connection speaks for: its messages say it, and whichever comes first binds it.

use super::find::find;
use super::incoming::End;
use super::outgoing::{Closing, QUEUED_ORDERS};
use super::session_v1::{Bound, Reader};
use super::writer_v1::{Answer, Binding};
use crate::runs::{HelloAnswer, MachineInput};
use saltpeter_domain::run::Speaker;
use saltpeter_protocol::machine::v1::{Envelope, ErrorCode, FromServer, FromWrapper};
use saltpeter_protocol::machine::v2::{LeaveReason, Progress};
use saltpeter_protocol::{Attempt, MachineId, RunId};
use tokio::sync::mpsc;
use tokio::time::Instant;

impl Reader<'_> {
    /// Makes sure that the connection speaks for whom the message names. False when it may not; the wrapper has its
    /// answer then.
    pub(super) async fn bind(
        &mut self,
        envelope: &Envelope,
        message: &FromWrapper,
        late: bool,
    ) -> Result<bool, End> {
        let names = (envelope.job_instance.as_str(), envelope.machine.as_str());
        if self
            .bound
            .as_ref()
            .is_some_and(|bound| names == (bound.instance.as_str(), bound.machine.as_str()))
        {
            return Ok(true);
        }
        let (run, attempt) = Attempt::of_instance(names.0);
        let (Ok(run), Ok(machine)) = (RunId::new(run), MachineId::new(names.1)) else {
            return self.unknown(envelope, message).await;
        };
        if !self
            .token
            .as_deref()
            .is_some_and(|token| self.hub.key.verify(&run, token))
        {
            self.counters().refused_token.add_one();
            let message = format!(
                "The address carries no token, or not that of run {run}. Wrappers get theirs from the server that launches them."
            );
            self.error(ErrorCode::JobNotFound, message).await?;
            return Ok(false);
        }
        let Some(line) = find(&self.hub.runs, &run).await? else {
            return self.unknown(envelope, message).await;
        };
        let (orders_in, orders) = mpsc::channel(QUEUED_ORDERS);
        let hello = || {
            let speaker = Speaker::v1(attempt);
            line.hello(machine.clone(), speaker, Progress::New, orders_in.clone())
        };
        let mut answer = hello().await?;
        if let HelloAnswer::Occupied(occupant) = answer {
            // It is alive as long as something is heard on it, and is closed otherwise.
            let _ = tokio::time::timeout(self.limits().silence, occupant.left()).await;
            answer = hello().await?;
        }
        drop(orders_in);
        let (over, kill) = match answer {
            HelloAnswer::Welcome { kill, .. } => (false, kill),
            HelloAnswer::Leave {
                reason: LeaveReason::AlreadyEnded,
                ..
            } => (true, false),
            HelloAnswer::Leave {
                reason: LeaveReason::NotKnown,
                ..
            } => return self.unknown(envelope, message).await,
            HelloAnswer::Occupied(_) => {
                self.counters().refused_leave.add_one();
                let reason = "another connection speaks for this machine, and is alive";
                return Err(End::Close(Closing::Policy, reason));
            }
            HelloAnswer::Leave { message, .. } => {
                self.counters().refused_leave.add_one();
                self.error(ErrorCode::JobNotFound, message).await?;
                return Ok(false);
            }
        };
        let output = self
            .hub
            .log
            .of(&run, (&machine, attempt))
            .await
            .map_err(|error| {
                tracing::error!(%run, %machine, %error, "a wrapper cannot be heard");
                End::Close(Closing::Restart, "the output log cannot be read")
            })?;
        let binding = Binding {
            job_name: envelope.job_name.clone(),
            job_instance: envelope.job_instance.clone(),
            machine: machine.to_string(),
            orders: Some(orders),
            durable: output.watch(),
            kill,
        };
        self.answer(Answer::Bound(Box::new(binding))).await?;
        if late && !over {
            // It is alive, so its command runs.
            let machine = machine.clone();
            line.send(MachineInput::Heard { machine }).await;
        }
        self.hub.wrappers.note_earlier(&machine);
        self.ending = None;
        self.bound = Some(Bound {
            instance: envelope.job_instance.clone(),
            machine,
            line,
            output,
            over,
            since: Instant::now(),
        });
        Ok(true)
    }

    async fn unknown(&mut self, envelope: &Envelope, message: &FromWrapper) -> Result<bool, End> {
        self.counters().refused_unknown.add_one();
        if matches!(message, FromWrapper::SyncRequest { .. }) {
            self.say(FromServer::SyncResponse { last_seq: -1 }).await?;
        } else {
            let message = format!(
                "There is no run {:?} with a machine {:?}.",
                envelope.job_instance, envelope.machine
            );
            self.error(ErrorCode::JobNotFound, message).await?;
        }
        Ok(false)
    }
}
