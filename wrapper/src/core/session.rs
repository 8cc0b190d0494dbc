//! The conversation with the server: what to say, when the command may start, when to leave.

use saltpeter_protocol::launch::{CommandSpec, Launch};
use saltpeter_protocol::machine::v2::{
    Exit, Feature, FromServer, FromWrapper, LeaveReason, Progress, RefusedCode, WrapperId,
};
use saltpeter_protocol::machine::{HEARTBEAT_EVERY, SILENCE_LIMIT, START_WINDOW};
use saltpeter_protocol::{JobName, MachineId, RunId, UnixMillis};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How long a result is kept once the wrapper was told to end.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// What the runner has to do, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Send a message on the open connection.
    Send(FromWrapper),
    /// Ask the other side for a sign of life.
    Ping,
    /// Start the command.
    Start(Box<CommandSpec>),
    /// End the command.
    Kill,
    /// Send output from this offset on.
    Resume(u64),
    /// Output up to this offset is durable.
    Acked(u64),
    /// Drop the connection and make a new one.
    Reconnect(String),
    /// Stop talking to the server; the command goes on to its end, unheard.
    Abandon(String),
    /// Worth a line in the log.
    Note(String),
    /// Leave.
    Exit(Farewell),
}

/// Why the wrapper leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Farewell {
    /// The server has everything.
    Delivered,
    /// No server told us to start within the start window.
    NotWelcomed,
    /// The server has no use for this wrapper.
    SentAway(String),
    /// The result could not be delivered for as long as it is kept.
    Undelivered,
    /// The machine, or somebody on it, ended the wrapper before there was a command.
    Interrupted,
}

#[derive(Debug)]
enum Phase {
    /// Waiting to be told what to run.
    New,
    /// The command is being started.
    Starting,
    Running(Progress),
    /// There is an outcome to deliver.
    Over {
        report: FromWrapper,
        progress: Progress,
        give_up_at: Instant,
    },
    /// The server does not want to hear about this command.
    Abandoned(String),
    Left,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Contact {
    None,
    /// Connected and `hello` said.
    Greeted,
    Welcomed,
    /// As before, and the outcome is sent.
    Reported,
}

/// Who this wrapper is.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The job.
    pub job: JobName,
    /// The run.
    pub run: RunId,
    /// Who it is towards the server.
    pub machine: MachineId,
    /// This process.
    pub wrapper: WrapperId,
}

/// See the module.
#[derive(Debug)]
pub struct Session {
    identity: Identity,
    retain: Duration,
    phase: Phase,
    contact: Contact,
    start_by: Instant,
    heartbeat_at: Instant,
    heard_at: Instant,
    effects: VecDeque<Effect>,
}

impl Session {
    /// A session that begins `now`; with a command in `launch` that is started at once.
    pub fn new(launch: &Launch, wrapper: WrapperId, now: Instant) -> Self {
        let mut session = Self {
            identity: Identity {
                job: launch.job.clone(),
                run: launch.run.clone(),
                machine: launch.machine.clone(),
                wrapper,
            },
            retain: launch.retain,
            phase: Phase::New,
            contact: Contact::None,
            start_by: now + START_WINDOW,
            heartbeat_at: now + HEARTBEAT_EVERY,
            heard_at: now,
            effects: VecDeque::new(),
        };
        if let Some(command) = &launch.command {
            session.start(command.clone());
        }
        session
    }

    /// The next thing to do.
    pub fn next_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Whether output may be sent.
    pub fn open(&self) -> bool {
        matches!(self.contact, Contact::Welcomed | Contact::Reported)
    }

    fn progress(&self) -> Progress {
        match self.phase {
            Phase::Running(progress) | Phase::Over { progress, .. } => progress,
            Phase::New | Phase::Starting | Phase::Abandoned(_) | Phase::Left => Progress::New,
        }
    }

    fn push(&mut self, effect: Effect) {
        self.effects.push_back(effect);
    }

    fn leave(&mut self, why: Farewell) {
        self.phase = Phase::Left;
        self.contact = Contact::None;
        self.push(Effect::Exit(why));
    }

