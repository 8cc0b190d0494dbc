//! Who comes in: one port for those who speak TLS and, where that is allowed, for those who do not.

use super::TlsError;
use super::files::{CertificateFiles, Given};
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::default_provider;
use rustls::server::ResolvesServerCert;
use saltpeter_domain::Plaintext;
use std::io;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// The first byte of every TLS connection: a handshake record. No HTTP request begins with it.
const HANDSHAKE: u8 = 0x16;

/// How a port lets connections in. Clones share it.
#[derive(Clone)]
pub struct Gate {
    /// `None`: everything goes through as it comes.
    tls: Option<Tls>,
}

#[derive(Clone)]
struct Tls {
    acceptor: TlsAcceptor,
    plaintext: Plaintext,
}

/// What a request came over. An extension of every request on every port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Anybody on the way can read and change it.
    Plain,
    /// Nobody can.
    Tls,
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

impl Gate {
    /// For a port without TLS.
    pub fn open() -> Self {
        Self { tls: None }
    }

    /// For the API's port: over TLS where there is a certificate, and then not without.
    pub fn of_api(files: Option<CertificateFiles>) -> Result<Self, TlsError> {
        let Some(files) = files else {
            return Ok(Self::open());
        };
        let provider = provider();
        let given = Given::load(files, Arc::clone(&provider))?;
        let mut config = config(provider, Arc::new(given))?;
        // HTTP/2 is not spoken here, and browsers do not offer it without asking.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self::tls(config, Plaintext::Refuse))
    }

    pub(super) fn tls(config: ServerConfig, plaintext: Plaintext) -> Self {
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Self {
            tls: Some(Tls {
                acceptor,
                plaintext,
            }),
        }
    }

    /// Whether it speaks TLS.
    pub fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Looks how the client begins, and goes through the handshake. Waits for the client as long as it takes.
    pub async fn enter(&self, stream: TcpStream) -> io::Result<Entered> {
        let Some(tls) = &self.tls else {
            return Ok(Entered::Plain(stream));
        };
        let mut first = [0];
        if stream.peek(&mut first).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if first == [HANDSHAKE] {
            let stream = tls.acceptor.accept(stream).await?;
            return Ok(Entered::Tls(Box::new(stream)));
        }
        Ok(match tls.plaintext {
            Plaintext::Allow => Entered::Plain(stream),
            Plaintext::Refuse => Entered::Refused(stream),
        })
    }
}

pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(default_provider())
}

/// What both ports have in common.
pub(super) fn config(
    provider: Arc<CryptoProvider>,
    certificates: Arc<dyn ResolvesServerCert>,
) -> Result<ServerConfig, TlsError> {
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|source| TlsError::Unusable {
            what: "its own algorithms".to_owned(),
            source,
        })?;
    Ok(config
        .with_no_client_auth()
        .with_cert_resolver(certificates))
}
