//! Listeners, and what every connection inherits from them.

use anyhow::{Error, Result};
use std::io;
use std::net::SocketAddr;
use tokio::net::{TcpListener, TcpSocket};

/// Bytes that the kernel takes of what is sent before the other side has; it doubles them for its own needs. Left to
/// itself it takes several megabytes for each browser that does not read, and all of it has to be made first.
const SEND_BUFFER: u32 = 256 * 1024;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

/// The flags that say where something listens.
pub(crate) struct Flags {
    /// The one that sets the port.
    pub(crate) port: &'static str,
    /// The one that sets the address.
    pub(crate) address: &'static str,
}

/// Listens on `addr` for `what`, which `flags` set.
pub(crate) fn listen(addr: SocketAddr, what: &str, flags: &Flags) -> Result<TcpListener> {
    bind(addr).map_err(|error| {
        let remedy = match error.kind() {
            io::ErrorKind::AddrNotAvailable => {
                format!(
                    "this host has no such address: name one of its own with {}",
                    flags.address
                )
            }
            _ => format!("choose another port with {}", flags.port),
        };
        Error::new(error).context(format!("cannot listen on {addr} for {what}; {remedy}"))
    })
}

fn bind(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = match addr {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // A restart need not wait for the connections of the server before it to be forgotten.
    socket.set_reuseaddr(true)?;
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_wrong_with_an_address_names_the_flag_that_sets_it() {
        let flags = Flags {
            port: "--port",
            address: "--bindaddr",
        };
        let refused = |addr: SocketAddr| {
            let error = listen(addr, "the dashboard", &flags).unwrap_err();
            format!("{error:#}")
        };
        // An address for documentation (RFC 5737), which no host has.
        let message = refused("192.0.2.1:0".parse().unwrap());
        assert!(
            message.contains("this host has no such address") && message.contains("--bindaddr"),
            "{message}"
        );
        let taken = listen("127.0.0.1:0".parse().unwrap(), "something", &flags).unwrap();
        let message = refused(taken.local_addr().unwrap());
        assert!(message.contains("another port with --port"), "{message}");
    }
}
