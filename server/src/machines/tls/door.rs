//! Who comes in: one port for wrappers that speak TLS and, where that is allowed, for those that do not.

use super::TlsError;
use super::certificates::{CertificateFiles, Certificates};
use super::own::Own;
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use saltpeter_domain::Plaintext;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// The first byte of every TLS connection: a handshake record. No HTTP request begins with it.
const HANDSHAKE: u8 = 0x16;

/// What protects the machines' port. Clones share it.
#[derive(Clone)]
pub struct PortSecurity {
    acceptor: TlsAcceptor,
    pin: Arc<str>,
    vouched: bool,
    plaintext: Plaintext,
    /// Whether the log has been told of a wrapper that was refused.
    told: Arc<AtomicBool>,
}

/// A connection that was let in, or not.
pub enum Entered {
    /// Over TLS.
    Tls(Box<TlsStream<TcpStream>>),
    /// In plain text, which is allowed.
    Plain(TcpStream),
    /// In plain text, which is not: to be told so.
    Refused(TcpStream),
}

impl PortSecurity {
    /// Takes the server's own certificate from `data_dir`, where it is made if need be, and the operator's from `files`.
    pub fn load(
        data_dir: &Path,
        files: Option<CertificateFiles>,
        plaintext: Plaintext,
    ) -> Result<Self, TlsError> {
        let provider = Arc::new(default_provider());
        let own = Own::load_or_create(&data_dir.join("machines.pem"), &provider)?;
        let vouched = files.is_some();
        let certificates = Certificates::new(&own, files, Arc::clone(&provider))?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|source| TlsError::Unusable {
                what: "its own algorithms".to_owned(),
                source,
            })?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(certificates));
        // A wrapper connects once, and what is kept for the next time is kept in vain.
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            pin: own.pin.into(),
            vouched,
            plaintext,
            told: Arc::default(),
        })
    }

    /// SHA-256 of the certificate that the server made, in hexadecimal digits.
    pub fn pin(&self) -> &str {
        &self.pin
    }

    /// Whether an authority vouches for this server, so that machines need no pin.
    pub fn is_vouched(&self) -> bool {
        self.vouched
    }

    /// Whether wrappers may come without TLS.
    pub fn plaintext(&self) -> Plaintext {
        self.plaintext
    }

    /// Looks how the client begins, and goes through the handshake. Waits for the client as long as it takes.
    pub async fn enter(&self, stream: TcpStream) -> io::Result<Entered> {
        let mut first = [0];
        if stream.peek(&mut first).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if first == [HANDSHAKE] {
            let stream = self.acceptor.accept(stream).await?;
            return Ok(Entered::Tls(Box::new(stream)));
        }
        if self.plaintext == Plaintext::Allow {
            return Ok(Entered::Plain(stream));
        }
        if !self.told.swap(true, Ordering::Relaxed) {
            let peer = stream
                .peer_addr()
                .map_or_else(|_| "somebody".to_owned(), |a| a.ip().to_string());
            tracing::warn!(
                "{peer} came to the machines' port without TLS and was refused, as others will be without a further line. Wrappers of the earlier implementation need machines_ws_plaintext: allow"
            );
        }
        Ok(Entered::Refused(stream))
    }
}
