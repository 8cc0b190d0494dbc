//! A front of an HTTP service, as a proxy is one: it passes everything on, with TLS of an authority of its own where
//! that is wanted, and notes when each request came and when its answer began.

use crate::tls::Authority;
use anyhow::Result;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

/// A front. It ends when dropped, and every connection with it.
#[derive(Debug)]
pub struct Front {
    address: SocketAddr,
    /// PEM of the authority that signed its certificate.
    ca: Option<String>,
    exchanges: Arc<Mutex<Vec<Exchange>>>,
    task: JoinHandle<()>,
}

/// A request and its answer.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// The request as it was sent, head and body.
    pub request: String,
    /// When its first bytes came.
    pub asked: Instant,
    /// When the first bytes of its answer came.
    pub answered: Option<Instant>,
}

impl Front {
    /// A front of the service at `address`, without TLS.
    pub async fn of(address: SocketAddr) -> Result<Self> {
        Self::start(address, None).await
    }

    /// One that speaks TLS, with a certificate of an authority of its own.
    pub async fn with_tls(address: SocketAddr) -> Result<Self> {
        Self::start(address, Some(Authority::new()?)).await
    }

    async fn start(service: SocketAddr, authority: Option<Authority>) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let exchanges = Arc::new(Mutex::new(Vec::new()));
        let (tls, ca) = match authority {
            Some(Authority { acceptor, ca }) => (Some(acceptor), Some(ca)),
            None => (None, None),
        };
        let notes = Notes(Arc::clone(&exchanges));
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                // A connection that breaks off is its two ends' affair.
                connections.spawn(serve(client, service, tls.clone(), notes.clone()));
            }
        });
        Ok(Self {
            address,
            ca,
            exchanges,
            task,
        })
    }

    /// Its address, without a slash at the end.
    pub fn url(&self) -> String {
        let scheme = if self.ca.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// The authority that signed its certificate, as PEM.
    pub fn ca(&self) -> Option<&str> {
        self.ca.as_deref()
    }

    /// What was asked so far, in order.
    pub fn exchanges(&self) -> Vec<Exchange> {
        lock(&self.exchanges).clone()
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Where requests and answers are noted.
#[derive(Debug, Clone)]
struct Notes(Arc<Mutex<Vec<Exchange>>>);

impl Notes {
    /// Something of a request has come; `exchange` is the connection's latest.
    fn asked(&self, exchange: &mut Option<usize>, bytes: &[u8]) {
        let mut all = lock(&self.0);
        let text = String::from_utf8_lossy(bytes);
        let goes_on = exchange
            .and_then(|exchange| all.get_mut(exchange))
            .filter(|exchange| exchange.answered.is_none());
        if let Some(exchange) = goes_on {
            exchange.request.push_str(&text);
            return;
        }
        *exchange = Some(all.len());
        all.push(Exchange {
            request: text.into_owned(),
            asked: Instant::now(),
            answered: None,
        });
    }

    /// Something of an answer has come.
    fn answered(&self, exchange: Option<usize>) {
        let mut all = lock(&self.0);
        if let Some(exchange) = exchange.and_then(|exchange| all.get_mut(exchange)) {
            exchange.answered.get_or_insert_with(Instant::now);
        }
    }
}

fn lock(exchanges: &Mutex<Vec<Exchange>>) -> MutexGuard<'_, Vec<Exchange>> {
    exchanges.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(
    client: TcpStream,
    service: SocketAddr,
    tls: Option<TlsAcceptor>,
    notes: Notes,
) -> Result<()> {
    let service = TcpStream::connect(service).await?;
    match tls {
        Some(tls) => pass(tls.accept(client).await?, service, notes).await,
        None => pass(client, service, notes).await,
    }
}

/// Passes bytes on in both directions until one end closes.
async fn pass(
    mut client: impl AsyncRead + AsyncWrite + Unpin,
    mut service: TcpStream,
    notes: Notes,
) -> Result<()> {
    let mut exchange = None;
    let (mut request, mut answer) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    loop {
        tokio::select! {
            read = client.read(&mut request) => match read? {
                0 => return Ok(()),
                length => {
                    notes.asked(&mut exchange, &request[..length]);
                    service.write_all(&request[..length]).await?;
                }
            },
            read = service.read(&mut answer) => match read? {
                0 => return Ok(()),
                length => {
                    notes.answered(exchange);
                    client.write_all(&answer[..length]).await?;
                    client.flush().await?;
                }
            },
        }
    }
}
