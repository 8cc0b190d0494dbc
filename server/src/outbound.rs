//! Calls to other servers over HTTP: the one place where a client is made, so that TLS is the same everywhere.

use anyhow::{Context as _, Result};
use reqwest::{Certificate, Client, ClientBuilder};
use std::path::Path;
use std::time::Duration;

/// How long a connection may take to be made.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

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
