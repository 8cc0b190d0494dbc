//! TLS on the ports: which certificates they have, and who may come in without.

mod files;
mod gate;
mod machines;
mod own;

pub use files::CertificateFiles;
pub use gate::{Entered, Gate, Transport};
pub use machines::MachinesTls;

use std::fmt::Display;
use std::path::PathBuf;

/// Why a port has no certificate: a sentence for the operator.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file cannot be read or made.
    #[error("cannot use {what} {path}: {problem}", path = .path.display())]
    File {
        /// What the file is: the setting that names it.
        what: &'static str,
        /// Where it is.
        path: PathBuf,
        /// What is wrong with it, and perhaps what to do.
        problem: String,
    },
    /// One of two settings that need each other is missing.
    #[error("{there} needs {absent} beside it; set both or neither")]
    Half {
        /// The setting that is there.
        there: &'static str,
        /// The one that is not.
        absent: &'static str,
    },
    /// A certificate cannot be made.
    #[error("cannot make a certificate for the machines' port: {0}")]
    Make(#[from] rcgen::Error),
    /// The certificate and its key do not fit, or TLS cannot use them.
    #[error("TLS cannot use {what}: {source}")]
    Unusable {
        /// The certificate and key.
        what: String,
        /// What TLS said.
        source: rustls::Error,
    },
}

impl TlsError {
    fn file(what: &'static str, path: impl Into<PathBuf>, problem: &dyn Display) -> Self {
        Self::File {
            what,
            path: path.into(),
            problem: problem.to_string(),
        }
    }
}

#[cfg(test)]
mod tests;
