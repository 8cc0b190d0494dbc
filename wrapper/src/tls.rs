//! TLS towards the server: either its one certificate, known by its digest, or one that the machine's authorities vouch for.

use crate::settings::{Endpoint, Security};
use ::ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use saltpeter_protocol::machine::PINNED_NAME;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, PeerIncompatible, RootCertStore,
    SignatureScheme,
};

/// A connection, whatever it goes through.
pub(crate) trait Wire: AsyncRead + AsyncWrite {}
impl<T: AsyncRead + AsyncWrite> Wire for T {}

/// See [`Wire`].
pub(crate) type BoxedWire = std::pin::Pin<Box<dyn Wire>>;

/// Said of a server that is not the one that launched this wrapper.
const NOT_PINNED: &str = "its certificate is not the one that SP_TLS_PIN names; something else answers there, or the server has a new data directory";

/// SHA-256 of a certificate in DER form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pin([u8; SHA256_OUTPUT_LEN]);

impl Pin {
    /// Reads 64 hexadecimal digits.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != SHA256_OUTPUT_LEN || !rest.is_empty() {
            return None;
        }
        let digit = |c: u8| char::from(c).to_digit(16);
        let mut bytes = [0; SHA256_OUTPUT_LEN];
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()?;
        }
        Some(Self(bytes))
    }

    fn fits(self, certificate: &CertificateDer<'_>) -> bool {
        digest(&SHA256, certificate).as_ref() == self.0
    }
}

/// Makes `stream` as safe as `endpoint` asks. The error is a sentence for the operator.
pub(crate) async fn secure(endpoint: &Endpoint, stream: TcpStream) -> Result<BoxedWire, String> {
    let Endpoint { host, port, .. } = endpoint;
    let (config, name) = match &endpoint.security {
        Security::Plain => return Ok(Box::pin(stream)),
        // The name asks for the certificate that the pin is of, whatever the host is called.
        Security::Pinned(pin) => (
            pinned(*pin),
            ServerName::try_from(PINNED_NAME).map_err(|e| e.to_string())?,
        ),
        Security::Authorities => (
            vouched()?,
            ServerName::try_from(host.clone())
                .map_err(|_| format!("{host} is no name that a certificate could have"))?,
        ),
    };
    let config = config.map_err(|e| format!("TLS cannot be set up: {e}"))?;
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .map(|stream| Box::pin(stream) as BoxedWire)
        .map_err(|e| {
            let pinned = matches!(endpoint.security, Security::Pinned(_));
            if pinned && is_of_certificate(&e) {
                format!("no TLS with {host}:{port}: {NOT_PINNED}")
            } else {
                format!("no TLS with {host}:{port}: {e}")
            }
        })
}

/// Whether the other side's certificate was refused, or what shows that it has the key of it.
fn is_of_certificate(error: &std::io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    matches!(inner, Some(Error::InvalidCertificate(_)))
}

fn pinned(pin: Pin) -> Result<ClientConfig, Error> {
    let provider = Arc::new(ring::default_provider());
    let verifier = OneCertificate {
        pin,
        provider: Arc::clone(&provider),
    };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// The authorities are read anew each time: it takes milliseconds, happens seldom, and they may have changed.
fn vouched() -> Result<Result<ClientConfig, Error>, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why = found.errors.first().map(ToString::to_string);
        return Err(format!(
            "this machine knows no certificate authorities ({}); install ca-certificates, or name a file of them in SSL_CERT_FILE",
            why.unwrap_or_else(|| "none were found".to_owned())
        ));
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13]);
    Ok(builder.map(|builder| {
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.resumption = Resumption::disabled();
        config
    }))
}

/// Accepts one certificate and no other. Names and dates say nothing that its digest does not.
#[derive(Debug)]
struct OneCertificate {
    pin: Pin,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for OneCertificate {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.pin.fits(end_entity) {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        // Never offered.
        Err(PeerIncompatible::ServerDoesNotSupportTls12Or13.into())
    }

    /// That the other side has the certificate's key: anybody could show the certificate.
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
