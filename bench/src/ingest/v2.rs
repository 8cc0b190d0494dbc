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

/// Time from line to line of each: a little more than 50,000 lines a second in all. A wrapper waits for company no longer than
/// that, so lines that come one by one are a frame each: the dearest case.
pub(super) const EVERY: Duration = Duration::from_micros(19_800);

/// Between the last wrapper's connecting and the first line.
const SETTLED: Duration = Duration::from_secs(1);

/// How often it is looked whose line is due.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// How many lines each writes: whole bursts of them.
pub(super) const LINES: u32 = (LASTS.as_nanos() / EVERY.as_nanos()) as u32 / BURST * BURST;

/// Lines of each whose acks are not measured, the first two seconds: a new database's write-ahead log grows until it has had
/// its 64 MiB once, and waiting for a file that grows takes longer.
pub(super) const WARM_UP: u32 = (2_000_000 / EVERY.as_micros()) as u32;

/// Lines that are written together, in the measurement of bursts.
pub(super) const BURST: u32 = 4;

/// Lines from one heartbeat to the next.
const BEAT: u32 = (HEARTBEAT_EVERY.as_nanos() / EVERY.as_nanos()) as u32;

/// Plays wrappers whose commands write `burst` lines at a time, which are one frame, to their end.
pub(super) fn play(target: Target, burst: u32) -> Result<Figures> {
    on_one_thread(LocalSet::new().run_until(async {
        let target = Arc::new(target);
        let connected = (0..WRITERS).map(|number| connect(Part::new(&target, number), burst));
        let (mut writing, reading): (Vec<_>, Vec<_>) =
            try_join_all(connected).await?.into_iter().unzip();
        let mut acks = JoinSet::new();
        for reader in reading {
            acks.spawn_local(reader.acks());
        }
        // The server is still writing down that they have come.
        tokio::time::sleep(SETTLED).await;
        let begun = Instant::now();
        write(&mut writing, burst, begun).await?;
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
            acknowledged: u64::from(LINES) * WRITERS as u64,
            latencies,
            took,
        })
    }))
}

/// The ends of lines that are on their way, and when they were sent.
type Waiting = Rc<RefCell<VecDeque<(u64, Instant)>>>;

async fn connect(part: Part, burst: u32) -> Result<(Writer, Reader)> {
    let (to, from) = part.connect_v2().await?;
    let waiting = Waiting::default();
    let writer = Writer {
        to,
        waiting: Rc::clone(&waiting),
        lines: [vec![b'x'; LINE - 1], vec![b'\n']]
            .concat()
            .repeat(burst as usize),
        written: 0,
    };
    Ok((writer, Reader { from, waiting }))
}

/// Writes everybody's lines in turn and in time, whether or not the ones before are acknowledged.
async fn write(writers: &mut [Writer], burst: u32, begun: Instant) -> Result<()> {
    let every = EVERY * burst;
    let step = every / WRITERS as u32;
    let mut look = tokio::time::interval(LOOK_EVERY);
    for turn in 0..LINES / burst {
        for (number, writer) in (0..).zip(&mut *writers) {
            let due = begun + every * turn + step * number;
            while Instant::now() < due {
                look.tick().await;
            }
            writer.write().await?;
        }
    }
    Ok(())
}

struct Writer {
    to: To,
    waiting: Waiting,
    /// The lines of a frame.
    lines: Vec<u8>,
    written: u32,
}

impl Writer {
    fn length(&self) -> u64 {
        u64::from(self.written) * LINE as u64
    }

    async fn write(&mut self) -> Result<()> {
        for line in self.lines.chunks_mut(LINE) {
            stamp(line)?;
        }
        let frame = OutputFrame {
            stream: Stream::Stdout,
            offset: self.length(),
            at: UnixMillis(0),
            raw_len: self.lines.len() as u32,
            encoding: Encoding::Raw,
            payload: &self.lines,
        };
        let frame = frame.encode();
        let now = Instant::now();
        for _ in self.lines.chunks(LINE) {
            self.written += 1;
            let sent = (self.length(), now);
            self.waiting.borrow_mut().push_back(sent);
            if self.written.is_multiple_of(BEAT) {
                self.to.say(&FromWrapper::Heartbeat).await?;
            }
        }
        self.to.binary(&frame).await
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
    /// Hears the acks of all lines; how long each took after the warm-up.
    async fn acks(mut self) -> Result<(Vec<Duration>, Self)> {
        let mut latencies = Vec::with_capacity(LINES as usize);
        let waiting = &self.waiting;
        let mut acknowledged = 0;
        let heard = |said| {
            if let FromServer::Ack { durable } = said {
                let now = Instant::now();
                let mut waiting = waiting.borrow_mut();
                while let Some((_, sent)) = waiting.pop_front_if(|(end, _)| *end <= durable) {
                    acknowledged += 1;
                    if acknowledged > WARM_UP {
                        latencies.push(now - sent);
                    }
                }
            }
            acknowledged == LINES
        };
        self.from.hear(heard).await?;
        Ok((latencies, self))
    }
}
