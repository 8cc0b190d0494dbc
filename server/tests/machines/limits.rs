//! What a port does with those who come in numbers, take their time or send too much. Both ports are served by the same code.

use crate::world::{World, soon};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::response::IntoResponse as _;
use axum::routing::{any, post};
use saltpeter_server::admission::{Admission, ConnectionLimits};
use saltpeter_server::machines::Limits;
use saltpeter_server::serve::{self, serve};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Short, and long enough for a busy machine.
const SHORT: Duration = Duration::from_millis(300);

/// A port that tells the length of what it is sent, and gives more than anybody takes.
struct Port {
    address: SocketAddr,
    admission: Admission,
    _stop: DropGuard,
}

impl Port {
    async fn open(limits: ConnectionLimits) -> Self {
        let routes = Router::new()
            .route("/", post(async |body: Bytes| body.len().to_string()))
            .route(
                "/endless",
                any(async || {
                    let piece = Bytes::from_static(&[b'x'; 16 * 1024]);
                    let pieces = futures::stream::repeat_with(move || {
                        Ok::<_, std::io::Error>(piece.clone())
                    });
                    Body::from_stream(pieces).into_response()
                }),
            );
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let admission = Admission::new(limits);
        let stop = CancellationToken::new();
        let port = serve::Port::open(listener, admission.clone(), routes);
        tokio::spawn(serve(port, stop.clone()));
        Self {
            address,
            admission,
            _stop: stop.drop_guard(),
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Tries until somebody is served.
    async fn serves(&self) {
        loop {
            let mut stream = self.connect().await;
            if stream.write_all(GOOD.as_bytes()).await.is_ok() && stream.read_u8().await.is_ok() {
                return;
            }
        }
    }

    /// Connects from another address of this host.
    async fn connect_from(&self, address: &str) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket
            .bind(SocketAddr::new(address.parse().unwrap(), 0))
            .unwrap();
        socket.connect(self.address).await.unwrap()
    }
}

/// What comes until the connection ends, which it does.
async fn until_end(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    // A connection that is closed while something unread is on its way ends in an error.
    let _ = soon("the connection's end", stream.read_to_end(&mut all)).await;
    String::from_utf8_lossy(&all).into_owned()
}

/// Says `text` and gives the first line of the answer.
async fn ask(stream: &mut TcpStream, text: &str) -> String {
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.push(soon("an answer", stream.read_u8()).await.unwrap());
    }
    String::from_utf8(line).unwrap()
}

const GOOD: &str = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi";

#[tokio::test]
async fn a_connection_too_many_from_one_address_is_closed_and_others_are_not() {
    let port = Port::open(ConnectionLimits {
        connections: 4,
        per_address: 3,
        ..ConnectionLimits::machines()
    })
    .await;
    let mut taken = Vec::new();
    for _ in 0..3 {
        let mut stream = port.connect().await;
        assert!(ask(&mut stream, GOOD).await.contains("200"));
        taken.push(stream);
    }
    assert_eq!(until_end(&mut port.connect().await).await, "");
    let mut other = port.connect_from("127.0.0.2").await;
    assert!(ask(&mut other, GOOD).await.contains("200"));
    assert_eq!(
        until_end(&mut port.connect_from("127.0.0.3").await).await,
        "",
        "four in all"
    );
    assert_eq!(port.admission.turned_away(), 2);

    drop(taken.pop());
    soon("a place", port.serves()).await;
}

#[tokio::test]
async fn who_says_nothing_delays_neither_other_addresses_nor_its_own_for_long() {
    let port = Port::open(ConnectionLimits {
        handshakes: 3,
        handshakes_per_address: 2,
        head_within: SHORT * 3,
        ..ConnectionLimits::machines()
    })
    .await;
    let mut silent = [port.connect().await, port.connect().await];
    let mut third = port.connect().await;
    third.write_all(GOOD.as_bytes()).await.unwrap();
    let mut other = port.connect_from("127.0.0.2").await;
    // The third of its address waits; another address does not.
    assert!(ask(&mut other, GOOD).await.contains("200"));
    assert!(third.try_read(&mut [0]).is_err(), "it waits");
    for stream in &mut silent {
        until_end(stream).await;
    }
    // It has waited for as long as those may take that were before it, so its turn may come or not.
    until_end(&mut third).await;
    assert!(ask(&mut port.connect().await, GOOD).await.contains("200"));
}

