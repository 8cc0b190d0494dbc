//! A connection that speaks version 2.
//!
//! Two halves run side by side in one task: one reads and reports, the other writes answers, acks and the run's orders.
//! So a kill reaches the wrapper also while the log makes it wait.

use super::counters::Counters;
use super::find::find;
use super::handout;
use super::hub::Shared;
use super::incoming::{End, Frame, Incoming};
use super::outgoing::{Closing, Outgoing, QUEUED_ANSWERS, QUEUED_ORDERS};
use super::output::MachineOutput;
use super::wire::{From as Way, To};
use super::writer_v2::{Answer, Writer};
use crate::VERSION;
use crate::runs::{HelloAnswer, MachineInput, RunHandle, ToMachine};
use crate::store::output::{AppendError, Chunk, Durable};
use bytes::Bytes;
use saltpeter_domain::run::{MachineExit, Speaker};
use saltpeter_protocol::machine::v2::{
    Exit, Feature, FrameError, FromServer, FromWrapper, HEADER_LEN, LeaveReason, OutputFrame,
    Progress, RefusedCode, WrapperId,
};
use saltpeter_protocol::machine::{HEARTBEAT_EVERY, SUBPROTOCOL_V2};
use saltpeter_protocol::{MachineId, RunId};
use std::pin::pin;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// Frames up to so many bytes are copied: until it is written, a small one would hold the whole buffer that it was read
/// into, and the connection would need another.
const COPIED: usize = 4 * 1024;

/// What the wrapper said in its hello.
pub(super) struct Hello {
    pub(super) run: RunId,
    pub(super) machine: MachineId,
    wrapper: WrapperId,
    progress: Progress,
    pub(super) version: String,
    pub(super) features: Vec<Feature>,
}

/// Talks with a wrapper to the end.
pub(super) async fn talk(hub: &Shared, (sink, stream): (To, Way), token: Option<String>) {
    let mut outgoing = Outgoing::new(sink, &hub.limits);
    let mut incoming = Incoming::new(stream, &hub.limits, &hub.counters);
    let talk = converse(hub, &mut incoming, &mut outgoing, token.as_deref());
    let end = tokio::select! {
        biased;
        end = talk => end,
        () = hub.closing.cancelled() => End::Close(Closing::Restart, "the server is ending"),
    };
    match end {
        End::Close(closing, reason) => outgoing.close(closing, reason).await,
        End::Slow => hub.counters.closed_slow.add_one(),
        End::Gone => {}
    }
}

async fn converse(
    hub: &Shared,
    incoming: &mut Incoming<'_>,
    outgoing: &mut Outgoing,
    token: Option<&str>,
) -> End {
    let hello = hello(&hub.counters, incoming, outgoing);
    let hello = match tokio::time::timeout(hub.limits.hello_within, hello).await {
        Ok(Ok(hello)) => hello,
        Ok(Err(end)) => return end,
        Err(_) => {
            hub.counters.refused_silent.add_one();
            return End::Close(Closing::Policy, "no hello in time");
        }
    };
    match welcome(hub, outgoing, &hello, token).await {
        Ok(Some(session)) => session.run(hub, incoming, outgoing).await,
        Ok(None) => End::Close(Closing::Normal, "nothing to do here"),
        Err(end) => end,
    }
}

/// Answers a hello. `None` when the wrapper has been told to leave.
async fn welcome(
    hub: &Shared,
    outgoing: &mut Outgoing,
    hello: &Hello,
    token: Option<&str>,
) -> Result<Option<Session>, End> {
    if !token.is_some_and(|token| hub.key.verify(&hello.run, token)) {
        hub.counters.refused_token.add_one();
        let message = format!(
            "The token is missing or is not that of run {}. Wrappers get it from the server that launches them.",
            hello.run
        );
        return leave(outgoing, LeaveReason::NotKnown, message).await;
    }
    let Some(run) = find(&hub.runs, &hello.run).await? else {
        hub.counters.refused_unknown.add_one();
        let message = format!("Run {} is not known here.", hello.run);
        return leave(outgoing, LeaveReason::NotKnown, message).await;
    };
    let (orders_in, orders) = mpsc::channel(QUEUED_ORDERS);
    let speaker = Speaker::V2(hello.wrapper);
    let answer = run
        .hello(hello.machine.clone(), speaker, hello.progress, orders_in)
        .await?;
    let (mut command, sources, attempt, kill) = match answer {
        HelloAnswer::Welcome {
            command,
            secrets,
            attempt,
            kill,
        } => (command, secrets, attempt, kill),
        HelloAnswer::Leave { reason, message } => {
            match reason {
                LeaveReason::NotKnown => hub.counters.refused_unknown.add_one(),
                LeaveReason::NotTheOne | LeaveReason::AlreadyEnded => {
                    hub.counters.refused_leave.add_one();
                }
            }
            return leave(outgoing, reason, message).await;
        }
        // Said to version 1 alone.
        HelloAnswer::Occupied(_) => return Err(End::Gone),
    };
    let output = hub
        .log
        .of(&hello.run, (&hello.machine, attempt))
        .await
        .map_err(|error| {
            tracing::error!(run = %hello.run, machine = %hello.machine, %error, "a wrapper cannot be welcomed");
            End::Close(Closing::Restart, "the output log cannot be read")
        })?;
    if let Some(command) = &mut command
        && let Err(reason) = handout::complete(command, &sources, hello, &run).await
    {
        return leave(outgoing, LeaveReason::AlreadyEnded, reason).await;
    }
    let welcome = FromServer::Welcome {
        command,
        durable: output.durable().length.bytes,
        kill,
        version: VERSION.to_owned(),
    };
    hub.wrappers.note(&hello.machine, &hello.version);
    outgoing.say(&welcome).await?;
    Ok(Some(Session {
        run,
        machine: hello.machine.clone(),
        output,
        orders,
    }))
}

