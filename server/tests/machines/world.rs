//! A server's machine side in this process, and clients that talk to it.

use futures::{SinkExt as _, StreamExt as _};
use saltpeter_domain::RunSpec;
use saltpeter_domain::run::{LogEntry, Resolution};
use saltpeter_protocol::api::RunDetail;
use saltpeter_protocol::machine::SUBPROTOCOL_V2;
use saltpeter_protocol::machine::v2::{FromServer, FromWrapper, Progress, WrapperId};
use saltpeter_protocol::{
    JobName, MachineId, MachineOutcome, MachineState, RunCause, RunId, UnixMillis,
};
use saltpeter_server::admission::{Admission, ConnectionLimits};
use saltpeter_server::clock::TestClock;
use saltpeter_server::machines::{Hub, Limits, RunKey};
use saltpeter_server::runs::{
    Dispatch, Dispatched, LaunchOrder, ResolveOrder, RunHandle, Runs, StartRun,
};
use saltpeter_server::serve::{Port, serve};
use saltpeter_server::store::Store;
use saltpeter_server::store::faults::Faults;
use saltpeter_server::store::health::Health;
use saltpeter_server::store::output::{OutputLog, Part};
use saltpeter_server::view::run_detail;
use saltpeter_server::ws::machines::router;
use saltpeter_testkit::run_spec;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use tokio_util::sync::CancellationToken;

/// How long anything may take before the test has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// 2025-11-04T10:00:00Z, so that the first run is `backup_1762250400`.
const BEGIN: UnixMillis = UnixMillis(1_762_250_400_000);

/// Waits for something that must happen.
pub(crate) async fn soon<T>(what: &str, happens: impl Future<Output = T>) -> T {
    let Ok(value) = tokio::time::timeout(PATIENCE, happens).await else {
        panic!("waited in vain for {what}");
    };
    value
}

pub(crate) fn machine(name: &str) -> MachineId {
    MachineId::new(name).unwrap()
}

/// Every run matches these machines; nothing is launched, since the test itself is the wrapper.
struct Fixed(Vec<MachineId>);

impl Dispatch for Fixed {
    fn resolve(&self, _: ResolveOrder, reply: RunHandle) {
        let machines = self.0.clone();
        tokio::spawn(async move {
            let resolution = Resolution {
                machines,
                ..Resolution::default()
            };
            reply.report(Dispatched::Resolved(resolution)).await;
        });
    }

    fn launch(&self, _: LaunchOrder, _: RunHandle) {}

    fn log(&self, _: LogEntry) {}
}

/// The server.
pub(crate) struct World {
    dir: TempDir,
    limits: Limits,
    up: Up,
}

