//! The machines port: any path, either version of the protocol.

use crate::machines::{Door, Hub};
use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection};
use axum::extract::{ConnectInfo, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use saltpeter_protocol::machine::SUBPROTOCOL_V2;
use saltpeter_protocol::machine::v2::MAX_FRAME;
use serde::Deserialize;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Bytes read from a socket at a time. Every connection has such a buffer, also the thousands that are idle, and it is cleared
/// for each reading.
const READ_BUFFER: usize = 4 * 1024;

/// Said to whoever comes in plain text where that is refused.
const WANTS_TLS: &str = "This port wants TLS. Wrappers of the earlier implementation, which speak none, need machines_ws_plaintext: allow in Saltpeter's configuration.\n";

/// What the address may carry.
#[derive(Deserialize)]
struct Address {
    /// The run's token; version 1 wrappers connect to whatever address they are given and send no headers.
    token: Option<String>,
}

/// The routes of the machines port.
pub fn router(hub: Hub) -> Router {
    Router::new().fallback(upgrade).with_state(hub)
}

/// What the machines' port says to whoever comes in plain text where that is refused. The log hears of the first.
pub fn refusal() -> Router {
    let told = Arc::new(AtomicBool::new(false));
    Router::new().fallback(async move |ConnectInfo(peer): ConnectInfo<SocketAddr>| {
        if !told.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "{} came to the machines' port without TLS and was refused, as others will be without a further line. Wrappers of the earlier implementation need machines_ws_plaintext: allow",
                peer.ip()
            );
        }
        (StatusCode::UPGRADE_REQUIRED, WANTS_TLS)
    })
}

async fn upgrade(
    State(hub): State<Hub>,
    headers: HeaderMap,
    address: Result<Query<Address>, QueryRejection>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let Ok(upgrade) = upgrade else {
        let message = "This is the port where Saltpeter's wrappers connect, by WebSocket. The dashboard is on the API port.\n";
        return (StatusCode::UPGRADE_REQUIRED, message).into_response();
    };
    let Some(seat) = hub.seat() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many connections\n").into_response();
    };
    let upgrade = upgrade
        .max_frame_size(MAX_FRAME)
        .max_message_size(MAX_FRAME)
        .read_buffer_size(READ_BUFFER)
        .protocols([SUBPROTOCOL_V2]);
    let door = if upgrade.selected_protocol().is_some() {
        Door::V2 {
            token: bearer(&headers),
        }
    } else {
        Door::V1 {
            token: address.ok().and_then(|Query(address)| address.token),
        }
    };
    upgrade.on_upgrade(async move |socket| hub.talk(seat, socket, door).await)
}

/// The token of an `Authorization: Bearer` header.
fn bearer(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim().to_owned())
}
