//! A connection that speaks version 1.
//!
//! The run and machine of a connection show in every message: whichever comes first binds it. Output and completion are
//! numbered, and acknowledged one by one when they are durable.

use super::counters::Counters;
use super::hub::{Limits, Shared};
use super::incoming::{End, Frame, Incoming};
use super::outgoing::{Closing, Outgoing, QUEUED_ANSWERS, at};
use super::output::MachineOutput;
use super::wire::{From as Way, To};
use super::writer_v1::{Answer, Completion, PendingAck, Writer};
use crate::runs::{MachineInput, RunHandle};
use crate::store::output::{AppendError, Chunk, Durable};
use bytes::Bytes;
use saltpeter_domain::run::MachineExit;
use saltpeter_protocol::machine::v1::{
    AckType, Envelope, ErrorCode, FromServer, FromWrapper, NackType, read,
};
use saltpeter_protocol::machine::v2::Encoding;
use saltpeter_protocol::machine::{HEARTBEAT_EVERY, Stream};
use saltpeter_protocol::{MachineId, UnixMillis};
use std::pin::pin;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Talks with a wrapper to the end.
pub(super) async fn talk(hub: &Shared, (sink, stream): (To, Way), token: Option<String>) {
    let mut outgoing = Outgoing::new(sink, &hub.limits);
    let (answers, answered) = mpsc::channel(QUEUED_ANSWERS);
    let reader = Reader {
        hub,
        incoming: Incoming::new(stream, &hub.limits, &hub.counters),
        token,
        answers,
        bound: None,
        ending: None,
    };
    let writer = Writer::new(answered, &mut outgoing, hub.clock.as_ref(), &hub.limits);
    let end = tokio::select! {
        end = converse(reader, writer) => end,
        () = hub.closing.cancelled() => End::Close(Closing::Restart, "the server is ending"),
    };
    match end {
        End::Close(closing, reason) => outgoing.close(closing, reason).await,
        End::Slow => hub.counters.closed_slow.add_one(),
        End::Gone => {}
    }
}

async fn converse(reader: Reader<'_>, writer: Writer<'_>) -> End {
    let mut writer = pin!(writer.run());
    let end = tokio::select! {
        end = reader.run() => end,
        end = &mut writer => return end,
    };
    if let End::Close(..) = end
        && let End::Slow = writer.await
    {
        // The reading half is gone, so the writing half ends when the last answer is out, or cannot get out.
        return End::Slow;
    }
    end
}

/// Whom a connection speaks for.
pub(super) struct Bound {
    /// The run's name as the wrapper knows it.
    pub(super) instance: String,
    pub(super) machine: MachineId,
    pub(super) line: RunHandle,
    pub(super) output: Arc<dyn MachineOutput>,
    /// The machine has its outcome already: what still comes is taken and acknowledged, so that the wrapper can leave.
    pub(super) over: bool,
    /// When it was bound.
    pub(super) since: Instant,
}

/// The last word of a wrapper, reported when everything before it is durable.
pub(super) struct Ending {
    after: Durable,
    input: MachineInput,
}

/// The reading half.
pub(super) struct Reader<'h> {
    pub(super) hub: &'h Shared,
    incoming: Incoming<'h>,
    pub(super) token: Option<String>,
    answers: mpsc::Sender<Answer>,
    pub(super) bound: Option<Bound>,
    pub(super) ending: Option<Ending>,
}

/// How a message was taken.
enum Taken {
    Well,
    /// Its form was wrong; this is what.
    Badly(String),
}

