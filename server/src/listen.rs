//! Listeners, and what every connection inherits from them.

use anyhow::{Context as _, Result};
use std::io;
use std::net::SocketAddr;
use tokio::net::{TcpListener, TcpSocket};

/// Bytes that the kernel takes of what is sent before the other side has; it doubles them for its own needs. Left to
/// itself it takes several megabytes for each browser that does not read, and all of it has to be made first.
const SEND_BUFFER: u32 = 256 * 1024;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

/// Listens on `addr` for `what`, whose port `flag` sets.
pub(crate) fn listen(addr: SocketAddr, what: &str, flag: &str) -> Result<TcpListener> {
    bind(addr).with_context(|| {
        format!("cannot listen on {addr} for {what}; choose another port with {flag}")
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
