//! The API's port with a certificate: browsers and programs reach it over TLS, and over nothing else.

use crate::http::{self, request_over};
use crate::world::World;
use futures::{SinkExt as _, StreamExt as _};
use rustls::pki_types::{CertificateDer, ServerName};
use saltpeter_protocol::live::ServerMessage;
use saltpeter_testkit::{client_trusting, renew_certificate};
use std::net::SocketAddr;
use std::path::Path;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::Message;

fn renew(dir: &Path) -> CertificateDer<'static> {
    renew_certificate(dir, "127.0.0.1").unwrap()
}

/// A connection of a client that trusts `root` and nobody else.
async fn connect(
    addr: SocketAddr,
    root: &CertificateDer<'static>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let name = ServerName::from(addr.ip());
    let stream = TcpStream::connect(addr).await.unwrap();
    let client = client_trusting(root).unwrap();
    client.connect(name, stream).await
}

async fn served(dir: &Path) -> World {
    let settings = format!(
        "saltpeter_config: {{tls_cert: {0}/cert.pem, tls_key: {0}/key.pem}}\n",
        dir.display()
    );
    World::new(&[("tls.yaml", &settings)]).await
}

#[tokio::test]
async fn everything_is_served_over_tls() {
    let dir = tempfile::tempdir().unwrap();
    let root = renew(dir.path());
    let world = served(dir.path()).await;
    let addr = world.addr();
    let stream = connect(addr, &root).await.unwrap();
    let page = request_over(stream, addr, "GET", "/healthz", &[], b"").await;
    assert_eq!(page.status, 200, "{page:?}");

    // The page of a browser, which says so in its origin.
    let stream = connect(addr, &root).await.unwrap();
    let url = format!("wss://{addr}/ws/live");
    let mut request =
        tokio_tungstenite::tungstenite::client::IntoClientRequest::into_client_request(url)
            .unwrap();
    let origin = format!("https://{addr}").parse().unwrap();
    request.headers_mut().insert("Origin", origin);
    let (mut socket, _) = tokio_tungstenite::client_async(request, stream)
        .await
        .unwrap();
    let first = loop {
        match socket.next().await.unwrap().unwrap() {
            Message::Text(text) => break text,
            _ => socket.flush().await.unwrap(),
        }
    };
    let first: ServerMessage = serde_json::from_str(&first).unwrap();
    assert!(matches!(first, ServerMessage::Snapshot { .. }), "{first:?}");
}

#[tokio::test]
async fn plain_http_gets_to_hear_where_to_go_and_does_nothing() {
    let dir = tempfile::tempdir().unwrap();
    renew(dir.path());
    let world = served(dir.path()).await;
    world.write(
        "jobs.yaml",
        "idle~: {schedule: '@yearly', targets: web1, command: 'true'}\n",
    );
    let addr = world.addr();
    let page = http::request(addr, "GET", "/jobs/x?a=b", &[], b"").await;
    assert_eq!(page.status, 308, "{page:?}");
    let expected = format!("https://{addr}/jobs/x?a=b");
    assert_eq!(page.header("location"), Some(&*expected));
    let socket = [
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="),
    ];
    let page = http::request(addr, "GET", "/ws/live", &socket, b"").await;
    assert_eq!(page.status, 308, "{page:?}");
    let path = world.own("/api/v1/jobs/idle~/run");
    let answer = http::request(addr, "POST", &path, &[], b"").await;
    assert_eq!(answer.status, 426, "{answer:?}");
    let (_, message) = answer.error();
    assert!(message.contains("https://"), "{message}");
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_without_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let first = renew(dir.path());
    let world = served(dir.path()).await;
    assert!(connect(world.addr(), &first).await.is_ok());
    let second = renew(dir.path());
    assert!(connect(world.addr(), &second).await.is_ok());
    assert!(connect(world.addr(), &first).await.is_err());
}
