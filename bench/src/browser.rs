//! Browsers that follow output over the live socket, each on a thread of its own.

use crate::played::on_one_thread;
use anyhow::{Context as _, Result};
use futures::{SinkExt as _, StreamExt as _};
use saltpeter_protocol::live::{ClientMessage, MAX_SUBSCRIPTIONS, OutputPush, PATH};
use saltpeter_protocol::{Attempt, MachineId, RunId};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

type Socket = WebSocketStream<TcpStream>;

/// Digits at the beginning of a line that say when it was written, in nanoseconds since 1970.
pub(crate) const STAMP: usize = 20;

/// What the kernel keeps for a browser that does not read, in bytes: little, so that it is stuck soon.
const SMALL: u32 = 16 * 1024;

/// Writes the present time to the beginning of `line`.
pub(crate) fn stamp(line: &mut [u8]) -> Result<()> {
    let now = SystemTime::UNIX_EPOCH.elapsed()?.as_nanos();
    line[..STAMP].copy_from_slice(format!("{now:0STAMP$}").as_bytes());
    Ok(())
}

/// A browser that tails one machine's lines, each of `line` bytes. Ends after `lines` lines with the time that each took from
/// its stamp to the browser.
pub(crate) fn tail(
    port: u16,
    run: RunId,
    machine: &str,
    line: usize,
    lines: usize,
) -> Result<JoinHandle<Result<Vec<Duration>>>> {
    let machine = MachineId::new(machine)?;
    Ok(std::thread::spawn(move || {
        on_one_thread(async {
            let mut socket = follow(port, &run, [machine], None).await?;
            let mut pending = Vec::new();
            let mut latencies = Vec::with_capacity(lines);
            while latencies.len() < lines {
                let message = socket.next().await.context("the server has hung up")??;
                let Message::Binary(data) = message else {
                    continue;
                };
                let now = SystemTime::UNIX_EPOCH.elapsed()?;
                pending.extend(OutputPush::decode(&data)?.slice.bytes);
                let whole = pending.len() / line * line;
                for line in pending[..whole].chunks(line) {
                    let written = std::str::from_utf8(&line[..STAMP])?.parse()?;
                    latencies.push(now.saturating_sub(Duration::from_nanos(written)));
                }
                pending.drain(..whole);
            }
            Ok(latencies)
        })
    }))
}

/// Browsers that follow as many machines as they may, and read nothing.
pub(crate) struct Stalled {
    stop: mpsc::Sender<()>,
    thread: JoinHandle<Result<()>>,
}

impl Stalled {
    /// `count` of them.
    pub(crate) fn start(port: u16, run: RunId, count: usize) -> Result<Self> {
        let machines: Vec<_> = (0..MAX_SUBSCRIPTIONS)
            .map(|number| MachineId::new(format!("m{number}")))
            .collect::<Result<_, _>>()?;
        let (stop, stopped) = mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            on_one_thread(async {
                let mut sockets = Vec::new();
                for _ in 0..count {
                    sockets.push(follow(port, &run, machines.clone(), Some(SMALL)).await?);
                }
                // Blocks the runtime too: nothing is read.
                let _ = stopped.recv();
                Ok(())
            })
        });
        Ok(Self { stop, thread })
    }

    /// Ends them.
    pub(crate) fn stop(self) -> Result<()> {
        drop(self.stop);
        joined(self.thread)
    }
}

/// What a browser's thread has come to.
pub(crate) fn joined<T>(thread: JoinHandle<Result<T>>) -> Result<T> {
    match thread.join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

async fn follow(
    port: u16,
    run: &RunId,
    machines: impl IntoIterator<Item = MachineId>,
    buffer: Option<u32>,
) -> Result<Socket> {
    let url = format!("ws://127.0.0.1:{port}{PATH}");
    let tcp = TcpSocket::new_v4()?;
    if let Some(bytes) = buffer {
        tcp.set_recv_buffer_size(bytes)?;
    }
    let tcp = tcp.connect(([127, 0, 0, 1], port).into()).await?;
    let (mut socket, _) = tokio_tungstenite::client_async(url, tcp).await?;
    for (sub, machine) in (0..).zip(machines) {
        let follow = ClientMessage::WatchOutput {
            sub,
            run: run.clone(),
            machine,
            attempt: Attempt::FIRST,
            from: 0,
        };
        let text = serde_json::to_string(&follow)?;
        socket.send(Message::text(text)).await?;
    }
    Ok(socket)
}
