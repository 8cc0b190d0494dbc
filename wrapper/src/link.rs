//! The connection to the server: made, watched, and made again.

use crate::core::backoff::Backoff;
use crate::settings::{Endpoint, random};
use crate::tls::{self, BoxedWire};
use futures_util::{Sink, Stream};
use saltpeter_protocol::Token;
use saltpeter_protocol::machine::SUBPROTOCOL_V2;
use saltpeter_protocol::machine::v2::{FromServer, FromWrapper, MAX_FRAME};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::Sleep;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::error::Error as WsError;
use tokio_tungstenite::tungstenite::http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Bytes, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// An attempt to connect that takes longer has failed.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// The server's messages are short; a larger buffer is memory for nothing.
const READ_BUFFER: usize = 16 * 1024;

type Socket = WebSocketStream<BoxedWire>;
type Attempt = Pin<Box<dyn Future<Output = Result<Socket, String>>>>;

/// What happened on the link.
#[derive(Debug)]
pub(crate) enum Event {
    /// It stands.
    Connected,
    /// A message came.
    Message(FromServer),
    /// Something came that is a sign of life and no more.
    Alive,
    /// Something came that is not a message of the protocol.
    Nonsense(String),
    /// It takes the next frame.
    Writable,
    /// It is gone, or could not be made; the next attempt follows by itself.
    Lost(String),
}

/// Whether the caller has something to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Appetite {
    Write,
    ReadOnly,
}

enum State {
    /// Never again.
    Closed,
    Waiting(Pin<Box<Sleep>>),
    Connecting(Attempt),
    Open {
        socket: Box<Socket>,
        dirty: bool,
    },
}

/// See the module.
pub(crate) struct Link {
    endpoint: Endpoint,
    token: Option<Token>,
    backoff: Backoff,
    state: State,
}

impl Link {
    /// A link whose first attempt begins with the first [`Self::next`].
    pub(crate) fn new(endpoint: Endpoint, token: Option<Token>) -> Self {
        let state = State::Connecting(attempt(endpoint.clone(), token.clone()));
        Self {
            endpoint,
            token,
            backoff: Backoff::default(),
            state,
        }
    }

    /// The server takes us: after the next loss the first attempt follows soon.
    pub(crate) fn welcomed(&mut self) {
        self.backoff.reset();
    }

    /// Drops the connection; the next attempt follows by itself.
    pub(crate) fn drop_connection(&mut self) {
        let delay = self.backoff.next(random());
        self.state = State::Waiting(Box::pin(tokio::time::sleep(delay)));
    }

    /// Drops the connection for good.
    pub(crate) fn close(&mut self) {
        self.state = State::Closed;
    }

    /// Queues a control message. Nothing happens when there is no connection.
    pub(crate) fn send(&mut self, message: &FromWrapper) {
        if let Ok(text) = serde_json::to_string(message) {
            self.queue(Message::text(text));
        }
    }

    /// Queues an output frame, after [`Event::Writable`].
    pub(crate) fn send_frame(&mut self, frame: Bytes) {
        self.queue(Message::Binary(frame));
    }

    /// Queues a ping.
    pub(crate) fn ping(&mut self) {
        self.queue(Message::Ping(Bytes::new()));
    }

    fn queue(&mut self, message: Message) {
        if let State::Open { socket, dirty } = &mut self.state {
            *dirty = true;
            // An error shows again at the next read, where it is dealt with.
            let _ = Pin::new(socket.as_mut()).start_send(message);
        }
    }

    /// Sends what is queued and says goodbye, within `limit`.
    pub(crate) async fn finish(&mut self, limit: Duration) {
        if let State::Open { socket, .. } = &mut self.state {
            let goodbye = std::future::poll_fn(|cx| Pin::new(socket.as_mut()).poll_close(cx));
            let _ = tokio::time::timeout(limit, goodbye).await;
        }
        self.close();
    }

