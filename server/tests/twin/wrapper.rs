//! A wrapper process: the real core, driven as `wrapper/src/runner.rs` and `link.rs` drive it.

use crate::life::key;
use crate::machines::Wrapper;
use crate::net::{End, line};
use crate::process::Process;
use crate::world::{Mutation, World};
use axum::extract::ws::Message;
use bytes::Bytes;
use futures::StreamExt as _;
use saltpeter_domain::run::{MachineRun, Speaker};
use saltpeter_protocol::launch::{CommandSpec, Launch, LockRule};
use saltpeter_protocol::machine::Stream;
use saltpeter_protocol::machine::v2::{FromServer, FromWrapper, WrapperId};
use saltpeter_protocol::{JobName, MachineId, UnixMillis};
use saltpeter_server::clock::Clock as _;
use saltpeter_server::machines::Door;
use saltpeter_wrapper::core::backoff::Backoff;
use saltpeter_wrapper::core::batch::Batch;
use saltpeter_wrapper::core::buffer::{Buffer, BufferError, SPOOL_LIMIT, Spool};
use saltpeter_wrapper::core::kill::{Cause, Killer, Strike};
use saltpeter_wrapper::core::session::{Effect, Farewell, Session};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, Sleep};

const SLOW_ACKS: Duration = Duration::from_secs(1);
const LOOK_EVERY: Duration = Duration::from_millis(20);

#[derive(Default)]
struct MemorySpool(Vec<u8>);