async fn leave<R>(
    outgoing: &mut Outgoing,
    reason: LeaveReason,
    message: String,
) -> Result<Option<R>, End> {
    outgoing.say(&FromServer::Leave { reason, message }).await?;
    Ok(None)
}

/// A message, sorted.
enum Said {
    Control(FromWrapper),
    Output(Bytes),
    /// Not a message of the protocol.
    Bad(String),
}

async fn next(incoming: &mut Incoming<'_>) -> Result<Said, End> {
    Ok(match incoming.next().await? {
        Frame::Binary(frame) => Said::Output(frame),
        Frame::Text(text) => match serde_json::from_str(&text) {
            Ok(message) => Said::Control(message),
            Err(error) => Said::Bad(format!("not a message of {SUBPROTOCOL_V2}: {error}")),
        },
    })
}

/// Waits for the hello, which comes first.
async fn hello(
    counters: &Counters,
    incoming: &mut Incoming<'_>,
    outgoing: &mut Outgoing,
) -> Result<Hello, End> {
    loop {
        let (code, message) = match next(incoming).await? {
            Said::Control(FromWrapper::Hello {
                run,
                machine,
                wrapper,
                progress,
                version,
                features,
                ..
            }) => {
                incoming.good();
                tracing::debug!(%run, %machine, version, "hello");
                return Ok(Hello {
                    run,
                    machine,
                    wrapper,
                    progress,
                    version,
                    features,
                });
            }
            Said::Control(FromWrapper::Unknown) => {
                counters.unknown_messages.add_one();
                continue;
            }
            Said::Bad(message) => (RefusedCode::BadMessage, message),
            Said::Control(_) | Said::Output(_) => (
                RefusedCode::HelloFirst,
                "the first message of a connection is hello".to_owned(),
            ),
        };
        outgoing.say(&FromServer::Refused { code, message }).await?;
        incoming.strike()?;
    }
}

/// A wrapper that has been welcomed.
struct Session {
    run: RunHandle,
    machine: MachineId,
    output: Arc<dyn MachineOutput>,
    orders: mpsc::Receiver<ToMachine>,
}

impl Session {
    async fn run(self, hub: &Shared, incoming: &mut Incoming<'_>, outgoing: &mut Outgoing) -> End {
        let (answers_in, answers) = mpsc::channel(QUEUED_ANSWERS);
        let writer = Writer {
            answers,
            orders: self.orders,
            durable: self.output.watch(),
            output: self.output.clone(),
            outgoing,
            goodbye_within: hub.limits.goodbye_within,
        };
        let reader = Reader {
            hub,
            run: self.run,
            machine: self.machine,
            durable: self.output.watch(),
            output: self.output,
            answers: answers_in,
            ended: None,
        };
        let mut writer = pin!(writer.run());
        let end = tokio::select! {
            biased;
            end = reader.run(incoming) => end,
            end = &mut writer => return end.unwrap_or_else(End::from),
        };
        if let End::Close(..) = end {
            // The reading half is gone, so the writing half ends when the last answer is out.
            if let Err(over) = writer.await {
                return over.into();
            }
        }
        end
    }
}

struct Reader<'h> {
    hub: &'h Shared,
    run: RunHandle,
    machine: MachineId,
    output: Arc<dyn MachineOutput>,
    durable: watch::Receiver<Durable>,
    answers: mpsc::Sender<Answer>,
    /// The command has ended so, with this much output; reported once that is durable.
    ended: Option<(Exit, u64)>,
}