/// What ends with the process.
struct Up {
    runs: Runs,
    log: OutputLog,
    faults: Faults,
    key: RunKey,
    hub: Hub,
    clock: Arc<TestClock>,
    admission: Admission,
    address: SocketAddr,
    closing: CancellationToken,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Limits::default()).await
    }

    pub(crate) async fn with(limits: Limits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let up = Up::start(&dir, limits.clone()).await;
        Self { dir, limits, up }
    }

    /// Ends the server and starts it again on the same files.
    pub(crate) async fn restart(&mut self) {
        self.up.closing.cancel();
        self.up.runs.close().await;
        self.up.log.close().await;
        self.up = Up::start(&self.dir, self.limits.clone()).await;
        self.up.runs.recover().await.unwrap();
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.up.address
    }

    pub(crate) fn hub(&self) -> &Hub {
        &self.up.hub
    }

    /// Lets the server's clock run ahead.
    pub(crate) fn pass(&self, time: Duration) {
        self.up.clock.step(time);
    }

    /// Where the server keeps everything.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn admission(&self) -> &Admission {
        &self.up.admission
    }

    /// Makes the output log's disk fail.
    pub(crate) fn faults(&self) -> &Faults {
        &self.up.faults
    }

    pub(crate) fn log(&self) -> &OutputLog {
        &self.up.log
    }

    pub(crate) fn token(&self, run: &RunId) -> String {
        self.up.key.token(run).expose().to_owned()
    }

    /// The count of that name.
    pub(crate) fn count(&self, name: &str) -> u64 {
        let all = self.up.hub.counters().all();
        all.into_iter().find(|(n, _)| *n == name).unwrap().1
    }

    /// Begins a run on web1 and web2.
    pub(crate) async fn start_run(&self) -> RunId {
        self.start_changed(|_| {}).await
    }

    /// The same, of a job that `change` has set up.
    pub(crate) async fn start_changed(&self, change: impl FnOnce(&mut RunSpec)) -> RunId {
        let mut spec = spec();
        change(&mut spec);
        let start = StartRun {
            job: JobName::new("backup").unwrap(),
            spec: Arc::new(spec),
            cause: RunCause::Manual {
                by: "test".to_owned(),
            },
            only: None,
            reconnect_grace: Duration::from_mins(10),
        };
        let run = self.up.runs.start(start).await.unwrap();
        let id = run.clone();
        self.until("the machines to be asked for", &run, |detail| {
            detail.machines.len() == 2
        })
        .await;
        id
    }

    async fn detail(&self, run: &RunId) -> RunDetail {
        let stored = self.up.runs.stored(run).await.unwrap().unwrap();
        run_detail(&stored, &BTreeMap::new(), None)
    }

    pub(crate) async fn until(&self, what: &str, run: &RunId, is_so: impl Fn(&RunDetail) -> bool) {
        let mut changes = self.up.runs.subscribe();
        soon(what, async {
            while !is_so(&self.detail(run).await) {
                changes.recv().await.unwrap();
            }
        })
        .await;
    }

    /// The outcome of web1, waited for.
    pub(crate) async fn outcome(&self, run: &RunId) -> MachineOutcome {
        let web1 = |detail: &RunDetail| {
            let row = detail
                .machines
                .iter()
                .find(|row| row.machine == machine("web1"));
            match &row.unwrap().state {
                MachineState::Ended { outcome, .. } => Some(outcome.clone()),
                _ => None,
            }
        };
        self.until("web1's end", run, |detail| web1(detail).is_some())
            .await;
        web1(&self.detail(run).await).unwrap()
    }

    /// Asks for the end of the run.
    pub(crate) async fn kill(&self, run: &RunId) {
        self.up
            .runs
            .kill(run, None, "test".to_owned())
            .await
            .unwrap();
    }

    /// All durable output of a machine.
    pub(crate) async fn output(&self, run: &RunId, name: &str) -> Vec<u8> {
        self.output_of(run, (&machine(name)).into()).await
    }

    /// All durable output of an attempt of a machine.
    pub(crate) async fn output_of(&self, run: &RunId, part: Part<'_>) -> Vec<u8> {
        let mut reader = self.up.log.reader(run, part, 0).await.unwrap();
        let mut all = Vec::new();
        while let Some(bytes) = reader.next().await.unwrap() {
            all.extend_from_slice(&bytes);
        }
        all
    }

    /// Connects as version 1, to the address that the launch gave.
    pub(crate) async fn connect_v1(&self, token: Option<&str>) -> Client {
        let query = token.map(|token| format!("?token={token}"));
        let url = format!("ws://{}/{}", self.up.address, query.unwrap_or_default());
        Client::connect(url.into_client_request().unwrap()).await
    }

    /// Connects as version 2.
    pub(crate) async fn connect_v2(&self, token: Option<&str>) -> Client {
        let url = format!("ws://{}/any/path", self.up.address);
        let mut request = url.into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert(
            "Sec-WebSocket-Protocol",
            HeaderValue::from_static(SUBPROTOCOL_V2),
        );
        if let Some(token) = token {
            let bearer = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
            headers.insert("Authorization", bearer);
        }
        Client::connect(request).await
    }

    /// Connects as version 2 and says hello for web1; returns the answer.
    pub(crate) async fn hello(
        &self,
        run: &RunId,
        wrapper: u64,
        progress: Progress,
    ) -> (Client, FromServer) {
        let mut client = self.connect_v2(Some(&self.token(run))).await;
        client.say(&hello(run, "web1", wrapper, progress)).await;
        let answer = client.hear().await;
        (client, answer)
    }
}

