//! Where everything meets: the only place that waits for several things at once.

use crate::core::batch::Batch;
use crate::core::buffer::{Buffer, BufferError};
use crate::core::kill::Cause;
use crate::core::mask::Masks;
use crate::core::session::{Effect, Farewell, Session};
use crate::link::{Appetite, Event, Link};
use crate::lock::{self, LockError};
use crate::log::Log;
use crate::process::running::Running;
use crate::process::{start, tree};
use crate::settings::{Settings, random, wall_clock};
use crate::signals::{Signals, Told};
use crate::spool::SpoolFile;
use saltpeter_protocol::UnixMillis;
use saltpeter_protocol::launch::{CommandSpec, Launch};
use saltpeter_protocol::machine::Stream;
use saltpeter_protocol::machine::v2::{MAX_CHUNK, WrapperId};
use std::time::{Duration, Instant};

/// A connected server that has acknowledged nothing for this long is not to be relied on: the spool takes over.
const SLOW_ACKS: Duration = Duration::from_secs(1);
/// How long a last goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);

struct Runner<'a> {
    launch: Launch,
    log: &'a Log,
    session: Session,
    link: Link,
    buffer: Buffer<SpoolFile>,
    batch: Batch,
    /// Where the command has secrets, what it writes goes through here first.
    masks: Option<Masks>,
    running: Option<Running>,
    /// When the server last made something durable, or had nothing to do.
    progress_at: Instant,
    abandoned: bool,
}

/// Runs the command of `settings` and reports it; returns when there is nothing left to do.
pub(crate) async fn run(settings: Settings, log: &Log) {
    let Settings {
        launch,
        endpoint,
        spool_limit,
    } = settings;
    let mut signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(e) => return log.event(format_args!("signals cannot be received: {e}")),
    };
    log.event(format_args!(
        "wrapper {} for {}:{}",
        env!("CARGO_PKG_VERSION"),
        endpoint.host,
        endpoint.port
    ));
    let now = Instant::now();
    let wrapper = WrapperId(random());
    let mut runner = Runner {
        session: Session::new(&launch, wrapper, now),
        link: Link::new(endpoint, launch.token.clone()),
        buffer: Buffer::new(SpoolFile::new(format!("{:016x}", wrapper.0)), spool_limit),
        launch,
        log,
        batch: Batch::new(),
        masks: None,
        running: None,
        progress_at: now,
        abandoned: false,
    };
    let farewell = runner.serve(&mut signals).await;
    match &farewell {
        Farewell::Delivered => log.event("the server has everything; done"),
        Farewell::NotWelcomed => {
            log.event("no server said what to run in time; nothing was started");
        }
        Farewell::SentAway(why) => log.event(format_args!("left: {why}")),
        Farewell::Undelivered => log.event("the result could not be delivered and is dropped"),
        Farewell::Interrupted => log.event("interrupted; nothing was started"),
    }
    runner.link.finish(GOODBYE).await;
}