#[tokio::test]
async fn so_many_may_be_about_to_ask_and_the_next_waits_for_a_turn() {
    let port = Port::open(ConnectionLimits {
        handshakes: 2,
        handshakes_per_address: 1,
        ..ConnectionLimits::machines()
    })
    .await;
    let mut first = port.connect().await;
    let _second = port.connect_from("127.0.0.2").await;
    let mut third = port.connect_from("127.0.0.3").await;
    third.write_all(GOOD.as_bytes()).await.unwrap();
    let early = tokio::time::timeout(SHORT, third.readable()).await;
    assert!(early.is_err(), "two are before it");
    // One of them asks, and so leaves its place.
    assert!(ask(&mut first, GOOD).await.contains("200"));
    assert!(ask(&mut third, "").await.contains("200"));
}

#[tokio::test]
async fn a_head_that_comes_too_slowly_ends_its_connection() {
    let port = Port::open(ConnectionLimits {
        head_within: SHORT,
        ..ConnectionLimits::machines()
    })
    .await;
    let mut stream = port.connect().await;
    let (mut read, mut write) = stream.split();
    // A byte now and then, for ever.
    let drip = async {
        for byte in GOOD.bytes().cycle().filter(|byte| *byte != b'\r') {
            tokio::time::sleep(SHORT / 20).await;
            if write.write_all(&[byte]).await.is_err() {
                break;
            }
        }
    };
    let mut answer = Vec::new();
    tokio::select! {
        _ = soon("the cut", read.read_to_end(&mut answer)) => {}
        () = drip => {}
    }
    // A connection that was kept is not kept for longer.
    let mut kept = port.connect().await;
    assert!(ask(&mut kept, GOOD).await.contains("200"));
    until_end(&mut kept).await;
}

#[tokio::test]
async fn a_head_that_is_too_long_is_refused() {
    let limits = ConnectionLimits::machines();
    let (bytes, port) = (limits.head_bytes, Port::open(limits).await);
    let head = |length: usize| {
        format!(
            "POST / HTTP/1.1\r\nContent-Length: 0\r\nX: {}\r\n\r\n",
            "x".repeat(length)
        )
    };
    assert!(
        ask(&mut port.connect().await, &head(bytes / 2))
            .await
            .contains("200")
    );
    let mut stream = port.connect().await;
    let _ = stream.write_all(head(2 * bytes).as_bytes()).await;
    assert!(until_end(&mut stream).await.starts_with("HTTP/1.1 431"));
    let many = format!("POST / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(101));
    assert!(ask(&mut port.connect().await, &many).await.contains("431"));
}

#[tokio::test]
async fn a_body_that_comes_too_slowly_ends_its_connection() {
    let port = Port::open(ConnectionLimits {
        body_within: SHORT,
        ..ConnectionLimits::api()
    })
    .await;
    let mut stream = port.connect().await;
    let head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut read, mut write) = stream.split();
    let drip = async {
        // Each byte is in time; all of them are not.
        while write.write_all(b"x").await.is_ok() {
            tokio::time::sleep(SHORT / 20).await;
        }
    };
    let mut answer = Vec::new();
    tokio::select! {
        _ = soon("the cut", read.read_to_end(&mut answer)) => {}
        () = drip => {}
    }
    assert!(!String::from_utf8_lossy(&answer).contains("200 OK"));
}

#[tokio::test]
async fn who_does_not_read_the_answer_is_cut_off() {
    let port = Port::open(ConnectionLimits {
        per_address: 1,
        write_within: SHORT,
        ..ConnectionLimits::api()
    })
    .await;
    let mut stream = port.connect().await;
    assert!(
        ask(&mut stream, "GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .contains("200")
    );
    // It keeps its end open and reads nothing more; its place is free all the same.
    soon("its place", port.serves()).await;
    drop(stream);
}

#[tokio::test]
async fn an_upgraded_connection_keeps_its_place() {
    let world = World::with(Limits::default()).await;
    assert_eq!(world.admission().connections(), 0);
    let client = world.connect_v2(None).await;
    assert_eq!(world.admission().connections(), 1);
    drop(client);
    soon("its place", async {
        while world.admission().connections() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
