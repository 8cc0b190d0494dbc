//! A certificate of the operator's, in files that may be renewed while it is in use.

use super::TlsError;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::fmt::Display;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The largest of these files that is read, in bytes.
const MAX_PEM: u64 = 1024 * 1024;

/// A file and the setting that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Named {
    setting: &'static str,
    path: PathBuf,
}

/// Files with a certificate that an authority has given to this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// PEM: the host's certificate, and after it those that lead to the authority's.
    certificate: Named,
    /// PEM: the private key.
    key: Named,
}

impl CertificateFiles {
    /// The files that two settings name, each given with its name. `None` when neither does.
    pub fn named(
        certificate: (&'static str, Option<&str>),
        key: (&'static str, Option<&str>),
    ) -> Result<Option<Self>, TlsError> {
        let named = |setting, path: &str| Named {
            setting,
            path: path.into(),
        };
        match (certificate.1, key.1) {
            (Some(certificate_path), Some(key_path)) => Ok(Some(Self {
                certificate: named(certificate.0, certificate_path),
                key: named(key.0, key_path),
            })),
            (None, None) => Ok(None),
            (Some(_), None) => Err(TlsError::Half {
                there: certificate.0,
                absent: key.0,
            }),
            (None, Some(_)) => Err(TlsError::Half {
                there: key.0,
                absent: certificate.0,
            }),
        }
    }

    fn versions(&self) -> [Version; 2] {
        [
            Version::of(&self.certificate.path),
            Version::of(&self.key.path),
        ]
    }

    fn read(&self, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, TlsError> {
        let pem = self.certificate.read()?;
        let chain = CertificateDer::pem_slice_iter(&pem)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|e| self.certificate.bad(&e))?;
        if chain.is_empty() {
            return Err(self.certificate.bad(&"it holds no certificate in PEM form"));
        }
        let secret = PrivateKeyDer::from_pem_slice(&self.key.read()?).map_err(|e| {
            self.key
                .bad(&format!("{e}; it must hold a private key in PEM form"))
        })?;
        let unusable = |source| TlsError::Unusable {
            what: format!(
                "{} with {}",
                self.certificate.path.display(),
                self.key.path.display()
            ),
            source,
        };
        CertifiedKey::from_der(chain, secret, provider)
            .map(Arc::new)
            .map_err(unusable)
    }
}

impl Named {
    fn bad(&self, problem: &dyn Display) -> TlsError {
        TlsError::file(self.setting, &self.path, problem)
    }

    fn read(&self) -> Result<Vec<u8>, TlsError> {
        let found = fs::metadata(&self.path).map_err(|e| self.bad(&e))?;
        if found.len() > MAX_PEM {
            return Err(self.bad(&format!("it is larger than {MAX_PEM} bytes")));
        }
        fs::read(&self.path).map_err(|e| self.bad(&e))
    }
}

/// The operator's certificate. The files are looked at whenever somebody connects, so that a renewed one is shown from
/// then on; of files that do not do, the last good ones stay.
#[derive(Debug)]
pub(super) struct Given {
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
    pub(super) fn load(
        files: CertificateFiles,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, TlsError> {
        let tried = files.versions();
        let key = files.read(&provider)?;
        Ok(Self {
            files,
            provider,
            last: Mutex::new(Last { key, tried }),
        })
    }

    /// The certificate as the files have it now. Reads them only when they have changed.
    pub(super) fn current(&self) -> Arc<CertifiedKey> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let versions = self.files.versions();
        if versions != last.tried {
            last.tried = versions;
            match self.files.read(&self.provider) {
                Ok(key) => {
                    last.key = key;
                    tracing::info!(
                        "the new certificate of {} is in use",
                        self.files.certificate.setting
                    );
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

impl ResolvesServerCert for Given {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }
}
