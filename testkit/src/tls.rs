//! TLS for services of tests.

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

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
