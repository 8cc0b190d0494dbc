//! How much output the server makes durable, and how soon: many wrappers played by one process, against the release
//! server.

use crate::server::Server;
use crate::table::{Table, mib, ms, percentile};
use anyhow::{Context as _, Result, bail, ensure};
use futures::future::try_join_all;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt as _, StreamExt as _};
use saltpeter_protocol::machine::v1;
use saltpeter_protocol::machine::v2::{
    Encoding, Exit, FromServer, FromWrapper, OutputFrame, Progress, WrapperId,
};
use saltpeter_protocol::machine::{HEARTBEAT_EVERY, SUBPROTOCOL_V2, Stream};
use saltpeter_protocol::{JobName, MachineId, RunId, UnixMillis};
use saltpeter_server::machines::RunKey;
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::sync::Barrier;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::{HeaderValue, Request};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// Wrappers of version 2, and what each writes: a line of 1 KB every 20 ms, 50,000 lines a second in all.
const WRITERS: usize = 1000;
const LINE: usize = 1024;
const EVERY: Duration = Duration::from_millis(20);

/// Wrappers of version 1, and how many messages each has on its way.
const OLD_WRITERS: usize = 200;
const OLD_WINDOW: usize = 16;
const OLD_LINE: &str = "a line of output, as short as most of them are, for there are many\n";

const LASTS: Duration = Duration::from_secs(10);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

pub(crate) fn run() -> Result<()> {
    let machines: Vec<String> = (0..WRITERS).map(|n| format!("m{n}")).collect();
    let yaml = "new:\n  schedule: '@yearly'\n  targets: '*'\n  command: 'true'\n\
                old:\n  schedule: '@yearly'\n  targets: '*'\n  command: 'true'\n";
    let server = Server::start_with(&machines.join(", "), Some("/bin/true"), yaml)?;
    let key = RunKey::load_or_create(&server.dir().join("data/run.key"))?;
    let runtime = tokio::runtime::Runtime::new()?;

    let mut table = Table::new(format!("{WRITERS} version 2 wrappers, 1 KB lines"));
    let run = RunId::new(server.run_now("new")?)?;
    let target = Target::of(&server, &key, run);
    let figures = runtime.block_on(play(&target, WRITERS, new_wrapper))?;
    figures.print(&mut table, "lines", "≥ 50,000");
    table.row("memory of the server", mib(server.memory()), "< 400 MB");
    table.print();

    let mut table = Table::new(format!("{OLD_WRITERS} version 1 wrappers"));
    let run = RunId::new(server.run_now("old")?)?;
    let target = Target::of(&server, &key, run);
    let figures = runtime.block_on(play(&target, OLD_WRITERS, old_wrapper))?;
    figures.print(&mut table, "messages", "≥ 10,000");
    table.print();
    Ok(())
}

/// Whom the wrappers report to.
struct Target {
    port: u16,
    run: RunId,
    token: String,
}

impl Target {
    fn of(server: &Server, key: &RunKey, run: RunId) -> Self {
        Self {
            port: server.machines_port,
            token: key.token(&run).expose().to_owned(),
            run,
        }
    }
}

/// What was measured.
#[derive(Default)]
struct Figures {
    acknowledged: u64,
    latencies: Vec<Duration>,
    took: Duration,
}

impl Figures {
    fn print(mut self, table: &mut Table, what: &str, rate: &str) {
        self.latencies.sort_unstable();
        let per_second = self.acknowledged as f64 / self.took.as_secs_f64();
        table.row(
            format!("{what} durable a second"),
            format!("{per_second:.0}"),
            rate,
        );
        for (share, name, budget) in [(0.5, "p50", ""), (0.99, "p99", "< 50 ms")] {
            let latency = percentile(&self.latencies, share);
            table.row(
                format!("from sending to the ack, {name}"),
                ms(latency),
                budget,
            );
        }
    }
}

/// Lets `count` wrappers connect, write at the same time and end.
async fn play<W>(target: &Target, count: usize, wrapper: W) -> Result<Figures>
where
    W: AsyncFn(Part<'_>) -> Result<Figures>,
{
    let start = Barrier::new(count);
    // All on this thread: half of the machine is the server's.
    let all = try_join_all((0..count).map(|number| {
        wrapper(Part {
            target,
            number,
            start: &start,
        })
    }))
    .await?;
    let mut sum = Figures::default();
    for figures in all {
        sum.acknowledged += figures.acknowledged;
        sum.latencies.extend(figures.latencies);
        sum.took = sum.took.max(figures.took);
    }
    Ok(sum)
}

/// One wrapper's part.
#[derive(Clone, Copy)]
struct Part<'t> {
    target: &'t Target,
    number: usize,
    /// Waited at when connected.
    start: &'t Barrier,
}

impl Part<'_> {
    fn machine(&self) -> Result<MachineId> {
        Ok(MachineId::new(format!("m{}", self.number))?)
    }

    async fn connect(&self, request: Request<()>) -> Result<Wire> {
        let (socket, _) = tokio_tungstenite::connect_async(request)
            .await
            .context("a wrapper cannot connect")?;
        let (to, from) = socket.split();
        Ok(Wire { to, from })
    }
}

struct Wire {
    to: SplitSink<Socket, Message>,
    from: SplitStream<Socket>,
}

