//! Wrappers that this process plays.

use crate::server::Server;
use crate::wire::{self, From, To};
use anyhow::{Context as _, Result, ensure};
use saltpeter_protocol::machine::SUBPROTOCOL_V2;
use saltpeter_protocol::machine::v2::{FromServer, FromWrapper, Progress, WrapperId};
use saltpeter_protocol::{JobName, MachineId, RunId, UnixMillis};
use saltpeter_server::machines::RunKey;
use std::net::Ipv4Addr;
use std::sync::Arc;
use tokio::net::TcpSocket;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::{HeaderValue, Request};

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
pub(crate) struct Part {
    pub(crate) target: Arc<Target>,
    /// Its machine is `m` and this number.
    pub(crate) number: usize,
}

/// Plays wrappers on this thread alone: half of the machine is the server's.
pub(crate) fn on_one_thread<T>(play: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(play)
}

impl Part {
    pub(crate) fn new(target: &Arc<Target>, number: usize) -> Self {
        Self {
            target: Arc::clone(target),
            number,
        }
    }

    pub(crate) fn machine(&self) -> Result<MachineId> {
        Ok(MachineId::new(format!("m{}", self.number))?)
    }

    /// A connection that speaks version 1.
    pub(crate) async fn connect_v1(&self) -> Result<(To, From)> {
        let target = &self.target;
        let url = format!("ws://127.0.0.1:{}/?token={}", target.port, target.token);
        self.connect(url.into_client_request()?).await
    }

    /// A connection of version 2 whose command has started.
    pub(crate) async fn connect_v2(&self) -> Result<(To, From)> {
        let target = &self.target;
        let mut request = format!("ws://127.0.0.1:{}/", target.port).into_client_request()?;
        let headers = request.headers_mut();
        let v2 = HeaderValue::from_static(SUBPROTOCOL_V2);
        headers.insert("Sec-WebSocket-Protocol", v2);
        let bearer = HeaderValue::from_str(&format!("Bearer {}", target.token))?;
        headers.insert("Authorization", bearer);
        let (mut to, mut from) = self.connect(request).await?;
        let hello = FromWrapper::Hello {
            job: target.job.clone(),
            run: target.run.clone(),
            machine: self.machine()?,
            wrapper: WrapperId(self.number as u64),
            version: "bench".to_owned(),
            progress: Progress::New,
            features: Vec::new(),
        };
        to.say(&hello).await?;
        let mut answer = None;
        from.hear(|said: FromServer| {
            answer = Some(said);
            true
        })
        .await?;
        ensure!(
            matches!(answer, Some(FromServer::Welcome { .. })),
            "no welcome: {answer:?}"
        );
        let at = UnixMillis(0);
        to.say(&FromWrapper::Started { pid: 1, at }).await?;
        Ok((to, from))
    }

    /// Shakes hands. The server says nothing before it is spoken to, so nothing is lost with the library's buffers.
    async fn connect(&self, request: Request<()>) -> Result<(To, From)> {
        let socket = TcpSocket::new_v4()?;
        // Its port may be the next server's, while this connection lingers.
        socket.set_reuseaddr(true)?;
        socket.bind((self.address(), 0).into())?;
        let server = (Ipv4Addr::LOCALHOST, self.target.port).into();
        let stream = socket
            .connect(server)
            .await
            .context("a wrapper cannot connect")?;
        stream.set_nodelay(true)?;
        let shaken = tokio_tungstenite::client_async(request, stream).await;
        let (socket, _) = shaken.context("a wrapper is not let in")?;
        Ok(wire::split(socket.into_inner()))
    }

    /// An address of its machine's own, as machines have: the server lets one have half of its places at most.
    fn address(&self) -> Ipv4Addr {
        let [_, _, high, low] = (self.number as u32).to_be_bytes();
        Ipv4Addr::new(127, 1, high, low)
    }
}
