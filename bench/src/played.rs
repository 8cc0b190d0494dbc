//! Wrappers that this process plays, all on one thread: half of the machine is the server's.

use crate::server::Server;
use anyhow::{Context as _, Result, bail};
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt as _, StreamExt as _};
use saltpeter_protocol::machine::SUBPROTOCOL_V2;
use saltpeter_protocol::machine::v2::{FromServer, FromWrapper, Progress, WrapperId};
use saltpeter_protocol::{JobName, MachineId, RunId, UnixMillis};
use saltpeter_server::machines::RunKey;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::{HeaderValue, Request};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// The run that the wrappers report to.
pub(crate) struct Target {
    pub(crate) port: u16,
    pub(crate) job: JobName,
    pub(crate) run: RunId,
    pub(crate) token: String,
}

impl Target {
    /// Runs `job` on the server.
    pub(crate) fn start(server: &Server, job: &str) -> Result<Self> {
        let key = RunKey::load_or_create(&server.dir().join("data/run.key"))?;
        let run = RunId::new(server.run_now(job)?)?;
        Ok(Self {
            port: server.machines_port,
            job: JobName::new(job)?,
            token: key.token(&run).expose().to_owned(),
            run,
        })
    }
}

/// One wrapper's part.
#[derive(Clone)]
pub(crate) struct Part {
    pub(crate) target: Arc<Target>,
    /// Its machine is `m` and this number.
    pub(crate) number: usize,
    /// Waited at by all when they are connected.
    pub(crate) start: Arc<Barrier>,
}

/// Plays `count` wrappers to their end.
pub(crate) fn play<T, F>(
    target: Target,
    count: usize,
    wrapper: impl Fn(Part) -> F,
) -> Result<Vec<T>>
where
    T: Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let target = Arc::new(target);
        let start = Arc::new(Barrier::new(count));
        let mut wrappers: JoinSet<Result<T>> = (0..count)
            .map(|number| {
                wrapper(Part {
                    target: Arc::clone(&target),
                    number,
                    start: Arc::clone(&start),
                })
            })
            .collect();
        let mut results = Vec::with_capacity(count);
        while let Some(result) = wrappers.join_next().await {
            results.push(result??);
        }
        Ok(results)
    })
}

impl Part {
    pub(crate) fn machine(&self) -> Result<MachineId> {
        Ok(MachineId::new(format!("m{}", self.number))?)
    }

    /// A connection that speaks version 1.
    pub(crate) async fn connect_v1(&self) -> Result<Wire> {
        let target = &self.target;
        let url = format!("ws://127.0.0.1:{}/?token={}", target.port, target.token);
        connect(url.into_client_request()?).await
    }

    /// A connection of version 2 whose command has started.
    pub(crate) async fn connect_v2(&self) -> Result<Wire> {
        let target = &self.target;
        let mut request = format!("ws://127.0.0.1:{}/", target.port).into_client_request()?;
        let headers = request.headers_mut();
        headers.insert(
            "Sec-WebSocket-Protocol",
            HeaderValue::from_static(SUBPROTOCOL_V2),
        );
        let bearer = HeaderValue::from_str(&format!("Bearer {}", target.token))?;
        headers.insert("Authorization", bearer);
        let mut wire = connect(request).await?;
        wire.say(&FromWrapper::Hello {
            job: target.job.clone(),
            run: target.run.clone(),
            machine: self.machine()?,
            wrapper: WrapperId(self.number as u64),
            version: "bench".to_owned(),
            progress: Progress::New,
        })
        .await?;
        match wire.hear().await? {
            FromServer::Welcome { .. } => {}
            other => bail!("no welcome: {other:?}"),
        }
        let at = UnixMillis(0);
        wire.say(&FromWrapper::Started { pid: 1, at }).await?;
        Ok(wire)
    }
}

async fn connect(request: Request<()>) -> Result<Wire> {
    let (socket, _) = tokio_tungstenite::connect_async(request)
        .await
        .context("a wrapper cannot connect")?;
    let (to, from) = socket.split();
    Ok(Wire { to, from })
}

/// A wrapper's connection.
pub(crate) struct Wire {
    to: SplitSink<Socket, Message>,
    from: SplitStream<Socket>,
}

impl Wire {
    pub(crate) async fn say<T: Serialize>(&mut self, message: &T) -> Result<()> {
        let text = serde_json::to_string(message)?;
        Ok(self.to.send(Message::text(text)).await?)
    }

    pub(crate) async fn send(&mut self, frame: Vec<u8>) -> Result<()> {
        Ok(self.to.send(Message::binary(frame)).await?)
    }

    pub(crate) async fn hear<T: DeserializeOwned>(&mut self) -> Result<T> {
        loop {
            match self.from.next().await.context("the server has hung up")?? {
                Message::Text(text) => return Ok(serde_json::from_str(&text)?),
                Message::Close(why) => bail!("the server has closed the connection: {why:?}"),
                _ => {}
            }
        }
    }
}
