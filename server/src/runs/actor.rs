//! The one writer of a run.
//!
//! Inputs that wait together are applied together and persisted in one write; then they are answered, acted on
//! and published, in this order. Nobody sees a state that is not durable.

use super::handle::{Answer, Message};
use super::{HelloAnswer, RunChange, RunWrite, Runs, ToMachine};
use saltpeter_domain::run::{Changed, Effect, Input, MachineRun, Refused, Run, Step};
use saltpeter_protocol::api::OutputLength;
use saltpeter_protocol::machine::v2::LeaveReason;
use saltpeter_protocol::{MachineId, UnixMillis};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// Inputs that are applied together.
const TOGETHER: usize = 256;
/// Changes within this time of the last publication come as one.
const PUBLISH_EVERY: Duration = Duration::from_millis(20);
/// How long the actor of a run that is over stays, for wrappers that say a last word; and how often it looks whether
/// one is still connected.
const LINGER: Duration = Duration::from_secs(2);
/// A clock that shows so much more or less than the time that has passed was set, or the host was asleep.
const CLOCK_STEP: Duration = Duration::from_secs(2);
/// First pause after a failed write.
const RETRY_FIRST: Duration = Duration::from_millis(50);
/// Longest pause after a failed write.
const RETRY_LONGEST: Duration = Duration::from_secs(5);

/// Where an actor's run comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// It was written down just now.
    New,
    /// It was read from the store.
    Store,
}

/// See the module's description.
pub(super) struct Actor {
    pub(super) runs: Runs,
    pub(super) run: Run,
    messages: mpsc::Receiver<Message>,
    /// The machines' present connections.
    pub(super) outboxes: HashMap<MachineId, mpsc::Sender<ToMachine>>,
    /// When time alone changes something. May be too early, never too late.
    deadline: Option<UnixMillis>,
    unpublished: Changed,
    published: Option<Instant>,
    /// The clock as it was last seen, beside one that nobody sets.
    seen: (Instant, UnixMillis),
}

/// An input's effects and who waits for it.
pub(super) struct Applied {
    pub(super) answer: Answer,
    pub(super) machine: Option<MachineId>,
    pub(super) result: Result<Vec<Effect>, Refused>,
}

impl Actor {
    pub(super) fn new(runs: Runs, run: Run, messages: mpsc::Receiver<Message>) -> Self {
        let seen = (Instant::now(), runs.inner.clock.now());
        Self {
            seen,
            runs,
            run,
            messages,
            outboxes: HashMap::new(),
            deadline: None,
            unpublished: Changed::default(),
            published: None,
        }
    }

