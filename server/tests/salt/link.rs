//! A network between wrappers and a server that a test can cut.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Passes on what comes to another address of this host at the server's port. Ends when dropped.
pub(crate) struct Link {
    cuts: watch::Sender<usize>,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

/// The address that wrappers are given instead of the server's own, which is 127.0.0.1.
pub(crate) const DETOUR: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

impl Link {
    /// A link to `server`.
    pub(crate) async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((DETOUR, server.port())).await.unwrap();
        let (cuts, cut) = watch::channel(0);
        let connections = Arc::new(AtomicUsize::new(0));
        let count = connections.clone();
        let task = tokio::spawn(async move {
            loop {
                let (wrapper, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::Relaxed);
                let mut cut = cut.clone();
                cut.mark_unchanged();
                tokio::spawn(async move {
                    tokio::select! {
                        () = pass(wrapper, server) => {}
                        _ = cut.changed() => {}
                    }
                });
            }
        });
        Self {
            cuts,
            connections,
            task,
        }
    }

    /// Ends every connection where it stands.
    pub(crate) fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(mut wrapper: TcpStream, server: SocketAddr) {
    let mut onward = match TcpStream::connect(server).await {
        Ok(onward) => onward,
        // The server is away: so is the link.
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => return,
        Err(error) => panic!("{error}"),
    };
    // Either side may go at any time.
    let _ = tokio::io::copy_bidirectional(&mut wrapper, &mut onward).await;
}