impl Runner<'_> {
    async fn serve(&mut self, signals: &mut Signals) -> Farewell {
        let mut scratch = vec![0; MAX_CHUNK];
        loop {
            if let Some(farewell) = self.settle(Instant::now()).await {
                return farewell;
            }
            let now = Instant::now();
            let appetite = self.appetite();
            let space = self.batch.space();
            let reading = self.reading(now);
            let wake = self.wake(now);
            tokio::select! {
                event = self.link.next(appetite) => self.on_link(event),
                read = read(self.running.as_mut(), &mut scratch[..space]), if reading => {
                    self.on_output(read, &scratch);
                }
                told = signals.next() => match told {
                    Told::ChildEnded => self.on_children(),
                    Told::End => self.on_interrupt(),
                },
                () = sleep_until(wake) => {}
            }
        }
    }

    /// Does everything that can be done without waiting.
    async fn settle(&mut self, now: Instant) -> Option<Farewell> {
        self.session.tick(now);
        self.pause_masks(now);
        self.gather(|batch, out| batch.cut_if_due(now, out));
        self.on_killer(now);
        self.end_if_over(now);
        loop {
            while let Some(effect) = self.session.next_effect() {
                if let Some(farewell) = self.apply(effect).await {
                    return Some(farewell);
                }
            }
            // Only now, as one of the effects may have said from where output is to be sent again.
            if !self.session.outcome_waits() || !self.buffer.all_sent() {
                return None;
            }
            self.session.output_sent();
        }
    }

    async fn apply(&mut self, effect: Effect) -> Option<Farewell> {
        let now = Instant::now();
        match effect {
            Effect::Send(message) => {
                self.log.debug(format_args!("> {message:?}"));
                self.link.send(&message);
            }
            Effect::Ping => self.link.ping(),
            Effect::Start(command) => self.start(&command).await,
            Effect::Kill => self.end(Cause::Kill, now),
            Effect::Resume(durable) => {
                self.link.welcomed();
                self.progress_at = now;
                let resumed = self.buffer.resume(durable);
                self.check(resumed);
            }
            Effect::Acked(durable) => {
                let before = self.buffer.durable();
                let acked = self.buffer.ack(durable);
                self.check(acked);
                if self.buffer.durable() > before || self.buffer.all_durable() {
                    self.progress_at = now;
                }
            }
            Effect::Reconnect(why) => self.reconnect(&why),
            Effect::Abandon(why) => {
                self.log
                    .event(format_args!("{why}; the command goes on, unheard"));
                self.abandoned = true;
                self.link.close();
                self.buffer.discard();
            }
            Effect::Note(text) => self.log.debug(text),
            Effect::Exit(farewell) => return Some(farewell),
        }
        None
    }

    fn reconnect(&mut self, why: &str) {
        self.log.event(format_args!("connecting anew: {why}"));
        self.session.disconnected();
        self.link.drop_connection();
    }

    fn check(&mut self, result: Result<(), BufferError>) {
        if let Err(e) = result {
            self.reconnect(&e.to_string());
        }
    }

    /// Lets the batch hand what is complete to the buffer.
    fn gather(&mut self, step: impl FnOnce(&mut Batch, &mut dyn FnMut(Stream, UnixMillis, &[u8]))) {
        let mut trouble = None;
        step(&mut self.batch, &mut |stream, at, bytes| {
            trouble = self.buffer.push(stream, at, bytes).err().or(trouble.take());
        });
        if let Some(e) = trouble {
            self.log.event(format_args!(
                "output cannot be put aside ({e}); the command waits until the server has taken what is in memory"
            ));
        }
    }

    /// Adds what may be shown of a stream to the batch.
    fn add(&mut self, stream: Stream, mut bytes: &[u8], now: Instant) {
        self.gather(|batch, out| {
            while !bytes.is_empty() {
                let (piece, rest) = bytes.split_at(bytes.len().min(batch.space()));
                batch.add((stream, piece), wall_clock(), now, &mut *out);
                bytes = rest;
            }
        });
    }

    /// Lets go of what the masks hold back of a stream that has paused.
    fn pause_masks(&mut self, now: Instant) {
        let reading = self.reading(now);
        let Some(masks) = &mut self.masks else { return };
        if !reading {
            return masks.excuse(now);
        }
        for (stream, bytes) in masks.pause_if_due(now) {
            self.add(stream, &bytes, now);
        }
    }

    async fn start(&mut self, command: &CommandSpec) {
        self.masks = Masks::of(command);
        let launch = &self.launch;
        let overlap = lock::overlap(&command.overlap, &launch.job, &launch.run, &launch.machine);
        let started = match overlap {
            Ok(overlap) => start::start(command)
                .await
                .map(|started| (started, overlap)),
            Err(e @ LockError::Held { .. }) => Err(format!(
                "job {} is already running on this machine: {e}; wait for its end, or allow overlap",
                launch.job
            )),
            Err(e) => Err(e.to_string()),
        };
        let now = Instant::now();
        match started {
            Ok((started, overlap)) => {
                let pid = started.shell.as_raw_nonzero().get().cast_unsigned();
                self.log.event(format_args!("started, process {pid}"));
                self.running = Some(Running::new(started, command.time_limit, overlap, now));
                self.session.started(pid, wall_clock());
                // It may have ended while its start was awaited.
                self.on_children();
            }
            Err(problem) => {
                let problem = match &self.masks {
                    Some(masks) => masks.text(&problem),
                    None => problem,
                };
                self.log.event(format_args!("not started: {problem}"));
                self.session.cannot_start(problem, now);
            }
        }
    }

    fn on_link(&mut self, event: Event) {
        let now = Instant::now();
        match event {
            Event::Connected => {
                self.log.event("connected");
                self.session.connected(now);
            }
            Event::Message(message) => {
                self.log.debug(format_args!("< {message:?}"));
                self.session.heard(now);
                self.session.message(message, now);
            }
            Event::Alive => self.session.heard(now),
            Event::Nonsense(what) => {
                self.session.heard(now);
                self.log.event(format_args!("ignored: {what}"));
            }
            Event::Writable => match self.buffer.next_frame() {
                Ok(Some(frame)) => self.link.send_frame(frame),
                Ok(None) => {}
                Err(e) => self.reconnect(&e.to_string()),
            },
            Event::Lost(why) => {
                self.log.event(format_args!("not connected: {why}"));
                self.session.disconnected();
            }
        }
    }

    fn on_output(&mut self, read: Option<(Stream, usize)>, scratch: &[u8]) {
        let now = Instant::now();
        let Some((stream, count)) = read else { return };
        if let Some(running) = &mut self.running {
            running.heard(now);
        }
        if self.abandoned {
            return;
        }
        if self.buffer.all_durable() {
            // From here on there is something that the server has to make durable.
            self.progress_at = now;
        }
        let bytes = scratch.get(..count).unwrap_or_default();
        match &mut self.masks {
            None => self.add(stream, bytes, now),
            Some(masks) => {
                let shown = masks.push(stream, bytes, now);
                self.add(stream, &shown, now);
            }
        }
    }

    fn on_children(&mut self) {
        let shell = self.running.as_ref().map(Running::shell);
        let Some(status) = tree::reap(shell) else {
            return;
        };
        if let Some(running) = &mut self.running {
            let exit = running.shell_ended(status, Instant::now());
            self.log.event(format_args!("the shell ended: {exit:?}"));
        }
    }

    fn on_interrupt(&mut self) {
        self.log.event("told to end by a signal");
        let now = Instant::now();
        self.session.interrupted(now);
        self.end(Cause::Shutdown, now);
    }

    fn end(&mut self, cause: Cause, now: Instant) {
        if let Some(running) = &mut self.running {
            running.end(cause, now, self.log);
        }
    }

    fn on_killer(&mut self, now: Instant) {
        if let Some(running) = &mut self.running {
            running.tick(now, self.log);
        }
    }

    /// Ends the command's part when it is over.
    fn end_if_over(&mut self, now: Instant) {
        let reading = self.reading(now);
        let Some(running) = &mut self.running else {
            return;
        };
        let Some(exit) = running.over(now, reading, self.log) else {
            return;
        };
        self.running = None;
        let held = self.masks.as_mut().map(Masks::finish);
        for (stream, bytes) in held.unwrap_or_default() {
            self.add(stream, &bytes, now);
        }
        self.gather(|batch, out| batch.cut(now, out));
        let length = self.buffer.end();
        self.log
            .event(format_args!("ended: {exit:?}, {length} bytes of output"));
        self.session.ended(exit, length, wall_clock(), now);
    }

    /// Whether output may be read from the command.
    fn reading(&self, now: Instant) -> bool {
        let open = self.running.as_ref().is_some_and(Running::has_output);
        open && (self.abandoned || self.buffer.accepts(self.spooling(now)))
    }

    fn spooling(&self, now: Instant) -> bool {
        !self.session.open() || now >= self.progress_at + SLOW_ACKS
    }

    fn appetite(&self) -> Appetite {
        if self.session.open() && self.buffer.has_frame() {
            Appetite::Write
        } else {
            Appetite::ReadOnly
        }
    }

    /// When something is due.
    fn wake(&self, now: Instant) -> Option<Instant> {
        let mut times = vec![self.session.wake(), self.batch.due()];
        if self.reading(now) {
            times.push(self.masks.as_ref().and_then(Masks::due));
        }
        if let Some(running) = &self.running {
            times.push(running.wake());
            if !self.spooling(now) && !self.buffer.accepts(false) {
                times.push(Some(self.progress_at + SLOW_ACKS));
            }
        }
        times.into_iter().flatten().min()
    }
}

async fn read(running: Option<&mut Running>, into: &mut [u8]) -> Option<(Stream, usize)> {
    match running {
        Some(running) => running.read(into).await,
        None => None,
    }
}

async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