    fn reconnect(&mut self, why: String) {
        self.contact = Contact::None;
        self.push(Effect::Reconnect(why));
    }

    fn start(&mut self, command: CommandSpec) {
        self.phase = Phase::Starting;
        self.push(Effect::Start(Box::new(command)));
    }

    /// A connection stands.
    pub fn connected(&mut self, now: Instant) {
        self.contact = Contact::Greeted;
        self.heard_at = now;
        self.heartbeat_at = now + HEARTBEAT_EVERY;
        let Identity {
            job,
            run,
            machine,
            wrapper,
        } = self.identity.clone();
        let progress = self.progress();
        self.push(Effect::Send(FromWrapper::Hello {
            job,
            run,
            machine,
            wrapper,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            progress,
            features: vec![Feature::Secrets],
        }));
    }

    /// The connection is gone.
    pub fn disconnected(&mut self) {
        self.contact = Contact::None;
    }

    /// Something came from the server, whatever it was.
    pub fn heard(&mut self, now: Instant) {
        self.heard_at = now;
    }

    /// A message of the server.
    pub fn message(&mut self, message: FromServer, now: Instant) {
        match message {
            FromServer::Welcome {
                command,
                durable,
                kill,
                version,
            } => self.welcome(command, durable, kill, &version, now),
            FromServer::Leave { reason, message } => self.sent_away(reason, &message),
            FromServer::Ack { durable } if self.open() => self.push(Effect::Acked(durable)),
            FromServer::Kill => self.kill(now),
            FromServer::Done if self.contact == Contact::Reported => {
                self.leave(Farewell::Delivered);
            }
            FromServer::Refused { code, message } => {
                if code == RefusedCode::OutOfOrder {
                    self.reconnect(format!("out of order: {message}"));
                } else {
                    self.push(Effect::Note(format!(
                        "the server refused a message: {message}"
                    )));
                }
            }
            FromServer::Ack { .. } | FromServer::Done => {
                self.push(Effect::Note(
                    "an ack or done out of turn was ignored".to_owned(),
                ));
            }
            FromServer::Unknown => {
                self.push(Effect::Note(
                    "a message of an unknown type was ignored".to_owned(),
                ));
            }
        }
    }

    fn welcome(
        &mut self,
        command: Option<CommandSpec>,
        durable: u64,
        kill: bool,
        version: &str,
        now: Instant,
    ) {
        if self.contact != Contact::Greeted {
            self.push(Effect::Note("a second welcome was ignored".to_owned()));
            return;
        }
        self.contact = Contact::Welcomed;
        self.push(Effect::Note(format!(
            "welcomed by server {version}, output durable up to {durable}"
        )));
        self.push(Effect::Resume(durable));
        if kill {
            self.kill(now);
        }
        if matches!(self.phase, Phase::New) {
            match command {
                Some(command) => self.start(command),
                None => self.cannot_start(
                    "the server welcomed the wrapper without telling it what to run".to_owned(),
                    now,
                ),
            }
        }
    }

    fn kill(&mut self, now: Instant) {
        match self.phase {
            // Nothing runs yet, so nothing is started.
            Phase::New => self.ended(Exit::Killed, 0, UnixMillis::default(), now),
            Phase::Starting | Phase::Running(_) => self.push(Effect::Kill),
            Phase::Over { .. } | Phase::Abandoned(_) | Phase::Left => {}
        }
    }

    fn sent_away(&mut self, reason: LeaveReason, message: &str) {
        let why = match reason {
            LeaveReason::NotTheOne => "another wrapper runs this machine's command",
            LeaveReason::AlreadyEnded => "the machine's part of the run is over",
            LeaveReason::NotKnown => "the run is not known to the server, or the token is wrong",
        };
        let why = format!("{why}: {message}");
        match self.phase {
            // A server that has lost its memory may find it again, and a command that runs is not given up for less.
            Phase::Starting | Phase::Running(_) | Phase::Over { .. }
                if reason == LeaveReason::NotKnown =>
            {
                self.reconnect(why);
            }
            Phase::Starting | Phase::Running(_) => {
                self.phase = Phase::Abandoned(why.clone());
                self.contact = Contact::None;
                self.push(Effect::Abandon(why));
            }
            Phase::New | Phase::Over { .. } => self.leave(Farewell::SentAway(why)),
            Phase::Abandoned(_) | Phase::Left => {}
        }
    }

