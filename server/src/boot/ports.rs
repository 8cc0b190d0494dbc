//! Where the ports listen and how connections are let in, before anybody has been.

use crate::people::{Auth, People};
use crate::tls::{CertificateFiles, Gate, MachinesTls, Transport};
use anyhow::Result;
use saltpeter_domain::{Secret, Settings};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

/// How the API's port and the machines' port let connections in.
pub(super) fn gates(settings: &Settings, data_dir: &Path) -> Result<(Gate, MachinesTls)> {
    let api = CertificateFiles::named(
        ("tls_cert", settings.tls_cert.as_deref()),
        ("tls_key", settings.tls_key.as_deref()),
    )?;
    let machines = CertificateFiles::named(
        ("machines_tls_cert", settings.machines_tls_cert.as_deref()),
        ("machines_tls_key", settings.machines_tls_key.as_deref()),
    )?;
    let plaintext = settings.machines_ws_plaintext;
    Ok((
        Gate::of_api(api)?,
        MachinesTls::load(data_dir, machines, plaintext)?,
    ))
}

/// Where the dashboard and the API listen: on loopback alone for as long as nobody has an account. The jobs run all the same.
pub(super) async fn api_address(people: &People, settings: &Settings) -> Result<SocketAddr> {
    let wanted = SocketAddr::new(settings.api_ws_bind_addr, settings.api_ws_port);
    if people.auth() == Auth::InsecureNone {
        tracing::warn!(
            "nobody needs to log in (--insecure-no-auth): whoever reaches {wanted} may run and kill jobs"
        );
        return Ok(wanted);
    }
    if wanted.ip().is_loopback() || people.has_users().await? {
        return Ok(wanted);
    }
    let loopback = match wanted.ip() {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
    };
    let instead = SocketAddr::new(loopback, wanted.port());
    tracing::error!(
        "nobody has an account, so the dashboard and the API listen on {instead} and not on {wanted}: make an admin, by the link or with `saltpeter user add NAME --role admin`, and restart. --insecure-no-auth lets in everybody instead"
    );
    Ok(instead)
}

/// The link that makes the first admin, when there is none.
pub(super) async fn first_link(
    people: &People,
    addr: SocketAddr,
    over: Transport,
) -> Result<Option<Secret>> {
    let Some(code) = people.first_admin_code().await? else {
        return Ok(None);
    };
    tracing::info!(
        "nobody has an account yet; the dashboard listens on {addr} alone until an admin has been made"
    );
    let scheme = match over {
        Transport::Plain => "http",
        Transport::Tls => "https",
    };
    let link = format!("{scheme}://{addr}/welcome?code={}", code.expose());
    Ok(Some(Secret::new(link)))
}

/// What whoever starts the server is told of the link.
pub fn about_first_link(link: &str) -> String {
    format!(
        "Nobody has an account yet. This link makes the first admin; it is good once, and for half an hour:\n\n  {link}\n\n\
         Or run `saltpeter user add NAME --role admin`, with the same --configdir or --data-dir."
    )
}