impl Wire {
    async fn say<T: serde::Serialize>(&mut self, message: &T) -> Result<()> {
        let text = serde_json::to_string(message)?;
        Ok(self.to.send(Message::text(text)).await?)
    }

    async fn hear<T: serde::de::DeserializeOwned>(&mut self) -> Result<T> {
        loop {
            match self.from.next().await.context("the server has hung up")?? {
                Message::Text(text) => return Ok(serde_json::from_str(&text)?),
                Message::Close(why) => bail!("the server has closed the connection: {why:?}"),
                _ => {}
            }
        }
    }
}

/// Writes a line every [`EVERY`], whether or not the one before is acknowledged.
async fn new_wrapper(part: Part<'_>) -> Result<Figures> {
    let target = part.target;
    let mut request = format!("ws://127.0.0.1:{}/", target.port).into_client_request()?;
    let headers = request.headers_mut();
    headers.insert(
        "Sec-WebSocket-Protocol",
        HeaderValue::from_static(SUBPROTOCOL_V2),
    );
    let bearer = HeaderValue::from_str(&format!("Bearer {}", target.token))?;
    headers.insert("Authorization", bearer);
    let mut wire = part.connect(request).await?;
    let hello = FromWrapper::Hello {
        job: JobName::new("new")?,
        run: target.run.clone(),
        machine: part.machine()?,
        wrapper: WrapperId(part.number as u64),
        version: "bench".to_owned(),
        progress: Progress::New,
    };
    wire.say(&hello).await?;
    let welcome: FromServer = wire.hear().await?;
    ensure!(matches!(welcome, FromServer::Welcome { .. }), "{welcome:?}");
    let at = UnixMillis(0);
    wire.say(&FromWrapper::Started { pid: 1, at }).await?;

    let mut line = vec![b'x'; LINE];
    line[LINE - 1] = b'\n';
    let mut figures = Figures::default();
    let mut waiting: VecDeque<(u64, Instant)> = VecDeque::new();
    part.start.wait().await;
    let mut offset = 0_u64;
    let begin = Instant::now();
    // The wrappers' ticks are spread over the interval.
    let phase = EVERY * (part.number % 100) as u32 / 100;
    let mut tick = tokio::time::interval_at(tokio::time::Instant::now() + phase, EVERY);
    let mut beat = tokio::time::interval(HEARTBEAT_EVERY);
    loop {
        tokio::select! {
            _ = tick.tick(), if begin.elapsed() < LASTS => {
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
                wire.to.send(Message::binary(frame.encode())).await?;
            }
            _ = beat.tick() => wire.say(&FromWrapper::Heartbeat).await?,
            heard = wire.hear::<FromServer>() => {
                let FromServer::Ack { durable } = heard? else { continue };
                let now = Instant::now();
                while let Some((_, sent)) = waiting.pop_front_if(|(end, _)| *end <= durable) {
                    figures.latencies.push(now - sent);
                    figures.acknowledged += 1;
                }
                if waiting.is_empty() && begin.elapsed() >= LASTS {
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

/// Keeps [`OLD_WINDOW`] messages on their way.
async fn old_wrapper(part: Part<'_>) -> Result<Figures> {
    let target = part.target;
    let url = format!("ws://127.0.0.1:{}/?token={}", target.port, target.token);
    let mut wire = part.connect(url.into_client_request()?).await?;
    let machine = part.machine()?;
    let envelope = serde_json::to_value(v1::Envelope {
        job_name: "old".to_owned(),
        job_instance: target.run.to_string(),
        machine: machine.to_string(),
        timestamp: "2026-01-01T00:00:00+00:00".to_owned(),
    })?;
    let whole = |message: v1::FromWrapper| -> Result<serde_json::Value> {
        let mut whole = serde_json::to_value(message)?;
        if let (Some(whole), Some(envelope)) = (whole.as_object_mut(), envelope.as_object()) {
            whole.extend(envelope.clone());
        }
        Ok(whole)
    };
    wire.say(&whole(v1::FromWrapper::Connect)?).await?;
    let _: v1::FromServer = wire.hear().await?;

    let mut figures = Figures::default();
    let mut waiting = VecDeque::new();
    part.start.wait().await;
    let begin = Instant::now();
    let mut seq = 0;
    while begin.elapsed() < LASTS || !waiting.is_empty() {
        while waiting.len() < OLD_WINDOW && begin.elapsed() < LASTS {
            let output = v1::FromWrapper::Output {
                stream: Stream::Stdout,
                data: OLD_LINE.to_owned(),
                seq: Some(seq),
            };
            waiting.push_back(Instant::now());
            wire.say(&whole(output)?).await?;
            seq += 1;
        }
        let answer: v1::FromServer = wire.hear().await?;
        ensure!(matches!(answer, v1::FromServer::Ack { .. }), "{answer:?}");
        if let Some(sent) = waiting.pop_front() {
            figures.latencies.push(sent.elapsed());
            figures.acknowledged += 1;
        }
    }
    figures.took = begin.elapsed();
    let complete = v1::FromWrapper::Complete {
        retcode: 0,
        seq: Some(seq),
        output: None,
    };
    wire.say(&whole(complete)?).await?;
    let _: v1::FromServer = wire.hear().await?;
    Ok(figures)
}
