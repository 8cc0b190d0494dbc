//! The link between wrappers and the server, which can be cut, slowed down and left half open.

use anyhow::Result;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How long a half-open connection stays so at most.
const HALF_OPEN: Duration = Duration::from_mins(1);

/// What becomes of what passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Weather {
    /// How late it is.
    pub delay: Duration,
    /// Nothing passes.
    pub stalled: bool,
    /// New connections end at once.
    pub refuses: bool,
}

/// A proxy in front of a server. It ends with the value.
#[derive(Debug)]
pub struct Proxy {
    /// Where wrappers connect.
    pub port: u16,
    shared: Arc<Shared>,
    stop: CancellationToken,
}

#[derive(Debug)]
struct Shared {
    server: SocketAddr,
    weather: watch::Sender<Weather>,
    links: Mutex<Vec<Link>>,
    accepted: AtomicU64,
    stop: CancellationToken,
}

#[derive(Debug, Clone, Default)]
struct Link {
    cut: CancellationToken,
    half_open: CancellationToken,
}

impl Proxy {
    /// A proxy to the server at `port` of this host, which need not be up.
    pub async fn start(port: u16) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let own = listener.local_addr()?.port();
        let stop = CancellationToken::new();
        let shared = Arc::new(Shared {
            server: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            weather: watch::Sender::new(Weather::default()),
            links: Mutex::default(),
            accepted: AtomicU64::new(0),
            stop: stop.clone(),
        });
        tokio::spawn(Arc::clone(&shared).accept(listener));
        Ok(Self {
            port: own,
            shared,
            stop,
        })
    }

    /// Changes what becomes of what passes.
    pub fn set(&self, change: impl FnOnce(&mut Weather)) {
        self.shared.weather.send_modify(change);
    }

    /// Ends every `of`th connection. Says how many.
    pub fn cut(&self, of: u64) -> usize {
        self.pick(of, |link| link.cut.cancel())
    }

    /// Ends the server's side of every `of`th connection, and leaves the wrapper's open in silence. Says how many.
    pub fn half_open(&self, of: u64) -> usize {
        self.pick(of, |link| link.half_open.cancel())
    }

    /// Connections that were taken in so far.
    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::Relaxed)
    }

    fn pick(&self, of: u64, act: impl Fn(&Link)) -> usize {
        let mut links = self.shared.links();
        links.retain(|link| !link.cut.is_cancelled());
        let picked = links.iter().step_by(of.max(1) as usize);
        picked.map(act).count()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Shared {
    fn links(&self) -> MutexGuard<'_, Vec<Link>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn accept(self: Arc<Self>, listener: TcpListener) {
        loop {
            let wrapper = tokio::select! {
                () = self.stop.cancelled() => return,
                accepted = listener.accept() => match accepted {
                    Ok((wrapper, _)) => wrapper,
                    Err(_) => continue,
                },
            };
            if self.weather.borrow().refuses {
                continue;
            }
            self.accepted.fetch_add(1, Ordering::Relaxed);
            let link = Link::default();
            {
                let mut links = self.links();
                links.retain(|link| !link.cut.is_cancelled());
                links.push(link.clone());
            }
            let shared = Arc::clone(&self);
            tokio::spawn(async move {
                let stop = shared.stop.clone();
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = link.cut.cancelled() => {}
                    () = shared.carry(wrapper, &link) => {}
                }
                link.cut.cancel();
            });
        }
    }

    /// Carries bytes both ways until one side ends.
    async fn carry(&self, mut wrapper: TcpStream, link: &Link) {
        let Ok(mut server) = TcpStream::connect(self.server).await else {
            return;
        };
        let (_, _) = (wrapper.set_nodelay(true), server.set_nodelay(true));
        {
            let (from_wrapper, to_wrapper) = wrapper.split();
            let (from_server, to_server) = server.split();
            tokio::select! {
                () = self.pump(from_wrapper, to_server) => return,
                () = self.pump(from_server, to_wrapper) => return,
                () = link.half_open.cancelled() => {}
            }
        }
        drop(server);
        tokio::time::sleep(HALF_OPEN).await;
    }

    async fn pump(&self, mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
        let mut weather = self.weather.subscribe();
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let Ok(count @ 1..) = from.read(&mut buffer).await else {
                return;
            };
            let delay = weather.borrow_and_update().delay;
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            if weather.wait_for(|weather| !weather.stalled).await.is_err()
                || to.write_all(&buffer[..count]).await.is_err()
            {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::timeout;

    async fn pair() -> (Proxy, TcpStream, TcpStream) {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let proxy = Proxy::start(server.local_addr().unwrap().port())
            .await
            .unwrap();
        let wrapper = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port))
            .await
            .unwrap();
        let (server, _) = server.accept().await.unwrap();
        (proxy, wrapper, server)
    }

    const SHORT: Duration = Duration::from_millis(200);
    const LONG: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn what_is_stalled_passes_later_and_what_is_cut_ends_on_both_sides() {
        let (proxy, mut wrapper, mut server) = pair().await;
        let mut four = [0; 4];
        wrapper.write_all(b"ping").await.unwrap();
        timeout(LONG, server.read_exact(&mut four))
            .await
            .unwrap()
            .unwrap();
        proxy.set(|weather| weather.stalled = true);
        server.write_all(b"pong").await.unwrap();
        assert!(timeout(SHORT, wrapper.read_exact(&mut four)).await.is_err());
        proxy.set(|weather| weather.stalled = false);
        timeout(LONG, wrapper.read_exact(&mut four))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(&four, b"pong");
        assert_eq!(proxy.cut(1), 1);
        for side in [&mut wrapper, &mut server] {
            let end = timeout(LONG, side.read(&mut four)).await.unwrap();
            assert!(matches!(end, Ok(0) | Err(_)));
        }
    }

    #[tokio::test]
    async fn a_half_open_link_ends_for_the_server_only() {
        let (proxy, mut wrapper, mut server) = pair().await;
        assert_eq!(proxy.half_open(1), 1);
        let mut four = [0; 4];
        let end = timeout(LONG, server.read(&mut four)).await.unwrap();
        assert!(matches!(end, Ok(0) | Err(_)));
        wrapper.write_all(b"hear").await.unwrap();
        assert!(timeout(SHORT, wrapper.read(&mut four)).await.is_err());
    }
}
