//! Version 2 wrappers whose commands write lines at an even pace.

use super::{Figures, LASTS};
use crate::browser::stamp;
use crate::played::{Part, Target, on_one_thread};
use crate::wire::{From, To};
use anyhow::Result;
use futures::future::try_join_all;
use saltpeter_protocol::UnixMillis;
use saltpeter_protocol::machine::v2::{Encoding, Exit, FromServer, FromWrapper, OutputFrame};
use saltpeter_protocol::machine::{HEARTBEAT_EVERY, Stream};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::{JoinSet, LocalSet};

/// How many there are.
pub(super) const WRITERS: usize = 1000;

/// Bytes of a line.
pub(super) const LINE: usize = 1024;

/// How often each writes a line: a little more than 50,000 lines a second in all. A wrapper waits for company no longer than
/// that, so every line is a frame of its own: the dearest case.
pub(super) const EVERY: Duration = Duration::from_micros(19_800);

/// How often it is looked whose line is due.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// How many lines each writes.
pub(super) const LINES: u32 = (LASTS.as_nanos() / EVERY.as_nanos()) as u32;

/// Lines from one heartbeat to the next.
const BEAT: u32 = (HEARTBEAT_EVERY.as_nanos() / EVERY.as_nanos()) as u32;

/// Plays them to their end.
pub(super) fn play(target: Target) -> Result<Figures> {
    on_one_thread(LocalSet::new().run_until(async {
        let target = Arc::new(target);
        let connected = (0..WRITERS).map(|number| connect(Part::new(&target, number)));
        let (mut writing, reading): (Vec<_>, Vec<_>) =
            try_join_all(connected).await?.into_iter().unzip();
        let mut acks = JoinSet::new();
        for reader in reading {
            acks.spawn_local(reader.acks());
        }
        let begun = Instant::now();
        write(&mut writing, begun).await?;
        let mut latencies = Vec::new();
        let mut readers = Vec::new();
        while let Some(done) = acks.join_next().await {
            let (seen, reader) = done??;
            latencies.extend(seen);
            readers.push(reader);
        }
        let took = begun.elapsed();
        for writer in &mut writing {
            writer.end().await?;
        }
        for mut reader in readers {
            let done = |said: FromServer| said == FromServer::Done;
            reader.from.hear(done).await?;
        }
        Ok(Figures {
            acknowledged: latencies.len() as u64,
            latencies,
            took,
        })
    }))
}

/// The ends of lines that are on their way, and when they were sent.
type Waiting = Rc<RefCell<VecDeque<(u64, Instant)>>>;

async fn connect(part: Part) -> Result<(Writer, Reader)> {
    let (to, from) = part.connect_v2().await?;
    let waiting = Waiting::default();
    let writer = Writer {
        to,
        waiting: Rc::clone(&waiting),
        line: [vec![b'x'; LINE - 1], vec![b'\n']].concat(),
        written: 0,
    };
    Ok((writer, Reader { from, waiting }))
}

/// Writes everybody's lines in turn, each [`EVERY`] after its last, whether or not that is acknowledged.
async fn write(writers: &mut [Writer], begun: Instant) -> Result<()> {
    let step = EVERY / WRITERS as u32;
    let mut look = tokio::time::interval(LOOK_EVERY);
    for turn in 0..LINES {
        for (number, writer) in (0..).zip(&mut *writers) {
            let due = begun + EVERY * turn + step * number;
            while Instant::now() < due {
                look.tick().await;
            }
            writer.line().await?;
        }
    }
    Ok(())
}

struct Writer {
    to: To,
    waiting: Waiting,
    line: Vec<u8>,
    written: u32,
}

impl Writer {
    fn length(&self) -> u64 {
        u64::from(self.written) * LINE as u64
    }

    async fn line(&mut self) -> Result<()> {
        stamp(&mut self.line)?;
        let frame = OutputFrame {
            stream: Stream::Stdout,
            offset: self.length(),
            at: UnixMillis(0),
            raw_len: LINE as u32,
            encoding: Encoding::Raw,
            payload: &self.line,
        };
        let frame = frame.encode();
        self.written += 1;
        let sent = (self.length(), Instant::now());
        self.waiting.borrow_mut().push_back(sent);
        self.to.binary(&frame).await?;
        if self.written.is_multiple_of(BEAT) {
            self.to.say(&FromWrapper::Heartbeat).await?;
        }
        Ok(())
    }

    async fn end(&mut self) -> Result<()> {
        let ended = FromWrapper::Ended {
            exit: Exit::Exited { code: 0 },
            length: self.length(),
            at: UnixMillis(0),
        };
        self.to.say(&ended).await
    }
}

struct Reader {
    from: From,
    waiting: Waiting,
}

impl Reader {
    /// Hears the acks of all lines; how long each took.
    async fn acks(mut self) -> Result<(Vec<Duration>, Self)> {
        let mut latencies = Vec::with_capacity(LINES as usize);
        let waiting = &self.waiting;
        let heard = |said| {
            if let FromServer::Ack { durable } = said {
                let now = Instant::now();
                let mut waiting = waiting.borrow_mut();
                while let Some((_, sent)) = waiting.pop_front_if(|(end, _)| *end <= durable) {
                    latencies.push(now - sent);
                }
            }
            latencies.len() == LINES as usize
        };
        self.from.hear(heard).await?;
        Ok((latencies, self))
    }
}