    /// The command runs.
    pub fn started(&mut self, pid: u32, at: UnixMillis) {
        if matches!(self.phase, Phase::Starting) {
            self.phase = Phase::Running(Progress::Started { pid, at });
            if self.open() {
                self.push(Effect::Send(FromWrapper::Started { pid, at }));
            }
        }
    }

    /// The command does not run, and will not.
    pub fn cannot_start(&mut self, message: String, now: Instant) {
        self.over(FromWrapper::CannotStart { message }, now);
    }

    /// The command is over, and all of its output, `length` bytes, is in the buffer.
    pub fn ended(&mut self, exit: Exit, length: u64, at: UnixMillis, now: Instant) {
        self.over(FromWrapper::Ended { exit, length, at }, now);
    }

    fn over(&mut self, report: FromWrapper, now: Instant) {
        match &self.phase {
            Phase::New | Phase::Starting | Phase::Running(_) => {
                self.phase = Phase::Over {
                    report,
                    progress: self.progress(),
                    give_up_at: now + self.retain,
                };
            }
            Phase::Abandoned(why) => {
                let why = why.clone();
                self.leave(Farewell::SentAway(why));
            }
            Phase::Over { .. } | Phase::Left => {}
        }
    }

    /// Whether the outcome is waiting for the output before it.
    pub fn outcome_waits(&self) -> bool {
        matches!(self.phase, Phase::Over { .. }) && self.contact == Contact::Welcomed
    }

    /// All output has been sent on this connection: the outcome may follow.
    pub fn output_sent(&mut self) {
        if self.contact == Contact::Welcomed
            && let Phase::Over { report, .. } = &self.phase
        {
            let report = report.clone();
            self.contact = Contact::Reported;
            self.push(Effect::Send(report));
        }
    }

    /// SIGTERM to the wrapper: the machine is going down, and waits for us.
    pub fn interrupted(&mut self, now: Instant) {
        self.retain = self.retain.min(LAST_WORDS);
        match &mut self.phase {
            Phase::New => self.leave(Farewell::Interrupted),
            Phase::Over { give_up_at, .. } => *give_up_at = (*give_up_at).min(now + LAST_WORDS),
            Phase::Starting | Phase::Running(_) | Phase::Abandoned(_) | Phase::Left => {}
        }
    }

    /// When [`Self::tick`] has something to do.
    pub fn wake(&self) -> Option<Instant> {
        let phase = match self.phase {
            Phase::New => Some(self.start_by),
            Phase::Over { give_up_at, .. } => Some(give_up_at),
            Phase::Starting | Phase::Running(_) | Phase::Abandoned(_) | Phase::Left => None,
        };
        let heartbeat = self.open().then_some(self.heartbeat_at);
        let silence = (self.contact != Contact::None).then_some(self.heard_at + SILENCE_LIMIT);
        [phase, heartbeat, silence].into_iter().flatten().min()
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Instant) {
        match self.phase {
            Phase::New if now >= self.start_by => return self.leave(Farewell::NotWelcomed),
            Phase::Over { give_up_at, .. } if now >= give_up_at => {
                return self.leave(Farewell::Undelivered);
            }
            _ => {}
        }
        if self.contact != Contact::None && now >= self.heard_at + SILENCE_LIMIT {
            self.reconnect(format!(
                "nothing was heard from the server for {} s",
                SILENCE_LIMIT.as_secs()
            ));
        } else if self.open() && now >= self.heartbeat_at {
            self.heartbeat_at = now + HEARTBEAT_EVERY;
            self.push(Effect::Send(FromWrapper::Heartbeat));
            if now >= self.heard_at + HEARTBEAT_EVERY {
                self.push(Effect::Ping);
            }
        }
    }
}

#[cfg(test)]
mod tests;
