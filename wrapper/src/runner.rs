//! Where everything meets: the only place that waits for several things at once.

use crate::core::batch::Batch;
use crate::core::buffer::{Buffer, BufferError};
use crate::core::kill::{Cause, Killer, Strike};
use crate::core::session::{Effect, Farewell, Session};
use crate::link::{Appetite, Event, Link};
use crate::lock::{self, Lock, LockError};
use crate::log::Log;
use crate::process::pipes::Pipes;
use crate::process::{start, tree};
use crate::settings::{Settings, random, wall_clock};
use crate::spool::SpoolFile;
use rustix::process::{Pid, Signal};
use saltpeter_protocol::UnixMillis;
use saltpeter_protocol::launch::{CommandSpec, Launch};
use saltpeter_protocol::machine::Stream;
use saltpeter_protocol::machine::v2::{Exit, MAX_CHUNK, WrapperId};
use std::io;
use std::time::{Duration, Instant};
use tokio::signal::unix::{Signal as SignalStream, SignalKind, signal};

/// After the shell's end its output is read to the end of the pipes; daemons that it left behind hold them
/// open, so this much silence is an end as well.
const SILENCE_AFTER_END: Duration = Duration::from_secs(2);
/// A connected server that has acknowledged nothing for this long is not to be relied on: the spool takes over.
const SLOW_ACKS: Duration = Duration::from_secs(1);
/// How often the tree is looked at while its end is awaited.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long a last goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// A command from its start to the end of its output.
struct Running {
    shell: Pid,
    pipes: Pipes,
    killer: Killer,
    /// How the shell ended, and when something was last read (or could not be, for lack of room) after that.
    ended: Option<(Exit, Instant)>,
    look_at: Option<Instant>,
    _overlap: Option<Lock>,
}

struct Runner<'a> {
    launch: Launch,
    log: &'a Log,
    session: Session,
    link: Link,
    buffer: Buffer<SpoolFile>,
    batch: Batch,
    running: Option<Running>,
    /// When the server last made something durable, or had nothing to do.
    progress_at: Instant,
    abandoned: bool,
}

/// Runs the command of `settings` and reports it; returns when there is nothing left to do.
pub(crate) async fn run(settings: Settings, log: &Log) {
    let Settings { launch, endpoint } = settings;
    let (Ok(mut children), Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::child()),
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        log.event("signals cannot be received");
        return;
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
        buffer: Buffer::new(SpoolFile::new(format!("{:016x}", wrapper.0))),
        launch,
        log,
        batch: Batch::new(),
        running: None,
        progress_at: now,
        abandoned: false,
    };
    let farewell = runner
        .serve(&mut children, &mut terminate, &mut interrupt)
        .await;
    match &farewell {
        Farewell::Delivered => log.event("the server has everything; done"),
        Farewell::NotWelcomed => {
            log.event("no server said what to run in time; nothing was started")
        }
        Farewell::SentAway(why) => log.event(format_args!("left: {why}")),
        Farewell::Undelivered => log.event("the result could not be delivered and is dropped"),
        Farewell::Interrupted => log.event("interrupted; nothing was started"),
    }
    runner.link.finish(GOODBYE).await;
}

