//! The server's side of a conversation, step by step. Every step has a deadline.

use futures_util::{SinkExt as _, StreamExt as _};
use saltpeter_protocol::launch::CommandSpec;
use saltpeter_protocol::machine::v2::{
    Encoding, Exit, FromServer, FromWrapper, MAX_CHUNK, OutputFrame, Progress,
};
use saltpeter_protocol::machine::{SUBPROTOCOL_V2, Stream};
use std::future::Future;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

/// Nothing here takes nearly as long, even on a busy machine.
const DEADLINE: Duration = Duration::from_secs(40);

pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future)
        .await
        .unwrap_or_else(|_| panic!("{what} did not happen in {DEADLINE:?}"))
}

pub(crate) struct Server {
    listener: TcpListener,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { listener }
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}", self.listener.local_addr().unwrap())
    }

    /// The next connection, whatever it is.
    pub(crate) async fn accept(&self) -> Connection {
        let (stream, _) = within("a connection", self.listener.accept())
            .await
            .unwrap();
        let mut authorization = None;
        #[allow(clippy::result_large_err)]
        let check = |request: &Request, mut response: Response| {
            let header = |name| {
                request
                    .headers()
                    .get(name)
                    .map(|v| v.to_str().unwrap().to_owned())
            };
            authorization = header("authorization");
            assert_eq!(
                header("sec-websocket-protocol").as_deref(),
                Some(SUBPROTOCOL_V2)
            );
            let protocol = HeaderValue::from_static(SUBPROTOCOL_V2);
            response
                .headers_mut()
                .insert("sec-websocket-protocol", protocol);
            Ok(response)
        };
        let socket = within("the handshake", accept_hdr_async(stream, check))
            .await
            .unwrap();
        Connection {
            socket,
            authorization,
        }
    }

    /// The next connection, its `hello` taken.
    pub(crate) async fn greet(&self) -> (Connection, Progress) {
        let mut connection = self.accept().await;
        let progress = connection.hello().await;
        (connection, progress)
    }

    /// The next connection, welcomed with a command to start.
    pub(crate) async fn start_command(&self, command: CommandSpec) -> Connection {
        let (mut connection, progress) = self.greet().await;
        assert_eq!(progress, Progress::New);
        connection.welcome(Some(command), 0).await;
        connection
    }

    /// Whether somebody is waiting to be accepted, now.
    pub(crate) async fn somebody_knocks(&self) -> bool {
        tokio::time::timeout(Duration::from_millis(300), self.listener.accept())
            .await
            .is_ok()
    }
}

/// What a wrapper says, its output unpacked, heartbeats left out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Control(FromWrapper),
    Output {
        stream: Stream,
        offset: u64,
        bytes: Vec<u8>,
    },
}

pub(crate) struct Connection {
    socket: WebSocketStream<TcpStream>,
    pub(crate) authorization: Option<String>,
}

/// A command's whole output and its end.
#[derive(Debug, Default)]
pub(crate) struct Whole {
    pub(crate) all: Vec<u8>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) exit: Option<Exit>,
}

impl Whole {
    pub(crate) fn stdout(&self) -> String {
        String::from_utf8(self.stdout.clone()).unwrap()
    }

    pub(crate) fn take(&mut self, stream: Stream, offset: u64, bytes: &[u8]) {
        assert_eq!(offset, self.all.len() as u64, "a gap or a repetition");
        self.all.extend_from_slice(bytes);
        match stream {
            Stream::Stdout => self.stdout.extend_from_slice(bytes),
            Stream::Stderr => self.stderr.extend_from_slice(bytes),
        }
    }
}

impl Connection {
    pub(crate) async fn say(&mut self, message: &FromServer) {
        let text = serde_json::to_string(message).unwrap();
        // The wrapper may have gone; who waits for an answer will see.
        let _ = self.socket.send(Message::text(text)).await;
    }

    pub(crate) async fn welcome(&mut self, command: Option<CommandSpec>, durable: u64) {
        self.say(&FromServer::Welcome {
            command,
            durable,
            kill: false,
            version: "test".to_owned(),
        })
        .await;
    }

    pub(crate) async fn ack(&mut self, durable: u64) {
        self.say(&FromServer::Ack { durable }).await;
    }

    /// The next thing said; `None` when the wrapper closes the connection.
    pub(crate) async fn next(&mut self) -> Option<Said> {
        within("a message", async {
            loop {
                match self.socket.next().await? {
                    Ok(Message::Text(text)) => match serde_json::from_str(&text).unwrap() {
                        FromWrapper::Heartbeat => {}
                        message => return Some(Said::Control(message)),
                    },
                    Ok(Message::Binary(frame)) => return Some(unpack(&frame)),
                    Ok(Message::Close(_)) | Err(_) => return None,
                    Ok(_) => {}
                }
            }
        })
        .await
    }

    pub(crate) async fn control(&mut self) -> FromWrapper {
        match self.next().await {
            Some(Said::Control(message)) => message,
            other => panic!("expected a control message, got {other:?}"),
        }
    }

    pub(crate) async fn hello(&mut self) -> Progress {
        match self.control().await {
            FromWrapper::Hello { progress, .. } => progress,
            other => panic!("expected hello, got {other:?}"),
        }
    }

    pub(crate) async fn started(&mut self) -> u32 {
        match self.control().await {
            FromWrapper::Started { pid, .. } => pid,
            other => panic!("expected started, got {other:?}"),
        }
    }

    /// Output until `text` has come.
    pub(crate) async fn output_until(&mut self, whole: &mut Whole, text: &str) {
        while !String::from_utf8_lossy(&whole.all).contains(text) {
            match self.next().await {
                Some(Said::Output {
                    stream,
                    offset,
                    bytes,
                }) => whole.take(stream, offset, &bytes),
                other => panic!("expected output, got {other:?}"),
            }
        }
    }

    /// Takes and acknowledges everything up to the end, says `done`, and sees the wrapper leave.
    pub(crate) async fn finish(&mut self, mut whole: Whole) -> Whole {
        loop {
            match self.next().await {
                Some(Said::Output {
                    stream,
                    offset,
                    bytes,
                }) => {
                    whole.take(stream, offset, &bytes);
                    self.ack(whole.all.len() as u64).await;
                }
                Some(Said::Control(FromWrapper::Started { .. })) => {}
                Some(Said::Control(FromWrapper::Ended { exit, length, .. })) => {
                    assert_eq!(length, whole.all.len() as u64);
                    whole.exit = Some(exit);
                    break;
                }
                other => panic!("expected output or the end, got {other:?}"),
            }
        }
        self.dismiss().await;
        whole
    }

    /// `done`, upon which the wrapper leaves.
    pub(crate) async fn dismiss(&mut self) {
        self.say(&FromServer::Done).await;
        assert_eq!(self.next().await, None, "after done");
    }

    /// Why the command was not started.
    pub(crate) async fn refusal(&mut self) -> String {
        match self.control().await {
            FromWrapper::CannotStart { message } => {
                self.dismiss().await;
                message
            }
            other => panic!("expected cannot_start, got {other:?}"),
        }
    }
}

fn unpack(frame: &[u8]) -> Said {
    let frame = OutputFrame::decode(frame).unwrap();
    let bytes = match frame.encoding {
        Encoding::Raw => frame.payload.to_vec(),
        Encoding::Zstd => zstd::bulk::decompress(frame.payload, MAX_CHUNK).unwrap(),
    };
    assert_eq!(bytes.len(), frame.raw_len as usize);
    Said::Output {
        stream: frame.stream,
        offset: frame.offset,
        bytes,
    }
}
