//! A cluster that takes documents, as Elasticsearch and `OpenSearch` do, and is strict about it: whatever the rules of the
//! `_bulk` interface do not allow is refused and remembered as a fault.

mod http;
mod rules;

use crate::PATIENCE;
use crate::tls::Authority;
use anyhow::{Context, Result, bail};
use http::Request;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

/// The largest request that is taken at first, in bytes.
const LARGEST: usize = 10 * 1024 * 1024;

/// A document as it arrived.
#[derive(Debug, Clone, PartialEq)]
pub struct Sent {
    /// Its index.
    pub index: String,
    /// Its identifier.
    pub id: String,
    /// Its version.
    pub version: i64,
    /// Its fields.
    pub fields: Value,
}

impl Sent {
    /// A field that is a text.
    pub fn text(&self, field: &str) -> &str {
        self.fields[field].as_str().unwrap_or_default()
    }
}

/// Decides about a document: `None` takes it, else the status and the error's type.
type Judge = dyn Fn(&Sent) -> Option<(u16, &'static str)> + Send;

/// The cluster. It ends when dropped.
pub struct BulkServer {
    shared: Arc<Shared>,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    ca: Option<String>,
    task: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    /// Counts requests that were answered.
    answered: watch::Sender<u64>,
}

struct State {
    faults: Vec<String>,
    arrived: Vec<Sent>,
    stored: BTreeMap<(String, String), Sent>,
    templates: BTreeMap<String, Value>,
    authorization: Option<String>,
    /// Answers every request with this status.
    status: Option<u16>,
    delay: Duration,
    judge: Option<Box<Judge>>,
    largest: usize,
}

impl BulkServer {
    /// A cluster without TLS.
    pub async fn start() -> Result<Self> {
        Self::start_with(None, None).await
    }

    /// A cluster with a certificate of an authority of its own.
    pub async fn start_tls() -> Result<Self> {
        let Authority { acceptor, ca } = Authority::new()?;
        Self::start_with(Some(acceptor), Some(ca)).await
    }

    async fn start_with(tls: Option<TlsAcceptor>, ca: Option<String>) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let mut server = Self {
            shared: Arc::new(Shared {
                state: Mutex::new(State {
                    faults: Vec::new(),
                    arrived: Vec::new(),
                    stored: BTreeMap::new(),
                    templates: BTreeMap::new(),
                    authorization: None,
                    status: None,
                    delay: Duration::ZERO,
                    judge: None,
                    largest: LARGEST,
                }),
                answered: watch::Sender::new(0),
            }),
            address: listener.local_addr()?,
            tls,
            ca,
            task: None,
        };
        server.listen(listener);
        Ok(server)
    }

    fn listen(&mut self, listener: TcpListener) {
        let (shared, tls) = (Arc::clone(&self.shared), self.tls.clone());
        self.task = Some(tokio::spawn(async move {
            // Dropped with this task, and every connection with it.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (shared, tls) = (Arc::clone(&shared), tls.clone());
                // A connection that breaks off is the client's affair.
                connections.spawn(async move { shared.serve(stream, tls).await.ok() });
            }
        }));
    }

    /// Its address, with `user` (such as `name:password@`) in it.
    pub fn url(&self, user: &str) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{user}{}", self.address)
    }

    /// The certificate of its authority in PEM form.
    pub fn ca(&self) -> Result<&str> {
        self.ca.as_deref().context("it has no TLS")
    }

    /// As by SIGKILL: no connection is left and nobody listens. What it had stored stays.
    pub fn die(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }

    /// Is there again, at the same address.
    pub async fn rise(&mut self) -> Result<()> {
        self.die();
        let bound = tokio::time::timeout(PATIENCE, async {
            loop {
                // The task that listened before may not have ended yet.
                match TcpListener::bind(self.address).await {
                    Ok(listener) => break listener,
                    Err(_) => tokio::task::yield_now().await,
                }
            }
        });
        let listener = bound.await.context("the port is not free again")?;
        self.listen(listener);
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.lock()
    }

    /// Refuses whoever does not send this `Authorization` header.
    pub fn demand(&self, authorization: &str) {
        self.state().authorization = Some(authorization.to_owned());
    }

    /// Answers every request with this status; `None`: as it should.
    pub fn fail_with(&self, status: Option<u16>) {
        self.state().status = status;
    }

    /// Takes this long for each request.
    pub fn delay(&self, delay: Duration) {
        self.state().delay = delay;
    }

    /// Takes no larger requests than this, in bytes.
    pub fn limit(&self, bytes: usize) {
        self.state().largest = bytes;
    }

    /// Decides about each document: `None` takes it, else the status and the error's type.
    pub fn judge(&self, judge: impl Fn(&Sent) -> Option<(u16, &'static str)> + Send + 'static) {
        self.state().judge = Some(Box::new(judge));
    }

    /// Takes every document.
    pub fn judge_no_more(&self) {
        self.state().judge = None;
    }

    /// What was sent against the rules.
    pub fn faults(&self) -> Vec<String> {
        self.state().faults.clone()
    }

    /// Every document that it took, in the order of arrival, each time it came.
    pub fn arrived(&self) -> Vec<Sent> {
        self.state().arrived.clone()
    }

    /// What is stored: the last version of each document.
    pub fn stored(&self) -> Vec<Sent> {
        self.state().stored.values().cloned().collect()
    }

    /// An index template, if there is one.
    pub fn template(&self, name: &str) -> Option<Value> {
        self.state().templates.get(name).cloned()
    }

    /// Puts an index template there.
    pub fn put_template(&self, name: &str, template: Value) {
        self.state().templates.insert(name.to_owned(), template);
    }

    /// How many requests it has answered.
    pub fn answered(&self) -> u64 {
        *self.shared.answered.borrow()
    }

    /// Waits until `wanted` holds, which is asked after each answer.
    pub async fn until(&self, what: &str, wanted: impl Fn(&Self) -> bool) -> Result<()> {
        let mut answered = self.shared.answered.subscribe();
        let reached = async {
            loop {
                answered.borrow_and_update();
                if wanted(self) {
                    return Ok(());
                }
                answered.changed().await?;
            }
        };
        match tokio::time::timeout(PATIENCE, reached).await {
            Ok(reached) => reached,
            Err(_) => bail!("waited in vain: {what}; faults: {:?}", self.faults()),
        }
    }
}

