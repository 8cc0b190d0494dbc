//! The API's port with a certificate: browsers and programs reach it over TLS, and over nothing else.

use crate::http::{self, request_over};
use crate::world::World;
use futures::{SinkExt as _, StreamExt as _};
use rcgen::CertifiedKey;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use saltpeter_protocol::live::ServerMessage;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::Message;

/// Writes a new certificate for 127.0.0.1 and its key.
fn renew(dir: &Path) -> CertificateDer<'static> {
    let CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    // As tools for certificates do it: each file is there whole.
    for (name, pem) in [
        ("key.pem", signing_key.serialize_pem()),
        ("cert.pem", cert.pem()),
    ] {
        std::fs::write(dir.join("new"), pem).unwrap();
        std::fs::rename(dir.join("new"), dir.join(name)).unwrap();
    }
    cert.der().clone()
}

/// A connection of a client that trusts `root` and nobody else.
async fn connect(
    addr: SocketAddr,
    root: &CertificateDer<'static>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::from(addr.ip());
    let stream = TcpStream::connect(addr).await.unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
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