impl Reader<'_> {
    async fn run(mut self, incoming: &mut Incoming<'_>) -> End {
        loop {
            if let Err(end) = self.step(incoming).await {
                return end;
            }
        }
    }

    async fn step(&mut self, incoming: &mut Incoming<'_>) -> Result<(), End> {
        self.report_end().await?;
        let waiting = self.ended.is_some();
        let said = tokio::select! {
            biased;
            said = next(incoming) => said?,
            // The log outlives the sessions; its end shows at the next append.
            _ = self.durable.changed(), if waiting => return Ok(()),
        };
        let refused = match said {
            Said::Control(message) => self.control(message).await?,
            Said::Output(frame) => self.frame(frame).await?,
            Said::Bad(message) => Some((RefusedCode::BadMessage, message)),
        };
        match refused {
            None => incoming.good(),
            Some((code, message)) => {
                self.answer(Answer::Refused { code, message }).await?;
                incoming.strike()?;
            }
        }
        Ok(())
    }

    /// Reports the command's end when all of its output is durable.
    async fn report_end(&mut self) -> Result<(), End> {
        let durable = self.durable.borrow_and_update().length.bytes;
        if let Some((exit, length)) = self.ended
            && durable >= length
        {
            self.ended = None;
            let machine = self.machine.clone();
            let exit = MachineExit::V2(exit);
            self.run.send(MachineInput::Ended { machine, exit }).await;
        }
        Ok(())
    }

    async fn control(
        &mut self,
        message: FromWrapper,
    ) -> Result<Option<(RefusedCode, String)>, End> {
        let machine = self.machine.clone();
        let input = match message {
            FromWrapper::Hello { .. } => {
                let message = "hello is said once on a connection".to_owned();
                return Ok(Some((RefusedCode::BadMessage, message)));
            }
            FromWrapper::Unknown => {
                self.hub.counters.unknown_messages.add_one();
                return Ok(None);
            }
            FromWrapper::Started { pid, at } => MachineInput::Started {
                machine,
                pid: Some(pid),
                at,
            },
            FromWrapper::Heartbeat => MachineInput::Heard { machine },
            FromWrapper::CannotStart { message } => MachineInput::CannotStart { machine, message },
            FromWrapper::Ended { exit, length, .. } => {
                let taken = self.output.taken().length.bytes;
                if taken < length {
                    self.hub.counters.out_of_order.add_one();
                    let message =
                        format!("output of {length} bytes is announced, and {taken} have come");
                    return Ok(Some((RefusedCode::OutOfOrder, message)));
                }
                if taken > length {
                    tracing::warn!(%machine, taken, length, "a wrapper reports less output than it sent");
                }
                self.ended = Some((exit, taken));
                return Ok(None);
            }
        };
        self.run.send(input).await;
        Ok(None)
    }

    async fn frame(&mut self, frame: Bytes) -> Result<Option<(RefusedCode, String)>, End> {
        let counters = &self.hub.counters;
        let chunk = match OutputFrame::decode(&frame) {
            Ok(decoded) => Chunk {
                offset: decoded.offset,
                stream: decoded.stream,
                at: decoded.at,
                encoding: decoded.encoding,
                raw_len: decoded.raw_len,
                payload: match frame.len() {
                    ..=COPIED => Bytes::copy_from_slice(decoded.payload),
                    _ => frame.slice(HEADER_LEN..),
                },
            },
            Err(FrameError::Kind(_)) => {
                counters.unknown_messages.add_one();
                return Ok(None);
            }
            Err(error) => return Ok(Some((RefusedCode::BadMessage, error.to_string()))),
        };
        counters.output_messages.add_one();
        counters.output_bytes.add(frame.len() as u64);
        let end = chunk.offset.saturating_add(u64::from(chunk.raw_len));
        match self.submit(chunk).await {
            Ok(_) => {
                if end <= self.output.durable().length.bytes {
                    self.answer(Answer::AckAgain).await?;
                }
                Ok(None)
            }
            Err(AppendError::OutOfOrder { .. }) => {
                counters.out_of_order.add_one();
                let next = self.output.taken().length.bytes;
                let message = format!("output continues at {next}");
                Ok(Some((RefusedCode::OutOfOrder, message)))
            }
            Err(AppendError::BadPayload(message)) => Ok(Some((RefusedCode::BadMessage, message))),
            Err(AppendError::Log(_)) => {
                Err(End::Close(Closing::Restart, "the output log is closed"))
            }
        }
    }

    /// Hands a chunk to the log. While the log is full the wrapper cannot be heard, and is alive all the same.
    async fn submit(&self, chunk: Chunk) -> Result<u64, AppendError> {
        let mut submit = pin!(self.output.submit(chunk));
        loop {
            if let Ok(result) = tokio::time::timeout(HEARTBEAT_EVERY, submit.as_mut()).await {
                return result;
            }
            let machine = self.machine.clone();
            self.run.send(MachineInput::Heard { machine }).await;
        }
    }

    async fn answer(&self, answer: Answer) -> Result<(), End> {
        self.answers.send(answer).await.map_err(|_| End::Gone)
    }
}