impl Drop for BulkServer {
    fn drop(&mut self) {
        self.die();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn serve(&self, stream: TcpStream, tls: Option<TlsAcceptor>) -> Result<()> {
        match tls {
            Some(tls) => {
                http::serve(tls.accept(stream).await?, |request| self.answer(request)).await
            }
            None => http::serve(stream, |request| self.answer(request)).await,
        }
    }

    async fn answer(&self, request: Request) -> (u16, String) {
        let delay = self.lock().delay;
        tokio::time::sleep(delay).await;
        let answer = self.lock().answer(&request);
        self.answered.send_modify(|answered| *answered += 1);
        answer
    }
}

impl State {
    fn answer(&mut self, request: &Request) -> (u16, String) {
        if let Some(status) = self.status {
            return (status, "trouble".to_owned());
        }
        if self.authorization.is_some()
            && request.header("authorization") != self.authorization.as_deref()
        {
            return (401, json!({ "error": "who are you?" }).to_string());
        }
        let path = request.path.split('?').next().unwrap_or_default();
        if let Some(name) = path.strip_prefix("/_index_template/") {
            return self.answer_template(request, name);
        }
        if (request.method.as_str(), path) != ("POST", "/_bulk") {
            self.faults
                .push(format!("{} {path} is not known", request.method));
            return (404, String::new());
        }
        if request.body.len() > self.largest {
            return (413, String::new());
        }
        match rules::read(request) {
            Ok(documents) => {
                let items: Vec<Value> = documents.into_iter().map(|d| self.take(d)).collect();
                (200, json!({ "items": items }).to_string())
            }
            Err(fault) => {
                self.faults.push(fault.to_string());
                (400, json!({ "error": fault.to_string() }).to_string())
            }
        }
    }

    fn answer_template(&mut self, request: &Request, name: &str) -> (u16, String) {
        match request.method.as_str() {
            "GET" if self.templates.contains_key(name) => (200, "{}".to_owned()),
            "GET" => (404, "{}".to_owned()),
            _ => {
                let template = serde_json::from_slice(&request.body).unwrap_or_default();
                self.templates.insert(name.to_owned(), template);
                (200, "{}".to_owned())
            }
        }
    }

    fn take(&mut self, document: Sent) -> Value {
        if let Some((status, kind)) = self.judge.as_ref().and_then(|judge| judge(&document)) {
            return json!({ "index": { "status": status, "error": { "type": kind, "reason": "judged" } } });
        }
        self.arrived.push(document.clone());
        let place = (document.index.clone(), document.id.clone());
        let newer = self
            .stored
            .get(&place)
            .is_some_and(|known| known.version > document.version);
        if newer {
            let error = json!({ "type": "version_conflict_engine_exception", "reason": "newer" });
            return json!({ "index": { "status": 409, "error": error } });
        }
        let status = if self.stored.insert(place, document).is_some() {
            200
        } else {
            201
        };
        json!({ "index": { "status": status } })
    }
}
