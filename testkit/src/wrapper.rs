//! A version 2 wrapper that says what the test tells it to.

use crate::PATIENCE;
use anyhow::{Context, Result, bail};
use futures::{SinkExt, StreamExt};
use saltpeter_protocol::machine::Stream;
use saltpeter_protocol::machine::v2::{
    Encoding, Feature, FromServer, FromWrapper, OutputFrame, Progress, WrapperId,
};
use saltpeter_protocol::{JobName, MachineId, RunId, UnixMillis};
use std::net::SocketAddr;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// A connection to the machines' port.
#[derive(Debug)]
pub struct FakeWrapper {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl FakeWrapper {
    /// Connects with a token, or without.
    pub async fn connect(server: SocketAddr, token: Option<&str>) -> Result<Self> {
        let mut request = format!("ws://{server}/").into_client_request()?;
        let headers = request.headers_mut();
        headers.insert("Sec-WebSocket-Protocol", "saltpeter.v2".parse()?);
        if let Some(token) = token {
            headers.insert("Authorization", format!("Bearer {token}").parse()?);
        }
        let (socket, _) = connect_async(request).await?;
        Ok(Self { socket })
    }

    /// Says a message.
    pub async fn say(&mut self, message: &FromWrapper) -> Result<()> {
        let text = serde_json::to_string(message)?;
        Ok(self.socket.send(Message::text(text)).await?)
    }

    /// Says hello and returns the answer.
    pub async fn hello(
        &mut self,
        job: &JobName,
        run: &RunId,
        machine: &MachineId,
        wrapper: u64,
        progress: Progress,
    ) -> Result<FromServer> {
        self.say(&FromWrapper::Hello {
            job: job.clone(),
            run: run.clone(),
            machine: machine.clone(),
            wrapper: WrapperId(wrapper),
            version: "test".to_owned(),
            progress,
            features: vec![Feature::Secrets],
        })
        .await?;
        self.hear().await
    }

    /// Sends bytes of the command's standard output that stand at `offset`.
    pub async fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        let frame = OutputFrame {
            stream: Stream::Stdout,
            offset,
            at: UnixMillis(0),
            raw_len: u32::try_from(bytes.len())?,
            encoding: Encoding::Raw,
            payload: bytes,
        };
        Ok(self.socket.send(Message::binary(frame.encode())).await?)
    }

    /// The server's next message.
    pub async fn hear(&mut self) -> Result<FromServer> {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.socket.next());
            match next.await.context("the server says nothing")? {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text)?),
                Some(Ok(Message::Close(_))) | None => bail!("the server has closed the connection"),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.into()),
            }
        }
    }
}
