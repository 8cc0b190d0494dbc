//! Calls to other servers over HTTP: the one place where a client is made, so that TLS is the same everywhere.

use anyhow::{Context as _, Result};
use reqwest::{Certificate, Client, ClientBuilder, Response};
use std::path::Path;
use std::time::Duration;

/// How long a connection may take to be made.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// Why an answer was not read to its end.
#[derive(Debug)]
pub enum Unread {
    /// It is longer than the caller wants to hold.
    TooLong,
    /// The connection broke.
    Broken(reqwest::Error),
}

/// Reads an answer to its end, of at most `most` bytes: whoever is asked may not be who we think, and may send without end.
pub async fn body(response: &mut Response, most: usize) -> Result<Vec<u8>, Unread> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(Unread::Broken)? {
        if body.len() + chunk.len() > most {
            return Err(Unread::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// A client that trusts the host's authorities and those in the PEM file `ca`. It follows no redirects: whoever sends
/// credentials should know where to. The caller sets a deadline for each request.
pub fn client(ca: Option<&Path>) -> Result<Client> {
    // An error means that there is a provider already, which is what is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = ClientBuilder::new()
        .connect_timeout(CONNECT_LIMIT)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("saltpeter/", env!("CARGO_PKG_VERSION")));
    if let Some(path) = ca {
        let shown = path.display();
        let pem = std::fs::read(path)
            .with_context(|| format!("cannot read the certificate authority {shown}"))?;
        let certificates = Certificate::from_pem_bundle(&pem)
            .with_context(|| format!("{shown} holds no certificates in PEM form"))?;
        builder = certificates
            .into_iter()
            .fold(builder, ClientBuilder::add_root_certificate);
    }
    builder.build().context("cannot set up TLS")
}