    /// The next event. Nothing is lost when the future is dropped before it is ready.
    pub(crate) async fn next(&mut self, appetite: Appetite) -> Event {
        std::future::poll_fn(|cx| self.poll(cx, appetite)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>, appetite: Appetite) -> Poll<Event> {
        loop {
            match &mut self.state {
                State::Closed => return Poll::Pending,
                State::Waiting(sleep) => {
                    ready!(sleep.as_mut().poll(cx));
                    let attempt = attempt(self.endpoint.clone(), self.token.clone());
                    self.state = State::Connecting(attempt);
                }
                State::Connecting(attempt) => match ready!(attempt.as_mut().poll(cx)) {
                    Ok(socket) => {
                        self.state = State::Open {
                            socket: Box::new(socket),
                            dirty: false,
                        };
                        return Poll::Ready(Event::Connected);
                    }
                    Err(problem) => return Poll::Ready(self.lost(problem)),
                },
                State::Open { socket, dirty } => {
                    let event = ready!(poll_open(socket, dirty, cx, appetite));
                    return Poll::Ready(match event {
                        Ok(event) => event,
                        Err(problem) => self.lost(problem),
                    });
                }
            }
        }
    }

    fn lost(&mut self, problem: String) -> Event {
        self.drop_connection();
        Event::Lost(problem)
    }
}

fn poll_open(
    socket: &mut Socket,
    dirty: &mut bool,
    cx: &mut Context<'_>,
    appetite: Appetite,
) -> Poll<Result<Event, String>> {
    if let Poll::Ready(message) = Pin::new(&mut *socket).poll_next(cx) {
        return Poll::Ready(match message {
            Some(Ok(message)) => read(message),
            Some(Err(e)) => Err(e.to_string()),
            None => Err("the server closed the connection".to_owned()),
        });
    }
    if appetite == Appetite::Write {
        match Pin::new(&mut *socket).poll_ready(cx) {
            Poll::Ready(Ok(())) => return Poll::Ready(Ok(Event::Writable)),
            Poll::Ready(Err(e)) => return Poll::Ready(Err(e.to_string())),
            Poll::Pending => {}
        }
    } else if *dirty {
        match Pin::new(&mut *socket).poll_flush(cx) {
            Poll::Ready(Ok(())) => *dirty = false,
            Poll::Ready(Err(e)) => return Poll::Ready(Err(e.to_string())),
            Poll::Pending => {}
        }
    }
    Poll::Pending
}

fn read(message: Message) -> Result<Event, String> {
    match message {
        Message::Text(text) => Ok(match serde_json::from_str(&text) {
            Ok(message) => Event::Message(message),
            Err(e) => Event::Nonsense(format!("not a message of the protocol: {e}")),
        }),
        Message::Close(frame) => {
            let reason = frame.map(|frame| frame.to_string()).unwrap_or_default();
            Err(format!("the server closed the connection {reason}"))
        }
        Message::Binary(_) => Ok(Event::Nonsense("an unexpected binary frame".to_owned())),
        Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Ok(Event::Alive),
    }
}

fn attempt(endpoint: Endpoint, token: Option<Token>) -> Attempt {
    Box::pin(async move {
        match tokio::time::timeout(CONNECT_LIMIT, connect(&endpoint, token)).await {
            Ok(result) => result,
            Err(_) => Err(format!(
                "no connection within {} s",
                CONNECT_LIMIT.as_secs()
            )),
        }
    })
}

/// The host's name is looked up anew each time, since a server may have moved.
async fn connect(endpoint: &Endpoint, token: Option<Token>) -> Result<Socket, String> {
    let Endpoint {
        uri, host, port, ..
    } = endpoint;
    let stream = TcpStream::connect((host.as_str(), *port))
        .await
        .map_err(|e| format!("cannot connect to {host}:{port}: {e}"))?;
    // Without it small messages wait for the ack of the ones before.
    let _ = stream.set_nodelay(true);
    let stream = tls::secure(endpoint, stream).await?;
    let refused = |e: WsError| refusal(&e);
    let mut request = uri.clone().into_client_request().map_err(refused)?;
    let headers = request.headers_mut();
    headers.insert(
        SEC_WEBSOCKET_PROTOCOL,
        HeaderValue::from_static(SUBPROTOCOL_V2),
    );
    if let Some(token) = token {
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", token.expose()))
            .map_err(|_| "the token cannot be sent".to_owned())?;
        bearer.set_sensitive(true);
        headers.insert(AUTHORIZATION, bearer);
    }
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .max_message_size(Some(MAX_FRAME))
        .max_frame_size(Some(MAX_FRAME));
    let (socket, _) = client_async_with_config(request, stream, Some(config))
        .await
        .map_err(refused)?;
    Ok(socket)
}

fn refusal(error: &WsError) -> String {
    match error {
        WsError::Http(response)
            if matches!(
                response.status(),
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN
            ) =>
        {
            format!("the server refused the token ({})", response.status())
        }
        WsError::Http(response) if response.status() == StatusCode::UPGRADE_REQUIRED => {
            "the server wants TLS: use wss://".to_owned()
        }
        WsError::Http(response) => format!(
            "the server answered {}; is it the machines port of a Saltpeter server?",
            response.status()
        ),
        other => other.to_string(),
    }
}
