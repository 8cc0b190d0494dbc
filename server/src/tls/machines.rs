//! The machines' port: a certificate that the server makes itself, and beside it perhaps one of the operator's.

use super::TlsError;
use super::files::{CertificateFiles, Given};
use super::gate::{Gate, config, provider};
use super::own::Own;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use saltpeter_domain::Plaintext;
use saltpeter_protocol::machine::PINNED_NAME;
use std::path::Path;
use std::sync::Arc;

/// Where the server keeps the certificate that it made, within its data directory.
const OWN_FILE: &str = "machines.pem";

/// What protects the machines' port. Clones share it.
#[derive(Clone)]
pub struct MachinesTls {
    gate: Gate,
    pin: Arc<str>,
    vouched: bool,
    plaintext: Plaintext,
}

impl MachinesTls {
    /// Takes the server's own certificate from `data_dir`, where it is made if need be, and the operator's from `files`.
    pub fn load(
        data_dir: &Path,
        files: Option<CertificateFiles>,
        plaintext: Plaintext,
    ) -> Result<Self, TlsError> {
        let provider = provider();
        let own = Own::load_or_create(&data_dir.join(OWN_FILE), &provider)?;
        let vouched = files.is_some();
        let certificates = Certificates {
            own: own.key,
            given: files
                .map(|files| Given::load(files, Arc::clone(&provider)))
                .transpose()?,
        };
        let mut config = config(provider, Arc::new(certificates))?;
        // A wrapper connects once, and what is kept for the next time is kept in vain.
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(Self {
            gate: Gate::tls(config, plaintext),
            pin: own.pin.into(),
            vouched,
            plaintext,
        })
    }

    /// How connections are let in.
    pub fn gate(&self) -> &Gate {
        &self.gate
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
}

/// The server's certificates: to a wrapper that has pinned it the one that the server made, to others the operator's where
/// there is one. So a wrapper with a pin comes back whatever the operator does with certificates meanwhile.
#[derive(Debug)]
struct Certificates {
    own: Arc<CertifiedKey>,
    given: Option<Given>,
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(match &self.given {
            Some(given) if hello.server_name() != Some(PINNED_NAME) => given.current(),
            _ => Arc::clone(&self.own),
        })
    }
}