impl Spool for MemorySpool {
    fn write(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.truncate(at as usize);
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn read(&mut self, at: u64, into: &mut [u8]) -> io::Result<()> {
        let at = at as usize;
        let kept = self.0.get(at..at + into.len());
        into.copy_from_slice(kept.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

enum Event {
    Connected,
    Message(Box<FromServer>),
    Alive,
    Writable,
    Lost,
}

type Attempt = Pin<Box<dyn Future<Output = Option<End>> + Send>>;

enum Link {
    Closed,
    Waiting(Pin<Box<Sleep>>),
    Connecting(Attempt),
    Open(Box<End>),
}

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

async fn connect(world: Arc<World>, launch: Launch) -> Option<End> {
    let pause = world.dice().millis(1, 30);
    tokio::time::sleep(pause).await;
    if world.machines().is_away(&launch.machine) {
        tokio::time::sleep(Duration::from_secs(10)).await;
        return None;
    }
    let life = world.server()?;
    let hub = life.hub()?.clone();
    let seat = hub.seat()?;
    let (near, far, conn) = line(&world, &life);
    life.lines.lock().unwrap().push(Arc::clone(&conn));
    world.machines().connected(&launch.machine, &conn);
    let token = Some(key().token(&launch.run).expose().to_owned());
    tokio::spawn(async move { hub.talk(seat, far, Door::V2 { token }).await });
    Some(near)
}

struct Running {
    process: Process,
    killer: Killer,
    look_at: Option<Instant>,
    lock: Option<(JobName, MachineId)>,
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
        let attempt = Box::pin(connect(Arc::clone(&world), launch.clone()));
        Self {
            session: Session::new(&launch, id, core_now()),
            link: Link::Connecting(attempt),
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

    fn note(&self, what: std::fmt::Arguments<'_>) {
        let Launch { run, machine, .. } = &self.launch;
        let id = self.id.0 >> 48;
        self.world
            .note(format_args!("{run} {machine} w{id:04x}: {what}"));
    }

    fn violation(&self, what: std::fmt::Arguments<'_>) {
        let Launch { run, machine, .. } = &self.launch;
        let id = self.id.0 >> 48;
        self.world
            .violation(format_args!("{run} {machine} w{id:04x}: {what}"));
    }

    fn known(&self, change: impl FnOnce(&mut Wrapper)) {
        if let Some(known) = self.world.machines().wrappers.get_mut(&self.id.0) {
            change(known);
        }
    }

    /// What the store says of the machine.
    fn stored<T>(&self, look: impl FnOnce(&MachineRun, bool) -> T) -> Option<T> {
        let disk = self.world.disk();
        let run = disk.run(&self.launch.run)?;
        let machine = run.machines().get(&self.launch.machine)?;
        Some(look(machine, run.head().kill.is_some()))
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
                event = next(&mut self.link, &self.world, &self.launch, writes) => self.on_link(event),
                () = sleep_until(wake) => {}
            }
        };
        self.note(format_args!("leaves: {farewell:?}"));
        if farewell == Farewell::Delivered {
            let speaker = Some(Speaker::V2(self.id));
            let durable = self.stored(|machine, _| {
                let of_earlier = machine.earlier.iter().any(|past| past.speaker == speaker);
                let is_the_one = machine.bound.map(|bound| bound.speaker) == speaker;
                of_earlier || (is_the_one && machine.state.is_ended())
            });
            if durable != Some(true) {
                self.violation(format_args!("done was said before the outcome was stored"));
            }
        }
        self.known(|known| known.left = Some(format!("{farewell:?}")));
        // A farewell: the line is closed behind it.
        if let Link::Open(end) = &mut self.link {
            end.send(Message::Close(None));
        }
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
                if let (Link::Open(end), Ok(text)) =
                    (&mut self.link, serde_json::to_string(&message))
                {
                    end.send(Message::Text(text.into()));
                }
            }
            Effect::Ping => {
                if let Link::Open(end) = &mut self.link {
                    end.send(Message::Ping(Bytes::new()));
                }
            }
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

    fn must_be_durable(&self, said: u64) {
        let speaker = Speaker::V2(self.id);
        let attempt = self.stored(|machine, _| {
            let past = machine.earlier.iter();
            let place = past.clone().position(|past| past.speaker == Some(speaker));
            place.map_or(machine.attempt(), saltpeter_protocol::Attempt::after)
        });
        let Some(attempt) = attempt else { return };
        let key = (
            self.launch.run.clone(),
            self.launch.machine.clone(),
            attempt,
        );
        let kept = self.world.disk().output.get(&key).map_or(0, Vec::len) as u64;
        if kept < said {
            self.violation(format_args!(
                "{said} bytes are acknowledged, {kept} are durable"
            ));
        }
    }

    fn reconnect(&mut self, why: &str) {
        self.note(format_args!("connects anew: {why}"));
        self.session.disconnected();
        self.drop_connection();
    }

    fn drop_connection(&mut self) {
        let delay = self.backoff.next(self.world.dice().next());
        self.link = Link::Waiting(Box::pin(tokio::time::sleep(delay)));
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

    fn start(&mut self, command: &CommandSpec) {
        let speaker = Some(Speaker::V2(self.id));
        let written = self.stored(|machine, _| machine.bound.map(|bound| bound.speaker) == speaker);
        if written != Some(true) {
            self.violation(format_args!("told to start, and not stored as the one"));
        }
        let lock = (self.launch.job.clone(), self.launch.machine.clone());
        let exclusive = command.overlap != LockRule::Shared;
        if exclusive && !self.world.machines().locks.insert(lock.clone()) {
            let held = "the job's lock is held".to_owned();
            return self.session.cannot_start(held, core_now());
        }
        let lock = exclusive.then_some(lock);
        if self.world.dice().one_in(40) {
            if let Some(lock) = lock {
                self.world.machines().locks.remove(&lock);
            }
            let missing = "no such directory".to_owned();
            return self.session.cannot_start(missing, core_now());
        }
        let process = Process::begin(&mut self.world.dice());
        self.running = Some(Running {
            process,
            killer: Killer::new(command.time_limit, core_now()),
            look_at: None,
            lock,
        });
        self.known(|known| known.started = true);
        let at = self.wall();
        self.session.started(7, at);
        self.note(format_args!("started"));
    }

    fn on_link(&mut self, event: Event) {
        match event {
            Event::Connected => self.session.connected(core_now()),
            Event::Message(message) => {
                self.note(format_args!("< {message:?}"));
                self.session.heard(core_now());
                self.session.message(*message, core_now());
            }
            Event::Alive => self.session.heard(core_now()),
            Event::Writable => match self.buffer.next_frame() {
                Ok(Some(frame)) => {
                    if let Link::Open(end) = &mut self.link {
                        end.send(Message::Binary(frame));
                    }
                }
                Ok(None) => {}
                Err(e) => self.check(Err(e)),
            },
            Event::Lost => {
                self.note(format_args!("not connected"));
                self.drop_connection();
                self.session.disconnected();
                if self.world.is(Mutation::DropUnacked) && self.buffer.all_sent() {
                    let end = self.buffer.end();
                    let _ = self.buffer.ack(end);
                }
            }
        }
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

    fn end(&mut self, cause: Cause) {
        if let Some(running) = &mut self.running
            && let Some(strike) = running.killer.end(cause, core_now())
        {
            self.strike(strike);
        }
    }

    fn on_killer(&mut self) {
        if let Some(running) = &mut self.running
            && let Some(strike) = running.killer.tick(core_now())
        {
            self.strike(strike);
        }
    }

    fn strike(&mut self, strike: Strike) {
        self.note(format_args!("strike: {strike:?}"));
        if let Some(running) = &mut self.running {
            running.look_at.get_or_insert(Instant::now() + LOOK_EVERY);
            running.process.strike(strike, &mut self.world.dice());
            if strike == Strike::GiveUp {
                running.look_at = None;
            }
        }
    }

    fn end_if_over(&mut self, now: Instant) {
        let Some(running) = &mut self.running else {
            return;
        };
        let ending = running.killer.cause().is_some() && !running.killer.gave_up();
        if ending && running.look_at.is_some_and(|at| now >= at) {
            running.look_at = running.process.exit.is_none().then_some(now + LOOK_EVERY);
        }
        let Some(exit) = running.process.exit else {
            return;
        };
        if (ending && running.look_at.is_some()) || !running.process.pipe.is_empty() {
            return;
        }
        let verdict = running.killer.verdict(exit);
        if let Some(lock) = running.lock.take() {
            self.world.machines().locks.remove(&lock);
        }
        self.running = None;
        self.gather(|batch, out| batch.cut(core_now(), out));
        let length = self.buffer.end();
        let at = self.wall();
        self.note(format_args!("ended: {verdict:?}, {length} bytes"));
        self.session.ended(verdict, length, at, core_now());
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

/// What happens on the link. Nothing is lost when the future is dropped before it is ready.
async fn next(link: &mut Link, world: &Arc<World>, launch: &Launch, writes: bool) -> Event {
    loop {
        match link {
            Link::Closed => std::future::pending().await,
            Link::Waiting(sleep) => {
                sleep.as_mut().await;
                let attempt = connect(Arc::clone(world), launch.clone());
                *link = Link::Connecting(Box::pin(attempt));
            }
            Link::Connecting(attempt) => {
                let Some(end) = attempt.as_mut().await else {
                    return Event::Lost;
                };
                *link = Link::Open(Box::new(end));
                return Event::Connected;
            }
            Link::Open(end) => {
                let writable = async {
                    if !writes {
                        std::future::pending::<()>().await;
                    }
                };
                return tokio::select! {
                    biased;
                    message = end.next() => match message {
                        Some(Ok(Message::Text(text))) => match serde_json::from_str(&text) {
                            Ok(message) => Event::Message(Box::new(message)),
                            Err(e) => {
                                world.violation(format_args!("not a message: {e}"));
                                Event::Alive
                            }
                        },
                        Some(Ok(Message::Close(_)) | Err(_)) | None => Event::Lost,
                        Some(Ok(_)) => Event::Alive,
                    },
                    () = writable => Event::Writable,
                };
            }
        }
    }
}

async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