impl Runner<'_> {
    async fn serve(
        &mut self,
        children: &mut SignalStream,
        terminate: &mut SignalStream,
        interrupt: &mut SignalStream,
    ) -> Farewell {
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
                _ = children.recv() => self.on_children(),
                _ = terminate.recv() => self.on_interrupt(),
                _ = interrupt.recv() => self.on_interrupt(),
                () = sleep_until(wake) => {}
            }
        }
    }

    /// Does everything that can be done without waiting.
    async fn settle(&mut self, now: Instant) -> Option<Farewell> {
        self.session.tick(now);
        let mut trouble = None;
        let (buffer, batch) = (&mut self.buffer, &mut self.batch);
        batch.cut_if_due(now, |stream, at, bytes| {
            trouble = keep(buffer, stream, at, bytes).err().or(trouble.take());
        });
        self.note_spool(trouble);
        self.on_killer(now);
        self.end_if_over(now);
        loop {
            if self.session.outcome_waits() && self.buffer.all_sent() {
                self.session.output_sent();
            }
            let effect = self.session.next_effect()?;
            if let Some(farewell) = self.apply(effect).await {
                return Some(farewell);
            }
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

    fn note_spool(&self, trouble: Option<io::Error>) {
        if let Some(e) = trouble {
            self.log.event(format_args!(
                "output cannot be put aside ({e}); the command waits until the server has taken what is in memory"
            ));
        }
    }

    async fn start(&mut self, command: &CommandSpec) {
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
                self.running = Some(Running {
                    shell: started.shell,
                    pipes: started.pipes,
                    killer: Killer::new(command.time_limit, now),
                    ended: None,
                    look_at: None,
                    _overlap: overlap,
                });
                self.session.started(pid, wall_clock());
                // It may have ended while its start was awaited.
                self.on_children();
            }
            Err(problem) => {
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
        if let Some(Running {
            ended: Some((_, heard_at)),
            ..
        }) = &mut self.running
        {
            *heard_at = now;
        }
        if self.abandoned {
            return;
        }
        let mut trouble = None;
        let (buffer, batch) = (&mut self.buffer, &mut self.batch);
        let bytes = scratch.get(..count).unwrap_or_default();
        batch.add((stream, bytes), wall_clock(), now, |stream, at, bytes| {
            trouble = keep(buffer, stream, at, bytes).err().or(trouble.take());
        });
        self.note_spool(trouble);
    }

    fn on_children(&mut self) {
        let shell = self.running.as_ref().map(|running| running.shell);
        let Some(status) = tree::reap(shell) else {
            return;
        };
        let exit = match (status.exit_status(), status.terminating_signal()) {
            (_, Some(signal)) => Exit::Signalled { signal },
            (code, None) => Exit::Exited {
                code: code.unwrap_or_default(),
            },
        };
        self.log.event(format_args!("the shell ended: {exit:?}"));
        if let Some(running) = &mut self.running {
            running.ended = Some((exit, Instant::now()));
        }
    }

    fn on_interrupt(&mut self) {
        self.log.event("told to end by a signal");
        self.session.interrupted();
        self.end(Cause::Shutdown, Instant::now());
    }

    fn end(&mut self, cause: Cause, now: Instant) {
        if let Some(running) = &mut self.running
            && let Some(strike) = running.killer.end(cause, now)
        {
            self.strike(strike);
        }
    }

    fn on_killer(&mut self, now: Instant) {
        if let Some(running) = &mut self.running
            && let Some(strike) = running.killer.tick(now)
        {
            self.strike(strike);
        }
    }

    fn strike(&mut self, strike: Strike) {
        let Some(running) = &mut self.running else {
            return;
        };
        running.look_at = Some(Instant::now() + LOOK_EVERY);
        let cause = running.killer.cause();
        match strike {
            Strike::Terminate => {
                self.log
                    .event(format_args!("SIGTERM to the command: {cause:?}"));
                tree::strike(running.shell, Signal::TERM);
                // A stopped process takes the first only after the second.
                tree::strike(running.shell, Signal::CONT);
            }
            Strike::Kill => {
                self.log
                    .debug(format_args!("SIGKILL to the command: {cause:?}"));
                tree::strike(running.shell, Signal::KILL);
            }
            Strike::GiveUp => self.log.event("something of the command outlives SIGKILL"),
        }
    }

    /// Ends the command's part when its shell has ended, its output is read, and, if it was to be
    /// ended, nothing of it lives.
    fn end_if_over(&mut self, now: Instant) {
        let reading = self.reading(now);
        let Some(running) = &mut self.running else {
            return;
        };
        if running.killer.cause().is_some()
            && !running.killer.gave_up()
            && running.look_at.is_some_and(|at| now >= at)
        {
            running.look_at = tree::any_living().then_some(now + LOOK_EVERY);
        }
        let tree_gone = match running.killer.cause() {
            None => true,
            Some(_) => running.look_at.is_none() || running.killer.gave_up(),
        };
        let Some((exit, heard_at)) = &mut running.ended else {
            return;
        };
        if !running.pipes.ended() && (!reading || running.pipes.waiting()) {
            *heard_at = now;
        }
        let quiet = now >= *heard_at + SILENCE_AFTER_END;
        if !tree_gone || !(running.pipes.ended() || quiet) {
            return;
        }
        if !running.pipes.ended() {
            self.log
                .event("what the command left behind holds its output open; read no further");
        }
        let exit = running.killer.verdict(*exit);
        self.running = None;
        let mut trouble = None;
        let (buffer, batch) = (&mut self.buffer, &mut self.batch);
        batch.cut(now, |stream, at, bytes| {
            trouble = keep(buffer, stream, at, bytes).err().or(trouble.take());
        });
        self.note_spool(trouble);
        let length = self.buffer.end();
        self.log
            .event(format_args!("ended: {exit:?}, {length} bytes of output"));
        self.session.ended(exit, length, wall_clock(), now);
    }

    /// Whether output may be read from the command.
    fn reading(&self, now: Instant) -> bool {
        let open = self.running.as_ref().is_some_and(|r| !r.pipes.ended());
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
        if let Some(running) = &self.running {
            times.push(running.killer.wake());
            times.push(running.look_at);
            if let Some((_, heard_at)) = running.ended
                && !running.pipes.ended()
            {
                times.push(Some(heard_at + SILENCE_AFTER_END));
            }
            if !self.spooling(now) && !self.buffer.accepts(false) {
                times.push(Some(self.progress_at + SLOW_ACKS));
            }
        }
        times.into_iter().flatten().min()
    }
}

fn keep(
    buffer: &mut Buffer<SpoolFile>,
    stream: Stream,
    at: UnixMillis,
    bytes: &[u8],
) -> io::Result<()> {
    buffer.push(stream, at, bytes)
}

async fn read(running: Option<&mut Running>, into: &mut [u8]) -> Option<(Stream, usize)> {
    match running {
        Some(running) => running.pipes.read(into).await,
        None => None,
    }
}

async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