    /// Until the run is over, no machine is connected any more and nobody has anything to say to it; or until the
    /// server stops.
    pub(super) async fn live(mut self, origin: Origin) {
        match origin {
            Origin::New => {
                let effects = self.run.begun();
                self.unpublished.run = true;
                self.carry_out(effects);
            }
            Origin::Store if self.run.state().is_ended() => {}
            Origin::Store => self.take_in(vec![self::message(Input::Recovered)]).await,
        }
        let stop = self.runs.inner.stop.clone();
        let mut batch = Vec::with_capacity(8);
        loop {
            self.take_in(Vec::new()).await;
            self.publish_if_due();
            let linger = self.run.state().is_ended();
            let wake = self.wake();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                _ = self.messages.recv_many(&mut batch, TOGETHER) => {
                    self.take_in(std::mem::take(&mut batch)).await;
                }
                () = sleep_until(wake) => {
                    let now = self.runs.inner.clock.now();
                    if self.deadline.is_some_and(|at| at <= now) {
                        self.take_in(vec![self::message(Input::Tick)]).await;
                    }
                }
                () = tokio::time::sleep(LINGER), if linger && self.unpublished.is_empty() => {
                    // While a machine is connected, this is where it is told things.
                    self.outboxes.retain(|_, outbox| !outbox.is_closed());
                    if self.outboxes.is_empty() && self.part().await {
                        break;
                    }
                }
            }
        }
        self.runs.unregister(self.run.id());
    }

    /// Closes the mailbox and takes in what lay in it. True when the run is still over after that; else there is
    /// a new mailbox and the actor goes on.
    async fn part(&mut self) -> bool {
        self.messages.close();
        let mut last = Vec::new();
        while let Some(message) = self.messages.recv().await {
            last.push(message);
        }
        if last.is_empty() {
            return true;
        }
        self.take_in(last).await;
        if self.run.state().is_ended() && self.unpublished.is_empty() {
            return true;
        }
        self.messages = self.runs.register(self.run.id()).1;
        false
    }

    /// When to wake up although nobody has said anything.
    fn wake(&self) -> Option<Instant> {
        let now = self.runs.inner.clock.now();
        let deadline = self.deadline.map(|at| Instant::now() + at.since(now));
        let publish = match self.published {
            Some(at) if !self.unpublished.is_empty() => Some(at + PUBLISH_EVERY),
            _ => None,
        };
        [deadline, publish].into_iter().flatten().min()
    }

    /// Whether the clock has gone otherwise than the time since the last look.
    fn clock_was_set(&mut self) -> bool {
        let now = (Instant::now(), self.runs.inner.clock.now());
        let (then, shown) = std::mem::replace(&mut self.seen, now);
        let expected = shown + now.0.duration_since(then);
        now.1.since(expected).max(expected.since(now.1)) > CLOCK_STEP
    }

    /// Applies, persists, answers, acts.
    async fn take_in(&mut self, mut messages: Vec<Message>) {
        if self.clock_was_set() {
            messages.insert(0, message(Input::ClockSet));
        }
        if messages.is_empty() {
            return;
        }
        let now = self.runs.inner.clock.now();
        let mut changed = Changed::default();
        let mut applied = Vec::with_capacity(messages.len());
        let mut only_heard = true;
        for Message { input, answer } in messages {
            let Some(answer) = self.ask_occupant(&input, answer, &applied) else {
                continue;
            };
            only_heard &= matches!(input, Input::Heard { .. });
            let machine = match &input {
                Input::Hello { machine, .. } => Some(machine.clone()),
                _ => None,
            };
            let name = input_name(&input);
            let result = match self.run.apply(input, now) {
                Ok(Step {
                    changed: this,
                    effects,
                }) => {
                    changed.merge(this);
                    Ok(effects)
                }
                Err(refused) => {
                    tracing::warn!(run = %self.run.id(), input = name, %refused, "refused");
                    Err(refused)
                }
            };
            applied.push(Applied {
                answer,
                machine,
                result,
            });
        }
        // A sign of life only moves deadlines to later, unless it ends a loss of contact.
        if !only_heard || !changed.is_empty() || self.deadline.is_some_and(|at| at <= now) {
            self.deadline = self.run.next_deadline();
        }
        if !changed.is_empty() {
            if !self.persist(&changed).await {
                // The server stops, and what was not written has not happened.
                return;
            }
            if self.runs.note(&self.run) {
                let (runs, job) = (self.runs.clone(), self.run.job().clone());
                let whose = format!("what follows {}", self.run.id());
                self.runs
                    .spawn(whose, async move { runs.after_end(&job).await });
            }
            self.unpublished.merge(changed);
        }
        for one in applied {
            self.answer(one);
        }
    }

    /// Writes until it is written. False when the server stops before that.
    async fn persist(&self, changed: &Changed) -> bool {
        let write = RunWrite::of(&self.run, changed);
        let mut pause = RETRY_FIRST;
        loop {
            let Err(error) = self.runs.inner.store.save(write.clone()).await else {
                return true;
            };
            tracing::error!(run = %self.run.id(), %error, ?pause, "a run's state could not be written; trying again");
            tokio::select! {
                biased;
                () = self.runs.inner.stop.cancelled() => return false,
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(RETRY_LONGEST);
        }
    }

    fn publish_if_due(&mut self) {
        if self
            .published
            .is_none_or(|at| at.elapsed() >= PUBLISH_EVERY)
        {
            self.publish();
        }
    }

    fn publish(&mut self) {
        if self.unpublished.is_empty() {
            return;
        }
        let changed = std::mem::take(&mut self.unpublished);
        let machines = changed
            .machines
            .iter()
            .filter_map(|machine| self.run.machine_row(machine, OutputLength::default()))
            .collect();
        self.published = Some(Instant::now());
        self.runs.publish(RunChange {
            summary: self.run.summary(),
            machines,
        });
    }

    /// Answers whoever waits for an input, and carries its effects out.
    fn answer(&mut self, applied: Applied) {
        let Applied {
            answer,
            machine,
            result,
        } = applied;
        match (answer, machine) {
            (Answer::Hello(outbox, waiting), Some(machine)) => {
                self.answer_hello(&machine, outbox, waiting, result);
            }
            (Answer::Result(waiting), _) => match result {
                Ok(effects) => {
                    // Nobody waiting any more is no error.
                    let _ = waiting.send(Ok(()));
                    self.carry_out(effects);
                }
                Err(refused) => {
                    let _ = waiting.send(Err(refused));
                }
            },
            _ => self.carry_out(result.unwrap_or_default()),
        }
    }

    fn answer_hello(
        &mut self,
        machine: &MachineId,
        outbox: mpsc::Sender<ToMachine>,
        waiting: oneshot::Sender<HelloAnswer>,
        result: Result<Vec<Effect>, Refused>,
    ) {
        let mut answer = leave(LeaveReason::NotKnown);
        let mut others = Vec::new();
        for effect in result.unwrap_or_default() {
            match effect {
                Effect::Welcome { start, kill, .. } => {
                    answer = HelloAnswer::Welcome {
                        command: start.then(|| self.run.command()),
                        secrets: if start {
                            self.run.spec().secrets.clone()
                        } else {
                            BTreeMap::new()
                        },
                        attempt: self
                            .run
                            .machines()
                            .get(machine)
                            .map(MachineRun::attempt)
                            .unwrap_or_default(),
                        kill,
                    };
                }
                Effect::Leave { reason, .. } => answer = leave(reason),
                other => others.push(other),
            }
        }
        if matches!(answer, HelloAnswer::Welcome { .. })
            && let Some(old) = self.outboxes.insert(machine.clone(), outbox)
        {
            // One that is full or closed is about to end by itself.
            let _ = old.try_send(ToMachine::Displaced);
        }
        let _ = waiting.send(answer);
        self.carry_out(others);
    }
}

