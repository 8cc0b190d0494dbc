//! Bounds of the API port, as it is served.

use crate::world::{World, within};
use saltpeter_protocol::live::{
    ClientMessage, MAX_CLIENT_MESSAGE, MAX_SUBSCRIPTIONS, ServerMessage,
};
use saltpeter_protocol::{Attempt, MachineId, RunId};
use saltpeter_server::admission::ConnectionLimits;
use saltpeter_server::ws::live::Patience;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

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

/// A server that has this much patience.
async fn with_patience(patience: Patience) -> World {
    let mut world = World::new(&[]).await;
    world.stop().await;
    world.patience = patience;
    world.start().await;
    world
}

/// A browser's socket that nobody reads from, with as little room on its way as there may be.
async fn unread(world: &World) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4 * 1024).unwrap();
    let mut stream = socket.connect(world.addr()).await.unwrap();
    let request = "GET /ws/live HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut status = [0; 12];
    within(stream.read_exact(&mut status)).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 101");
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_answers_no_ping_is_gone_and_one_that_does_is_not() {
    let world = with_patience(Patience {
        ping_every: Duration::from_millis(100),
        gone_after: Duration::from_secs(1),
        ..Patience::default()
    })
    .await;
    let mut silent = unread(&world).await;
    let mut other = world.socket().await;
    let end = async {
        let mut pings = Vec::new();
        // It takes what comes, and says nothing.
        within(silent.read_to_end(&mut pings)).await.unwrap();
    };
    tokio::select! {
        () = end => {}
        // Its pongs go out while it is read from.
        () = other.until_closed() => panic!("it has answered every ping"),
    }
    other.say(&ClientMessage::Ping).await;
    other.until_pong().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_takes_nothing_of_what_it_asks_for_is_dropped() {
    let world = with_patience(Patience {
        stalled: Duration::from_millis(300),
        ..Patience::default()
    })
    .await;
    let mut stuck = unread(&world).await;
    let ping = serde_json::to_vec(&ClientMessage::Ping).unwrap();
    let mut frame = vec![0x81, 0x80 | ping.len() as u8, 0, 0, 0, 0];
    frame.extend(ping);
    let many = frame.repeat(1000);
    // Once nothing more goes into the socket nothing more is read from it either, until it is closed.
    within(async { while stuck.write_all(&many).await.is_ok() {} }).await;
    let mut other = world.socket().await;
    other.say(&ClientMessage::Ping).await;
    other.until_pong().await;
}
