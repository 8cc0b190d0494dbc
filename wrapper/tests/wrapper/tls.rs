//! The server known by its certificate, pinned or vouched for.

use crate::server::{Server, Whole, within};
use crate::tools::{TOKEN, spec, unique, wrapper};
use ring::digest::{SHA256, digest};
use saltpeter_protocol::launch::var;
use saltpeter_protocol::machine::v2::Exit;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::version::TLS13;

/// A certificate for `name`, which it vouches for itself.
struct Certificate {
    pem: String,
    der: CertificateDer<'static>,
    key: PrivatePkcs8KeyDer<'static>,
}

impl Certificate {
    fn of(name: &str) -> Self {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        Self {
            pem: made.cert.pem(),
            der: made.cert.der().clone(),
            key: made.signing_key.serialize_der().into(),
        }
    }

    fn pin(&self) -> String {
        let mut text = String::new();
        for byte in digest(&SHA256, &self.der).as_ref() {
            write!(text, "{byte:02x}").unwrap();
        }
        text
    }

    /// Takes TLS in front of `server`.
    async fn before(&self, server: &Server) -> SocketAddr {
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![self.der.clone()],
                PrivateKeyDer::from(self.key.clone_key()),
            )
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let behind = server.url().replace("ws://", "");
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, behind) = (acceptor.clone(), behind.clone());
                tokio::spawn(async move {
                    let Ok(mut outside) = acceptor.accept(stream).await else {
                        return;
                    };
                    let mut inside = TcpStream::connect(behind).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut outside, &mut inside).await;
                });
            }
        });
        address
    }
}

/// Whole output of a command over `command`'s connection.
async fn run(server: &Server, mut command: Command) {
    let mut child = command
        .arg("--foreground")
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // More than a record, and than what TLS holds back at a time.
    let much = spec("head -c 3000000 /dev/zero; echo end");
    let mut connection = server.start_command(much).await;
    assert_eq!(connection.authorization, Some(format!("Bearer {TOKEN}")));
    let whole = connection.finish(Whole::default()).await;
    assert_eq!(whole.exit, Some(Exit::Exited { code: 0 }));
    assert_eq!(whole.stdout.len(), 3_000_004);
    assert!(child.wait().unwrap().success());
}

/// What the wrapper says of a server that it does not trust; nothing of it has reached the server by then.
async fn refused(server: &Server, mut command: Command) -> String {
    let mut child = command
        .arg("--foreground")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(child.stderr.take().unwrap());
    let line = tokio::task::spawn_blocking(|| {
        let lines = said.lines().map(Result::unwrap);
        lines
            .into_iter()
            .find(|line| line.contains("not connected"))
    });
    let line = within("the refusal", line).await.unwrap().unwrap();
    assert!(!server.somebody_knocks().await);
    child.kill().unwrap();
    child.wait().unwrap();
    line
}

#[tokio::test]
async fn the_pinned_certificate_is_enough_whatever_its_name() {
    let server = Server::start().await;
    let certificate = Certificate::of("elsewhere.invalid");
    let address = certificate.before(&server).await;
    let mut command = wrapper(&server, &unique("pinned"));
    command
        .env(var::URL, format!("wss://{address}"))
        .env(var::TLS_PIN, certificate.pin().to_uppercase());
    run(&server, command).await;
}

#[tokio::test]
async fn any_other_certificate_is_refused_before_a_word_is_said() {
    let server = Server::start().await;
    let address = Certificate::of("elsewhere.invalid").before(&server).await;
    let mut command = wrapper(&server, &unique("stranger"));
    command
        .env(var::URL, format!("wss://{address}"))
        .env(var::TLS_PIN, Certificate::of("elsewhere.invalid").pin());
    let said = refused(&server, command).await;
    assert!(said.contains("no TLS with 127.0.0.1"), "{said}");
    assert!(
        said.contains("is not the one that SP_TLS_PIN names"),
        "{said}"
    );
}

#[tokio::test]
async fn without_a_pin_the_machines_authorities_vouch_for_the_host() {
    let server = Server::start().await;
    let certificate = Certificate::of("localhost");
    let address = certificate.before(&server).await;
    let authorities = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(authorities.path(), &certificate.pem).unwrap();
    let launch = |host: &str, authorities: &std::path::Path| {
        let mut command = wrapper(&server, &unique("vouched"));
        command
            .env(var::URL, format!("wss://{host}:{}", address.port()))
            .env("SSL_CERT_FILE", authorities);
        command
    };
    run(&server, launch("localhost", authorities.path())).await;
    // Another host's certificate, and one of nobody known.
    let said = refused(&server, launch("127.0.0.1", authorities.path())).await;
    assert!(said.contains("not valid for name"), "{said}");
    std::fs::write(authorities.path(), Certificate::of("localhost").pem).unwrap();
    let said = refused(&server, launch("localhost", authorities.path())).await;
    assert!(said.contains("invalid peer certificate"), "{said}");
    std::fs::write(authorities.path(), "").unwrap();
    let said = refused(&server, launch("localhost", authorities.path())).await;
    assert!(said.contains("no certificate authorities"), "{said}");
}
