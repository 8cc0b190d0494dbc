//! A version 2 wrapper whose command writes lines at an even pace.

use super::{Figures, LASTS};
use crate::browser::stamp;
use crate::played::Part;
use anyhow::Result;
use saltpeter_protocol::UnixMillis;
use saltpeter_protocol::machine::v2::{Encoding, Exit, FromServer, FromWrapper, OutputFrame};
use saltpeter_protocol::machine::{HEARTBEAT_EVERY, Stream};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How many there are.
pub(super) const WRITERS: usize = 1000;

/// Bytes of a line.
pub(super) const LINE: usize = 1024;

/// How often each writes a line: a little more than 50,000 lines a second in all. A wrapper waits for company no longer than
/// that, so every line is a frame of its own: the dearest case.
pub(super) const EVERY: Duration = Duration::from_micros(19_800);

/// Writes a line every [`EVERY`], whether or not the one before is acknowledged.
pub(super) async fn wrapper(part: Part) -> Result<Figures> {
    let mut wire = part.connect_v2().await?;
    let at = UnixMillis(0);
    let mut line = vec![b'x'; LINE];
    line[LINE - 1] = b'\n';
    let lines = LASTS.as_nanos() / EVERY.as_nanos();
    let mut figures = Figures::default();
    let mut waiting: VecDeque<(u64, Instant)> = VecDeque::new();
    let mut offset = 0_u64;
    part.start.wait().await;
    let begin = Instant::now();
    // The wrappers' ticks are spread over the interval.
    let phase = EVERY * (part.number % 100) as u32 / 100;
    let mut tick = tokio::time::interval_at(tokio::time::Instant::now() + phase, EVERY);
    let mut beat = tokio::time::interval(HEARTBEAT_EVERY);
    loop {
        let written = offset / LINE as u64;
        tokio::select! {
            _ = tick.tick(), if u128::from(written) < lines => {
                stamp(&mut line)?;
                let frame = OutputFrame {
                    stream: Stream::Stdout,
                    offset,
                    at,
                    raw_len: LINE as u32,
                    encoding: Encoding::Raw,
                    payload: &line,
                };
                offset += LINE as u64;
                waiting.push_back((offset, Instant::now()));
                wire.send(frame.encode()).await?;
            }
            _ = beat.tick() => wire.say(&FromWrapper::Heartbeat).await?,
            heard = wire.hear::<FromServer>() => {
                let FromServer::Ack { durable } = heard? else { continue };
                let now = Instant::now();
                while let Some((_, sent)) = waiting.pop_front_if(|(end, _)| *end <= durable) {
                    figures.latencies.push(now - sent);
                    figures.acknowledged += 1;
                }
                if waiting.is_empty() && u128::from(written) >= lines {
                    break;
                }
            }
        }
    }
    figures.took = begin.elapsed();
    let exit = Exit::Exited { code: 0 };
    let length = offset;
    wire.say(&FromWrapper::Ended { exit, length, at }).await?;
    while wire.hear::<FromServer>().await? != FromServer::Done {}
    Ok(figures)
}
