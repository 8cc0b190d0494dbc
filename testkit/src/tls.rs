//! TLS for services and clients of tests.

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, CertifiedKey, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Writes a new certificate for `host`, vouched for by itself, and its key to `cert.pem` and `key.pem` in `dir`.
pub fn renew_certificate(dir: &Path, host: &str) -> Result<CertificateDer<'static>> {
    let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed([host.to_owned()])?;
    // As tools for certificates do it: each file is there whole.
    for (name, pem) in [
        ("key.pem", signing_key.serialize_pem()),
        ("cert.pem", cert.pem()),
    ] {
        fs::write(dir.join("new"), pem)?;
        fs::rename(dir.join("new"), dir.join(name))?;
    }
    Ok(cert.der().clone())
}

/// A client that trusts `root` and nobody else.
pub fn client_trusting(root: &CertificateDer<'static>) -> Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// An authority that nobody knows yet, and a service on 127.0.0.1 with a certificate of it.
pub(crate) struct Authority {
    /// Takes the service's connections.
    pub(crate) acceptor: TlsAcceptor,
    /// The authority's own certificate as PEM.
    pub(crate) ca: String,
}

impl Authority {
    pub(crate) fn new() -> Result<Self> {
        let ca_key = KeyPair::generate()?;
        let mut ca = CertificateParams::new(Vec::new())?;
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = ca.self_signed(&ca_key)?.pem();
        let key = KeyPair::generate()?;
        let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()])?;
        let certificate = leaf.signed_by(&key, &Issuer::new(ca, ca_key))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der())),
            )?;
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            ca: pem,
        })
    }
}
