//! The certificate that the server makes itself, once. Wrappers know it by its digest.

use super::TlsError;
use crate::private_file;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use saltpeter_protocol::machine::PINNED_NAME;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

const WHAT: &str = "the certificate of the machines' port,";

/// A certificate with its key, and its digest.
pub(super) struct Own {
    pub(super) key: Arc<CertifiedKey>,
    /// SHA-256 of the certificate in DER form, in lower-case hexadecimal digits.
    pub(super) pin: String,
}

impl Own {
    /// Reads certificate and key from `path`; makes them, for their owner alone to read, when there are none.
    pub(super) fn load_or_create(path: &Path, provider: &CryptoProvider) -> Result<Self, TlsError> {
        let failed = |e: io::Error| {
            TlsError::file(
                WHAT,
                path,
                &format!("{e}. Check that its directory exists and belongs to this server's user"),
            )
        };
        let pem = match fs::metadata(path) {
            Ok(found) if private_file::is_exposed(&found) => {
                let problem = format!(
                    "it can be read by other users. Whoever has it can pose as this server: run `chmod 600 {}`, or move it away to get a new one; runs under way then lose contact",
                    path.display()
                );
                return Err(TlsError::file(WHAT, path, &problem));
            }
            Ok(_) => fs::read(path).map_err(failed)?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let pem = make()?;
                private_file::write(path, &pem).map_err(failed)?;
                pem
            }
            Err(e) => return Err(failed(e)),
        };
        let bad = |e: &dyn std::fmt::Display| {
            TlsError::file(
                WHAT,
                path,
                &format!("{e}. Move it away to get a new one; runs under way then lose contact"),
            )
        };
        let certificate = CertificateDer::from_pem_slice(&pem).map_err(|e| bad(&e))?;
        let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|e| bad(&e))?;
        let pin = digest(&certificate);
        let key = CertifiedKey::from_der(vec![certificate], key, provider).map_err(|e| bad(&e))?;
        Ok(Self {
            key: Arc::new(key),
            pin,
        })
    }
}

/// A certificate and its key in PEM form. It is good for centuries, since nobody looks at its dates.
fn make() -> Result<Vec<u8>, rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(vec![PINNED_NAME.to_owned()])?;
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "Saltpeter, machines' port");
    let certificate = params.self_signed(&key)?;
    Ok(format!("{}{}", certificate.pem(), key.serialize_pem()).into_bytes())
}

fn digest(certificate: &CertificateDer<'_>) -> String {
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(certificate) {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::crypto::ring::default_provider;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn it_is_made_once_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("machines.pem");
        let first = Own::load_or_create(&path, &default_provider()).unwrap();
        let again = Own::load_or_create(&path, &default_provider()).unwrap();
        assert_eq!(first.pin, again.pin);
        assert_eq!(first.pin.len(), 64);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let other = dir.path().join("other.pem");
        let other = Own::load_or_create(&other, &default_provider()).unwrap();
        assert_ne!(first.pin, other.pin);
    }

    #[test]
    fn one_that_is_exposed_or_damaged_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("machines.pem");
        let error = |path: &Path| {
            let error = Own::load_or_create(path, &default_provider())
                .err()
                .unwrap();
            error.to_string()
        };
        fs::write(&path, "nonsense").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(error(&path).contains("chmod 600"), "{}", error(&path));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(error(&path).contains("Move it away"), "{}", error(&path));
        let missing = dir.path().join("no/machines.pem");
        assert!(
            error(&missing).contains("no/machines.pem"),
            "{}",
            error(&missing)
        );
    }
}
