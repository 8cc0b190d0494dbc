//! A wrapper process: the real core, driven as `wrapper/src/runner.rs` and `link.rs` drive it.

mod command;
mod link;
mod spool;
mod truth;

use crate::machines::Wrapper;
use crate::world::{Mutation, World};
use axum::extract::ws::Message;
use bytes::Bytes;
use command::Running;
use link::Link;
use saltpeter_protocol::UnixMillis;
use saltpeter_protocol::launch::Launch;
use saltpeter_protocol::machine::Stream;
use saltpeter_protocol::machine::v2::{FromWrapper, WrapperId};
use saltpeter_server::clock::Clock as _;
use saltpeter_wrapper::core::backoff::Backoff;
use saltpeter_wrapper::core::batch::Batch;
use saltpeter_wrapper::core::buffer::{Buffer, BufferError, SPOOL_LIMIT};
use saltpeter_wrapper::core::kill::Cause;
use saltpeter_wrapper::core::session::{Effect, Farewell, Session};
use spool::MemorySpool;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

const SLOW_ACKS: Duration = Duration::from_secs(1);

/// Starts a wrapper.
pub(crate) fn spawn(world: &Arc<World>, launch: Launch) {
    let id = world.dice().next();
    let wrapper = Wrapper {
        run: launch.run.clone(),
        machine: launch.machine.clone(),
        started: false,
        read: Vec::new(),
        report: None,
        left: None,
        killed: false,
        task: None,
    };
    world.machines().wrappers.insert(id, wrapper);
    let shared = Arc::clone(world);
    let task = tokio::spawn(async move {
        let runner = Runner::new(shared, launch, WrapperId(id));
        runner.run().await;
    });
    if let Some(known) = world.machines().wrappers.get_mut(&id) {
        known.task = Some(task.abort_handle());
    }
}

struct Runner {
    world: Arc<World>,
    launch: Launch,
    id: WrapperId,
    session: Session,
    link: Link,
    backoff: Backoff,
    buffer: Buffer<MemorySpool>,
    batch: Batch,
    running: Option<Running>,
    progress_at: Instant,
    abandoned: bool,
}

fn core_now() -> std::time::Instant {
    Instant::now().into_std()
}

impl Drop for Runner {
    fn drop(&mut self) {
        // With its process goes the lock.
        if let Some(lock) = self.running.take().and_then(|running| running.lock) {
            self.world.machines().locks.remove(&lock);
        }
    }
}

impl Runner {
    fn new(world: Arc<World>, launch: Launch, id: WrapperId) -> Self {
        Self {
            session: Session::new(&launch, id, core_now()),
            link: Link::begin(&world, &launch),
            backoff: Backoff::default(),
            buffer: Buffer::new(MemorySpool::default(), SPOOL_LIMIT),
            batch: Batch::new(),
            running: None,
            progress_at: Instant::now(),
            abandoned: false,
            world,
            launch,
            id,
        }
    }

    fn wall(&self) -> UnixMillis {
        self.world.clock.now()
    }

    async fn run(mut self) {
        let farewell = loop {
            if let Some(farewell) = self.settle() {
                break farewell;
            }
            let now = Instant::now();
            if self.reading(now)
                && let Some(running) = &mut self.running
                && let Some((stream, bytes)) = running.process.read(self.batch.space())
            {
                self.on_output(stream, &bytes);
                continue;
            }
            let wake = self.wake(now);
            let writes = self.session.open() && self.buffer.has_frame();
            tokio::select! {
                biased;
                event = self.link.next(&self.world, &self.launch, writes) => self.on_link(event),
                () = sleep_until(wake) => {}
            }
        };
        self.note(format_args!("leaves: {farewell:?}"));
        if farewell == Farewell::Delivered && !self.is_end_stored() {
            self.violation(format_args!("done was said before the outcome was stored"));
        }
        self.known(|known| known.left = Some(format!("{farewell:?}")));
        // A farewell: the line is closed behind it.
        self.link.send(Message::Close(None));
    }

