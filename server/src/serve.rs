//! Serves HTTP on a listener, with a bound on how long a client may take to say what it wants.
//!
//! `axum::serve` has no such bound: whoever connects and stays silent keeps a connection for ever.

use crate::admission::{Admission, Patient, Timed};
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
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

/// Pause after a connection could not be accepted, which is mostly for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// Open files for every wrapper and browser that may be connected, and some for the server itself.
const OPEN_FILES: u64 = 20_000;

/// Lets this process have as many files open as it may, since each connection is one: what a shell or an init system gives
/// at first is mostly 1,024.
pub fn raise_open_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let raised = setrlimit(Resource::Nofile, limit);
    let allowed = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    if allowed < OPEN_FILES {
        let why = raised.err().map_or(String::new(), |e| format!(" ({e})"));
        tracing::warn!(
            "this process may have {allowed} files open{why}, so that many wrappers and browsers can be connected; for more, set LimitNOFILE={OPEN_FILES} in its unit"
        );
    }
}

/// Serves `routes` until `stop` is cancelled; then answers what is under way and returns. Connections that were
/// upgraded are their handlers' affair. Who may connect, and how long it may take over each step, `admission` says.
pub async fn serve(
    listener: TcpListener,
    routes: Router,
    admission: Admission,
    stop: CancellationToken,
) -> Result<(), Infallible> {
    let limits = admission.limits().clone();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.head_within)
        .max_buf_size(limits.head_bytes);
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
        let (http, routes, limits) = (http.clone(), routes.clone(), limits.clone());
        let stop = stop.clone();
        open.spawn(async move {
            let Some(handshake) = place.handshake().await else {
                tracing::debug!(%peer, "a connection waited too long among those that had said nothing yet");
                return;
            };
            // Held until the first request's head is here.
            let handshake = Mutex::new(Some(handshake));
            let stream = Patient::new(stream, place);
            let service = service_fn(move |mut request: Request<Incoming>| {
                drop(handshake.lock().unwrap_or_else(PoisonError::into_inner).take());
                request.extensions_mut().insert(ConnectInfo(peer));
                let timed = |body| Body::new(Timed::new(body, limits.body_within));
                routes.clone().oneshot(request.map(timed))
            });
            let connection = http
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades();
            let mut connection = pin!(connection);
            let outcome = tokio::select! {
                outcome = connection.as_mut() => outcome,
                () = stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = outcome {
                tracing::debug!(%peer, %error, "a connection ended early");
            }
        });
    }
    open.close();
    open.wait().await;
    Ok(())
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