impl Up {
    async fn start(dir: &TempDir, limits: Limits) -> Self {
        let store = Store::open(&dir.path().join("saltpeter.db")).await.unwrap();
        let faults = Faults::default();
        let path = dir.path().join("output.db");
        let log = OutputLog::open_with(&path, Health::default(), faults.clone());
        let log = log.await.unwrap();
        let key = RunKey::load_or_create(&dir.path().join("run.key")).unwrap();
        let clock = Arc::new(TestClock::starting_at(BEGIN));
        let dispatch = Arc::new(Fixed(vec![machine("web1"), machine("web2")]));
        let runs = Runs::new(Arc::new(store), dispatch, clock.clone());
        let closing = CancellationToken::new();
        let admission = Admission::new(ConnectionLimits {
            head_within: limits.hello_within,
            ..ConnectionLimits::machines()
        });
        let hub = Hub::new(
            runs.clone(),
            log.clone(),
            key.clone(),
            clock.clone(),
            limits,
            closing.clone(),
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = router(hub.clone());
        tokio::spawn(serve(
            Port::open(listener, admission.clone(), routes),
            closing.clone(),
        ));
        Self {
            runs,
            log,
            faults,
            key,
            hub,
            clock,
            admission,
            address,
            closing,
        }
    }
}

fn spec() -> RunSpec {
    RunSpec {
        command: "echo hello".to_owned(),
        ..run_spec()
    }
}

pub(crate) fn hello(run: &RunId, name: &str, wrapper: u64, progress: Progress) -> FromWrapper {
    FromWrapper::Hello {
        job: JobName::new("backup").unwrap(),
        run: run.clone(),
        machine: machine(name),
        wrapper: WrapperId(wrapper),
        version: "0.1.0".to_owned(),
        progress,
        features: Vec::new(),
    }
}

/// A wrapper's end of a connection.
pub(crate) struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

/// What a client hears.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Text(String),
    Closed,
}

impl Client {
    async fn connect(request: tokio_tungstenite::tungstenite::http::Request<()>) -> Self {
        let connected = soon("a connection", tokio_tungstenite::connect_async(request)).await;
        Self {
            socket: connected.unwrap().0,
        }
    }

    pub(crate) async fn say<T: serde::Serialize>(&mut self, message: &T) {
        self.say_text(serde_json::to_string(message).unwrap()).await;
    }

    pub(crate) async fn say_text(&mut self, text: String) {
        self.send(Message::Text(text.into())).await;
    }

    pub(crate) async fn say_bytes(&mut self, bytes: Vec<u8>) {
        self.send(Message::Binary(bytes.into())).await;
    }

    async fn send(&mut self, message: Message) {
        // A server that has closed already is noticed at the next reading.
        let _ = soon("a message to leave", self.socket.send(message)).await;
    }

    pub(crate) async fn next(&mut self) -> Heard {
        loop {
            match soon("a message", self.socket.next()).await {
                Some(Ok(Message::Text(text))) => return Heard::Text(text.to_string()),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Heard::Closed,
                Some(Ok(other)) => panic!("unexpected {other:?}"),
            }
        }
    }

    /// The next message of version 2.
    pub(crate) async fn hear(&mut self) -> FromServer {
        match self.next().await {
            Heard::Text(text) => serde_json::from_str(&text).unwrap(),
            Heard::Closed => panic!("the server has closed the connection"),
        }
    }

    /// Hears acks until one covers `end`.
    pub(crate) async fn hear_durable(&mut self, end: u64) {
        loop {
            match self.hear().await {
                FromServer::Ack { durable } if durable >= end => return,
                FromServer::Ack { .. } => {}
                other => panic!("expected an ack, got {other:?}"),
            }
        }
    }

    /// Hears what is said until the connection closes.
    pub(crate) async fn until_closed(&mut self) -> Vec<String> {
        let mut all = Vec::new();
        while let Heard::Text(text) = self.next().await {
            all.push(text);
        }
        all
    }
}
