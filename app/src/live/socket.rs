//! The tab's one WebSocket: opened again whenever it is lost, watched for silence.

use super::store::{Link, Live};
use crate::browser;
use futures::channel::mpsc;
use futures::future::{Either, select};
use futures::{SinkExt as _, StreamExt as _};
use gloo_net::websocket::Message;
use gloo_net::websocket::futures::WebSocket;
use leptos::prelude::window;
use leptos::task::spawn_local;
use saltpeter_protocol::UnixMillis;
use saltpeter_protocol::live::{ClientMessage, OutputPush, PATH};
use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// How often a quiet connection is asked whether it lives.
const PING_EVERY: Duration = Duration::from_secs(5);
/// How long it may take to answer.
const PONG_WITHIN: Duration = Duration::from_secs(5);
/// First and longest wait before a new attempt.
const BACKOFF: (f64, f64) = (250.0, 8_000.0);
/// After so many failed attempts the badge says offline.
const OFFLINE_AFTER: u32 = 4;

/// Opens the socket, and keeps it open.
pub(crate) fn connect(live: Live) {
    spawn_local(keep(live));
}

async fn keep(live: Live) {
    let heard = Rc::new(Cell::new(browser::now()));
    let mut failures = 0_u32;
    loop {
        let before = heard.get();
        if let Some(socket) = open() {
            converse(live, socket, &heard).await;
        }
        failures = if heard.get() == before {
            failures.saturating_add(1)
        } else {
            0
        };
        let last = heard.get();
        live.disconnected(if failures >= OFFLINE_AFTER {
            Link::Offline(last)
        } else {
            Link::Reconnecting(last)
        });
        browser::sleep(pause(failures)).await;
    }
}

/// Longer after each failure, and spread out, so that a restarted server does not meet all tabs at once.
fn pause(failures: u32) -> Duration {
    let (first, longest) = BACKOFF;
    let base = (first * f64::from(1_u32 << failures.min(8))).min(longest);
    Duration::from_millis((base * (0.5 + browser::random() / 2.0)) as u64)
}

fn open() -> Option<WebSocket> {
    let location = window().location();
    let scheme = match location.protocol().ok()?.as_str() {
        "https:" => "wss",
        _ => "ws",
    };
    let host = location.host().ok()?;
    WebSocket::open(&format!("{scheme}://{host}{PATH}")).ok()
}

/// Returns when the connection is over, or has been silent for too long.
async fn converse(live: Live, socket: WebSocket, heard: &Cell<UnixMillis>) {
    let (mut sink, mut stream) = socket.split();
    let (sender, mut outbox) = mpsc::unbounded::<ClientMessage>();

    let pings = sender.clone();
    live.connected(Arc::new(move |message| {
        // The receiver lives as long as the connection; later messages have nobody to go to.
        let _ = sender.unbounded_send(message);
    }));

    let outgoing = async {
        while let Some(message) = outbox.next().await {
            let Ok(text) = serde_json::to_string(&message) else {
                continue;
            };
            if sink.send(Message::Text(text)).await.is_err() {
                return;
            }
        }
    };
    let incoming = async {
        while let Some(Ok(message)) = stream.next().await {
            heard.set(browser::now());
            take(live, message);
        }
    };
    let watchdog = async {
        loop {
            browser::sleep(PING_EVERY).await;
            let asked = browser::now();
            if pings.unbounded_send(ClientMessage::Ping).is_err() {
                return;
            }
            // Waiting again, rather than looking at the age of what was last heard, is right in a
            // background tab too, where timers may be a minute late.
            browser::sleep(PONG_WITHIN).await;
            if heard.get() < asked {
                return;
            }
        }
    };
    let (outgoing, incoming, watchdog) = (pin!(outgoing), pin!(incoming), pin!(watchdog));
    match select(incoming, select(outgoing, watchdog)).await {
        Either::Left(_) | Either::Right(_) => {}
    }
}

fn take(live: Live, message: Message) {
    match message {
        Message::Text(text) => match serde_json::from_str(&text) {
            Ok(message) => live.receive(message),
            // A newer server may say what this page does not know; the rest goes on.
            Err(error) => leptos::logging::log!("a message of the server was not read: {error}"),
        },
        Message::Bytes(bytes) => match OutputPush::decode(&bytes) {
            Ok(push) => live.receive_output(push),
            Err(error) => leptos::logging::log!("output of the server was not read: {error}"),
        },
    }
}
