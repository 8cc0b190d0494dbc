//! Bounds of the API port, as it is served.

use crate::world::{World, within};
use saltpeter_protocol::live::{
    ClientMessage, MAX_CLIENT_MESSAGE, MAX_SUBSCRIPTIONS, ServerMessage,
};
use saltpeter_protocol::{Attempt, MachineId, RunId};
use saltpeter_server::admission::ConnectionLimits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

#[tokio::test(flavor = "multi_thread")]
async fn one_address_cannot_take_every_connection() {
    let world = World::new(&[]).await;
    let most = ConnectionLimits::api().per_address;
    let mut taken = Vec::new();
    for _ in 0..most {
        taken.push(TcpStream::connect(world.addr()).await.unwrap());
    }
    // Whoever comes now hears nothing but the end.
    let mut refused = TcpStream::connect(world.addr()).await.unwrap();
    let mut heard = Vec::new();
    let _ = within(refused.read_to_end(&mut heard)).await;
    assert!(heard.is_empty());
    // Those that are in are served in their turn.
    let first = &mut taken[0];
    first
        .write_all(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let mut status = [0; 12];
    within(first.read_exact(&mut status)).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");
    drop(taken);
    within(async {
        while world.try_socket().await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_too_long_ends_its_socket_alone() {
    let world = World::new(&[]).await;
    let mut other = world.socket().await;
    let mut socket = world.socket().await;
    let padded = |length: usize| {
        let ping = serde_json::to_string(&ClientMessage::Ping).unwrap();
        format!("{ping}{}", " ".repeat(length - ping.len()))
    };
    socket.say_text(&padded(MAX_CLIENT_MESSAGE)).await;
    socket.until_pong().await;
    socket.say_text(&padded(MAX_CLIENT_MESSAGE + 1)).await;
    socket.until_closed().await;
    other.say(&ClientMessage::Ping).await;
    other.until_pong().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_watches_so_much_and_no_more() {
    let world = World::new(&[]).await;
    let mut socket = world.socket().await;
    let nobodys = |n: usize| RunId::new(format!("nobody_{n}")).unwrap();
    for n in 0..=MAX_SUBSCRIPTIONS {
        socket
            .say(&ClientMessage::WatchOutput {
                sub: n as u32,
                run: nobodys(n),
                machine: MachineId::new("web1").unwrap(),
                attempt: Attempt::FIRST,
                from: 0,
            })
            .await;
    }
    let most = format!("at most {MAX_SUBSCRIPTIONS}");
    let refused = |message: &ServerMessage| matches!(message, ServerMessage::Error { message, .. } if message.starts_with(&most));
    let ServerMessage::Error { sub, .. } = socket.until(refused).await else {
        unreachable!()
    };
    assert_eq!(sub, Some(MAX_SUBSCRIPTIONS as u32));
    // One that is given up makes room; the socket has stayed.
    socket.say(&ClientMessage::UnwatchOutput { sub: 0 }).await;
    socket.say(&ClientMessage::Ping).await;
    socket.until_pong().await;
}