    fn settle(&mut self) -> Option<Farewell> {
        let now = Instant::now();
        let core = core_now();
        if let Some(running) = &mut self.running {
            running.process.advance(now);
        }
        self.session.tick(core);
        self.gather(|batch, out| batch.cut_if_due(core, out));
        self.on_killer();
        self.end_if_over(now);
        loop {
            while let Some(effect) = self.session.next_effect() {
                if let Some(farewell) = self.apply(effect) {
                    return Some(farewell);
                }
            }
            if !self.session.outcome_waits() || !self.buffer.all_sent() {
                return None;
            }
            self.session.output_sent();
        }
    }

    fn apply(&mut self, effect: Effect) -> Option<Farewell> {
        match effect {
            Effect::Send(message) => {
                self.note(format_args!("> {message:?}"));
                if matches!(
                    message,
                    FromWrapper::Ended { .. } | FromWrapper::CannotStart { .. }
                ) {
                    let report = message.clone();
                    self.known(|known| known.report = Some(report));
                }
                if let Ok(text) = serde_json::to_string(&message) {
                    self.link.send(Message::Text(text.into()));
                }
            }
            Effect::Ping => self.link.send(Message::Ping(Bytes::new())),
            Effect::Start(command) => self.start(&command),
            Effect::Kill => {
                if !self.world.is(Mutation::DeafToKill) {
                    if self.stored(|machine, run| run || machine.kill.is_some()) != Some(true) {
                        self.violation(format_args!("a kill that nobody asked for"));
                    }
                    self.end(Cause::Kill);
                }
            }
            Effect::Resume(durable) => {
                self.backoff.reset();
                self.progress_at = Instant::now();
                let durable = if self.world.is(Mutation::ResumeAtZero) {
                    0
                } else {
                    durable
                };
                self.must_be_durable(durable);
                let resumed = self.buffer.resume(durable);
                self.check(resumed);
            }
            Effect::Acked(durable) => {
                let before = self.buffer.durable();
                self.must_be_durable(durable);
                let acked = self.buffer.ack(durable);
                self.check(acked);
                if self.buffer.durable() > before || self.buffer.all_durable() {
                    self.progress_at = Instant::now();
                }
            }
            Effect::Reconnect(why) => self.reconnect(&why),
            Effect::Abandon(why) => {
                self.violation(format_args!("a running command is abandoned: {why}"));
                self.abandoned = true;
                self.link = Link::Closed;
                self.buffer.discard();
            }
            Effect::Note(_) => {}
            Effect::Exit(farewell) => return Some(farewell),
        }
        None
    }

    fn check(&mut self, result: Result<(), BufferError>) {
        if let Err(e) = result {
            self.violation(format_args!("{e}"));
            self.reconnect("the buffer refused");
        }
    }

    fn gather(&mut self, step: impl FnOnce(&mut Batch, &mut dyn FnMut(Stream, UnixMillis, &[u8]))) {
        step(&mut self.batch, &mut |stream, at, bytes| {
            // The spool in memory never fails.
            let _ = self.buffer.push(stream, at, bytes);
        });
    }

    fn on_output(&mut self, stream: Stream, bytes: &[u8]) {
        self.known(|known| known.read.extend_from_slice(bytes));
        if self.abandoned {
            return;
        }
        if self.buffer.all_durable() {
            self.progress_at = Instant::now();
        }
        let at = self.wall();
        self.gather(|batch, out| batch.add((stream, bytes), at, core_now(), out));
    }

    fn reading(&self, now: Instant) -> bool {
        self.running.is_some() && (self.abandoned || self.buffer.accepts(self.spooling(now)))
    }

    fn spooling(&self, now: Instant) -> bool {
        !self.session.open() || now >= self.progress_at + SLOW_ACKS
    }

    fn wake(&self, now: Instant) -> Option<Instant> {
        let core = [self.session.wake(), self.batch.due()];
        let mut times: Vec<Instant> = core.into_iter().flatten().map(Instant::from_std).collect();
        if let Some(running) = &self.running {
            times.extend(running.killer.wake().map(Instant::from_std));
            times.extend(running.look_at);
            times.extend(running.process.next());
            if !self.spooling(now) && !self.buffer.accepts(false) {
                times.push(self.progress_at + SLOW_ACKS);
            }
        }
        times.into_iter().min()
    }
}

async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
