//! Serves HTTP on a listener, with a bound on how long a client may take to say what it wants.
//!
//! `axum::serve` has no such bound: whoever connects and stays silent keeps a connection for ever.

use crate::admission::{Admission, ConnectionLimits, Handshake, Patient, Place, Timed};
use crate::tls::{Entered, Gate, Transport};
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::process::{Resource, getrlimit, setrlimit};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

/// Pause after a connection could not be accepted, which is mostly for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// Open files for every wrapper and browser that may be connected, and some for the server itself.
const OPEN_FILES: u64 = 20_000;

/// Lets this process have as many files open as it may, since each connection is one: what a shell or an init system gives
/// at first is mostly 1,024. Returns what it was before, for what is started from here: many programs go through every number
/// that a file may have, or cannot deal with large ones.
pub fn raise_open_files() -> Option<u64> {
    let mut limit = getrlimit(Resource::Nofile);
    let before = limit.current;
    limit.current = limit.maximum;
    let raised = setrlimit(Resource::Nofile, limit);
    let allowed = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    if allowed < OPEN_FILES {
        let why = raised.err().map_or(String::new(), |e| format!(" ({e})"));
        tracing::warn!(
            "this process may have {allowed} files open{why}, so that many wrappers and browsers can be connected; for more, set LimitNOFILE={OPEN_FILES} in its unit"
        );
    }
    before
}

/// A listener, and what those who come to it find.
pub struct Port {
    /// Where they come.
    pub listener: TcpListener,
    /// Who may connect, and how long each step may take.
    pub admission: Admission,
    /// How they are let in.
    pub gate: Gate,
    /// What is served.
    pub routes: Router,
    /// What is said to those who come in plain text where that is refused.
    pub refusal: Router,
}

impl Port {
    /// A port without TLS.
    pub fn open(listener: TcpListener, admission: Admission, routes: Router) -> Self {
        Self {
            listener,
            admission,
            gate: Gate::open(),
            routes,
            refusal: Router::new(),
        }
    }
}

/// Serves a port until `stop` is cancelled; then answers what is under way and returns. Connections that were
/// upgraded are their handlers' affair.
pub async fn serve(port: Port, stop: CancellationToken) -> Result<(), Infallible> {
    let Port {
        listener,
        admission,
        gate,
        routes,
        refusal,
    } = port;
    let talk = Talk::new(admission.limits(), &stop);
    let open = TaskTracker::new();
    loop {
        let (stream, peer) = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&listener) => accepted,
        };
        let Some(place) = admission.admit(peer.ip()) else {
            continue;
        };
        // Acks are small and awaited; without this they wait for company. It is no loss if it fails.
        let _ = stream.set_nodelay(true);
        let (talk, gate) = (talk.clone(), gate.clone());
        let (routes, refusal) = (routes.clone(), refusal.clone());
        open.spawn(async move {
            let Some(handshake) = place.handshake().await else {
                tracing::debug!(%peer, "a connection waited too long among those that had said nothing yet");
                return;
            };
            let guest = Guest {
                peer,
                place,
                handshake,
            };
            let entered = tokio::select! {
                entered = tokio::time::timeout(talk.limits.head_within, gate.enter(stream)) => entered,
                () = talk.stop.cancelled() => return,
            };
            match entered {
                Ok(Ok(Entered::Tls(stream))) => {
                    talk.go_on(stream, Transport::Tls, routes, guest).await;
                }
                Ok(Ok(Entered::Plain(stream))) => {
                    talk.go_on(stream, Transport::Plain, routes, guest).await;
                }
                Ok(Ok(Entered::Refused(stream))) => {
                    talk.go_on(stream, Transport::Plain, refusal, guest).await;
                }
                Ok(Err(error)) => {
                    tracing::debug!(%peer, %error, "a connection did not get through TLS");
                }
                Err(_) => tracing::debug!(%peer, "a connection did not get through TLS in time"),
            }
        });
    }
    open.close();
    open.wait().await;
    Ok(())
}

/// Who has come.
struct Guest {
    peer: SocketAddr,
    place: Place,
    handshake: Handshake,
}

/// How connections are talked to.
#[derive(Clone)]
struct Talk {
    http: http1::Builder,
    limits: ConnectionLimits,
    stop: CancellationToken,
}

impl Talk {
    fn new(limits: &ConnectionLimits, stop: &CancellationToken) -> Self {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(limits.head_within)
            .max_buf_size(limits.head_bytes);
        Self {
            http,
            limits: limits.clone(),
            stop: stop.clone(),
        }
    }

    async fn go_on<S>(self, stream: S, over: Transport, routes: Router, guest: Guest)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let peer = guest.peer;
        // Held until the first request's head is here.
        let handshake = Mutex::new(Some(guest.handshake));
        let stream = Patient::new(stream, guest.place);
        let body_within = self.limits.body_within;
        let service = service_fn(move |mut request: Request<Incoming>| {
            drop(
                handshake
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .take(),
            );
            request.extensions_mut().insert(ConnectInfo(peer));
            request.extensions_mut().insert(over);
            let timed = |body| Body::new(Timed::new(body, body_within));
            routes.clone().oneshot(request.map(timed))
        });
        let connection = self
            .http
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut connection = pin!(connection);
        let outcome = tokio::select! {
            outcome = connection.as_mut() => outcome,
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = outcome {
            tracing::debug!(%peer, %error, "a connection ended early");
        }
    }
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            // The client's fault, and gone with it.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
                ) => {}
            Err(error) => {
                tracing::error!(%error, "a connection could not be accepted; trying again in {ACCEPT_PAUSE:?}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::MachinesTls;
    use saltpeter_domain::Plaintext;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    /// How long what must happen may take.
    const PATIENCE: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_handshake_that_does_not_go_on_is_ended() {
        let dir = tempfile::tempdir().unwrap();
        let tls = MachinesTls::load(dir.path(), None, Plaintext::Refuse).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let port = Port {
            listener,
            admission: Admission::new(ConnectionLimits {
                head_within: Duration::from_millis(100),
                ..ConnectionLimits::machines()
            }),
            gate: tls.gate().clone(),
            routes: Router::new(),
            refusal: Router::new(),
        };
        let stop = CancellationToken::new();
        let serving = tokio::spawn(serve(port, stop.clone()));
        // Nothing, the first byte of a handshake, and the first bytes of a long record.
        for beginning in [&b""[..], &[0x16], &[0x16, 3, 1, 0x3f, 0xff, 1]] {
            let mut client = TcpStream::connect(address).await.unwrap();
            client.write_all(beginning).await.unwrap();
            let mut said = Vec::new();
            let ended = tokio::time::timeout(PATIENCE, client.read_to_end(&mut said)).await;
            assert!(ended.is_ok(), "{beginning:?}");
        }
        // One that is under way does not hold up the end.
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(&[0x16]).await.unwrap();
        stop.cancel();
        let served = tokio::time::timeout(PATIENCE, serving).await;
        assert!(matches!(served, Ok(Ok(Ok(())))));
    }
}