fn leave(reason: LeaveReason) -> HelloAnswer {
    let message = match reason {
        LeaveReason::NotTheOne => "Another wrapper speaks for this machine of the run.",
        LeaveReason::AlreadyEnded => "This machine's part of the run is over.",
        LeaveReason::NotKnown => {
            "The run has no such machine, or its part is over for so long that nothing more is taken."
        }
    };
    HelloAnswer::Leave {
        reason,
        message: message.to_owned(),
    }
}

fn message(input: Input) -> Message {
    Message {
        input,
        answer: Answer::Nobody,
    }
}

async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn input_name(input: &Input) -> &'static str {
    match input {
        Input::Begin => "begin",
        Input::Resolved(_) => "resolved",
        Input::Late(_) => "late answers",
        Input::ResolveFailed { .. } => "resolve failed",
        Input::LaunchGoesOn { .. } => "launch goes on",
        Input::LaunchFailed { .. } => "launch failed",
        Input::Hello { .. } => "hello",
        Input::Started { .. } => "started",
        Input::Heard { .. } => "heard",
        Input::Ended { .. } => "ended",
        Input::CannotStart { .. } => "cannot start",
        Input::WrapperError { .. } => "wrapper error",
        Input::Kill { .. } => "kill",
        Input::Recovered => "recovered",
        Input::ClockSet => "clock set",
        Input::Tick => "tick",
    }
}
