//! Which certificate the machines' port shows to whom.

use super::TlsError;
use super::own::Own;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use saltpeter_protocol::machine::PINNED_NAME;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Files with a certificate that an authority has given to this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// PEM: the host's certificate, and after it those that lead to the authority's.
    pub certificate: PathBuf,
    /// PEM: the private key.
    pub key: PathBuf,
}

/// The server's certificates: to a wrapper that has pinned it the one that the server made, to others the operator's where
/// there is one. So a wrapper with a pin comes back whatever the operator does with certificates meanwhile.
#[derive(Debug)]
pub(super) struct Certificates {
    own: Arc<CertifiedKey>,
    given: Option<Given>,
}

impl Certificates {
    pub(super) fn new(
        own: &Own,
        files: Option<CertificateFiles>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, TlsError> {
        Ok(Self {
            own: Arc::clone(&own.key),
            given: files
                .map(|files| Given::load(files, provider))
                .transpose()?,
        })
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(match &self.given {
            Some(given) if hello.server_name() != Some(PINNED_NAME) => given.current(),
            _ => Arc::clone(&self.own),
        })
    }
}

/// The operator's certificate. The files are looked at whenever a wrapper connects, so that a renewed one is shown from
/// then on; of files that do not do, the last good ones stay.
#[derive(Debug)]
struct Given {
    files: CertificateFiles,
    provider: Arc<CryptoProvider>,
    last: Mutex<Last>,
}

#[derive(Debug)]
struct Last {
    key: Arc<CertifiedKey>,
    /// The files that were tried last, whether they did or not.
    tried: [Version; 2],
}

/// By which a changed file is known, also one that took another's place: device and inode, length and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version(Option<(u64, u64, u64, i64, i64)>);

impl Version {
    fn of(path: &Path) -> Self {
        Self(fs::metadata(path).ok().map(|found| {
            (
                found.dev(),
                found.ino(),
                found.len(),
                found.mtime(),
                found.mtime_nsec(),
            )
        }))
    }
}

impl Given {
    fn load(files: CertificateFiles, provider: Arc<CryptoProvider>) -> Result<Self, TlsError> {
        let tried = files.versions();
        let key = files.read(&provider)?;
        Ok(Self {
            files,
            provider,
            last: Mutex::new(Last { key, tried }),
        })
    }

    fn current(&self) -> Arc<CertifiedKey> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let versions = self.files.versions();
        if versions != last.tried {
            last.tried = versions;
            match self.files.read(&self.provider) {
                Ok(key) => {
                    last.key = key;
                    tracing::info!("the machines' port has a new certificate");
                }
                Err(error) => {
                    tracing::error!(
                        "{error}. The last good certificate is used until that is mended"
                    );
                }
            }
        }
        Arc::clone(&last.key)
    }
}

impl CertificateFiles {
    fn versions(&self) -> [Version; 2] {
        [Version::of(&self.certificate), Version::of(&self.key)]
    }

    fn read(&self, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, TlsError> {
        let (certificate, key) = ("machines_tls_cert", "machines_tls_key");
        let read = |what, path: &Path| {
            fs::read(path).map_err(|e: io::Error| TlsError::file(what, path, e))
        };
        let pem = read(certificate, &self.certificate)?;
        let chain = CertificateDer::pem_slice_iter(&pem)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|e| TlsError::file(certificate, &self.certificate, e))?;
        if chain.is_empty() {
            let problem = "it holds no certificate in PEM form";
            return Err(TlsError::file(certificate, &self.certificate, problem));
        }
        let pem = read(key, &self.key)?;
        let secret = PrivateKeyDer::from_pem_slice(&pem).map_err(|e| {
            TlsError::file(
                key,
                &self.key,
                format!("{e}; it must hold a private key in PEM form"),
            )
        })?;
        let unusable = |source| TlsError::Unusable {
            what: format!("{} with {}", self.certificate.display(), self.key.display()),
            source,
        };
        CertifiedKey::from_der(chain, secret, provider)
            .map(Arc::new)
            .map_err(unusable)
    }
}