impl Reader<'_> {
    async fn run(mut self) -> End {
        let bind_by = Instant::now() + self.limits().hello_within;
        loop {
            if let Err(end) = self.step(bind_by).await {
                return end;
            }
        }
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.hub.limits
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.hub.counters
    }

    fn now(&self) -> UnixMillis {
        self.hub.clock.now()
    }

    async fn step(&mut self, bind_by: Instant) -> Result<(), End> {
        self.report_end().await;
        let unbound = self.bound.is_none();
        let over = self.bound.as_ref().filter(|bound| bound.over);
        let over_by = over.map(|bound| bound.since + self.limits().over_within);
        let mut durable = self.bound.as_ref().map(|bound| bound.output.watch());
        let frame = tokio::select! {
            frame = self.incoming.next() => frame?,
            () = changed(durable.as_mut(), self.ending.as_ref()) => return Ok(()),
            () = at(over_by) => return Err(End::Close(Closing::Normal, "this machine's part is over")),
            () = tokio::time::sleep_until(bind_by), if unbound => {
                self.counters().refused_silent.add_one();
                return Err(End::Close(Closing::Policy, "no message of a known run in time"));
            }
        };
        let taken = match frame {
            Frame::Binary(_) => {
                Taken::Badly("a binary frame; version 1 speaks JSON text".to_owned())
            }
            Frame::Text(text) => match read(&text) {
                Ok((envelope, message)) => self.message(&envelope, message).await?,
                Err(error) => Taken::Badly(error.to_string()),
            },
        };
        match taken {
            Taken::Well => self.incoming.good(),
            Taken::Badly(message) => {
                self.error(ErrorCode::BadMessage, message).await?;
                self.incoming.strike()?;
            }
        }
        Ok(())
    }

    /// Reports the wrapper's last word when everything before it is durable.
    async fn report_end(&mut self) {
        if let Some(bound) = &self.bound
            && let Some(ending) = self
                .ending
                .take_if(|ending| reached(bound.output.durable(), ending.after))
        {
            bound.line.send(ending.input).await;
        }
    }

    async fn message(&mut self, envelope: &Envelope, message: FromWrapper) -> Result<Taken, End> {
        let late = !matches!(message, FromWrapper::Connect);
        if !self.bind(envelope, &message, late).await? {
            return Ok(Taken::Well);
        }
        let Some(bound) = &self.bound else {
            return Ok(Taken::Well);
        };
        let machine = bound.machine.clone();
        match message {
            FromWrapper::Connect => self.ack(AckType::Connect).await?,
            FromWrapper::Start { pid, .. } => {
                if !bound.over {
                    let at = self.time_of(envelope);
                    bound
                        .line
                        .send(MachineInput::Started { machine, pid, at })
                        .await;
                }
                self.ack(AckType::Start).await?;
            }
            // The kill's effect shows in `complete`.
            FromWrapper::Heartbeat | FromWrapper::Killed => {
                if !bound.over {
                    bound.line.send(MachineInput::Heard { machine }).await;
                }
            }
            FromWrapper::Output { stream, data, seq } => {
                let chunk = self.chunk(envelope, stream, data);
                return self.output(seq, chunk).await;
            }
            FromWrapper::SyncRequest { .. } => {
                // With nothing durable there is no number to name; the wrapper sends again from the start.
                if let Some(last) = bound.output.durable().v1_seq {
                    let last_seq = i64::try_from(last).unwrap_or(i64::MAX);
                    self.say(FromServer::SyncResponse { last_seq }).await?;
                }
            }
            FromWrapper::Complete {
                retcode,
                seq,
                output,
            } => return self.complete(envelope, retcode, seq, output).await,
            FromWrapper::Error { error } => {
                if !bound.over {
                    let message = error;
                    self.end(MachineInput::WrapperError { machine, message });
                }
            }
            FromWrapper::Unknown => self.counters().unknown_messages.add_one(),
        }
        Ok(Taken::Well)
    }

    async fn output(&mut self, seq: Option<u64>, chunk: Chunk) -> Result<Taken, End> {
        let Some(bound) = &self.bound else {
            return Ok(Taken::Well);
        };
        let counters = self.counters();
        counters.output_messages.add_one();
        counters.output_bytes.add(chunk.payload.len() as u64);
        match self.submit(bound, seq, chunk).await {
            Ok(_) => {
                let after = match seq {
                    Some(seq) => Durable {
                        v1_seq: Some(seq),
                        ..Durable::default()
                    },
                    None => bound.output.taken(),
                };
                self.answer(Answer::AckOutput(PendingAck { seq, after }))
                    .await?;
                Ok(Taken::Well)
            }
            Err(AppendError::OutOfOrder { expected, received }) => {
                self.nack(expected, received).await?;
                Ok(Taken::Well)
            }
            Err(AppendError::BadPayload(message)) => Ok(Taken::Badly(message)),
            Err(AppendError::Log(_)) => {
                Err(End::Close(Closing::Restart, "the output log is closed"))
            }
        }
    }

    async fn complete(
        &mut self,
        envelope: &Envelope,
        retcode: i32,
        seq: Option<u64>,
        output: Option<String>,
    ) -> Result<Taken, End> {
        let Some(bound) = &self.bound else {
            return Ok(Taken::Well);
        };
        if let Some(seq) = seq {
            let expected = bound.output.taken().v1_seq.map_or(0, |last| last + 1);
            if seq > expected {
                self.nack(expected, seq).await?;
                return Ok(Taken::Well);
            }
        }
        if bound.over {
            self.answer(Answer::AckComplete(Completion { seq })).await?;
            return Ok(Taken::Well);
        }
        // Very old wrappers send nothing before, and everything here.
        if let Some(output) = output
            && bound.output.taken().length.bytes == 0
            && !output.is_empty()
        {
            let chunk = self.chunk(envelope, Stream::Stdout, output);
            match self.submit(bound, None, chunk).await {
                Ok(_) => {}
                Err(AppendError::BadPayload(message)) => return Ok(Taken::Badly(message)),
                Err(_) => return Err(End::Close(Closing::Restart, "the output log is closed")),
            }
        }
        let machine = bound.machine.clone();
        self.answer(Answer::Completing(Completion { seq })).await?;
        let exit = MachineExit::V1 { retcode };
        self.end(MachineInput::Ended { machine, exit });
        Ok(Taken::Well)
    }

    /// Notes the wrapper's last word, to be reported once all that has been taken is durable.
    fn end(&mut self, input: MachineInput) {
        let after = self
            .bound
            .as_ref()
            .map_or(Durable::default(), |bound| bound.output.taken());
        self.ending = Some(Ending { after, input });
    }

    /// Hands text to the log. While the log is full the wrapper cannot be heard, and is alive all the same.
    async fn submit(
        &self,
        bound: &Bound,
        seq: Option<u64>,
        chunk: Chunk,
    ) -> Result<bool, AppendError> {
        let mut submit = pin!(bound.output.submit_v1(seq, chunk));
        loop {
            if let Ok(result) = tokio::time::timeout(HEARTBEAT_EVERY, submit.as_mut()).await {
                return result;
            }
            let machine = bound.machine.clone();
            bound.line.send(MachineInput::Heard { machine }).await;
        }
    }

    fn chunk(&self, envelope: &Envelope, stream: Stream, data: String) -> Chunk {
        let payload = Bytes::from(data);
        Chunk {
            offset: 0,
            stream,
            at: self.time_of(envelope),
            encoding: Encoding::Raw,
            raw_len: payload.len() as u32,
            payload,
        }
    }

    /// The wrapper's clock, or ours where it does not say.
    fn time_of(&self, envelope: &Envelope) -> UnixMillis {
        chrono::DateTime::parse_from_rfc3339(&envelope.timestamp)
            .map_or_else(|_| self.now(), |at| UnixMillis(at.timestamp_millis()))
    }

    async fn ack(&self, ack_type: AckType) -> Result<(), End> {
        self.answer(Answer::Ack(ack_type)).await
    }

    async fn nack(&self, expected_seq: u64, received_seq: u64) -> Result<(), End> {
        self.counters().out_of_order.add_one();
        self.say(FromServer::Nack {
            nack_type: NackType::OutOfOrder,
            expected_seq,
            received_seq,
        })
        .await
    }

    pub(super) async fn error(&self, code: ErrorCode, message: String) -> Result<(), End> {
        self.say(FromServer::Error { code, message }).await
    }

    pub(super) async fn say(&self, message: FromServer) -> Result<(), End> {
        self.answer(Answer::Say(message)).await
    }

    pub(super) async fn answer(&self, answer: Answer) -> Result<(), End> {
        self.answers.send(answer).await.map_err(|_| End::Gone)
    }
}

/// Whether all of `after` is durable.
pub(super) fn reached(durable: Durable, after: Durable) -> bool {
    durable.length.bytes >= after.length.bytes && durable.v1_seq >= after.v1_seq
}

/// Waits until a wrapper's last word may be reported; for ever when there is none.
async fn changed(
    durable: Option<&mut tokio::sync::watch::Receiver<Durable>>,
    ending: Option<&Ending>,
) {
    if let (Some(durable), Some(ending)) = (durable, ending)
        && durable
            .wait_for(|durable| reached(*durable, ending.after))
            .await
            .is_ok()
    {
        return;
    }
    std::future::pending::<()>().await;
}
