//! A server of its own for each test, in directories of its own.

use crate::http::{self, Response};
use futures::{SinkExt as _, StreamExt as _};
use saltpeter_protocol::api::{JobRow, RunDetail, RunStarted};
use saltpeter_protocol::live::{ClientMessage, Event, OutputPush, ServerMessage};
use saltpeter_protocol::{Attempt, MachineId, MachineOutcome, RunId, UnixMillis};
use saltpeter_server::boot::{Options, Running, boot};
use saltpeter_server::clock::{Clock as _, SystemClock, TestClock};
use saltpeter_server::people::Auth;
use saltpeter_server::settings::Flags;
use saltpeter_server::store::faults::Faults;
use saltpeter_server::ws::live::Patience;
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderName;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// How long anything may take that a test waits for.
const DEADLINE: Duration = Duration::from_secs(30);

/// The beginning of every configuration: three machines, and the wrapper of this build.
fn settings() -> String {
    format!(
        "saltpeter_config:\n  executor: local\n  timezone: UTC\n  default_wrapper_path: {}\n  default_wrapper_loglevel: 'off'\n  local_machines:\n    web1: {{role: web}}\n    web2: {{role: web}}\n    db1: {{role: db}}\n",
        wrapper().display()
    )
}

/// The wrapper, built if it is not there.
fn wrapper() -> PathBuf {
    let exe = std::env::current_exe().unwrap();
    // target/debug/deps/api-… → target/debug/saltpeter-wrapper
    let path = exe.ancestors().nth(2).unwrap().join("saltpeter-wrapper");
    if !path.is_file() {
        let built = std::process::Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--package", "saltpeter-wrapper"])
            .status();
        assert!(built.unwrap().success(), "the wrapper cannot be built");
    }
    path
}

/// A server, and its directories. Every `~` in what it is given stands for letters of its own: wrappers of
/// several tests share this host and with it their locks, so no two tests may have a job of one name.
pub(crate) struct World {
    dir: TempDir,
    own: String,
    machines_port: u16,
    clock: Arc<TestClock>,
    /// Makes the disk fail.
    pub(crate) faults: Faults,
    /// How long browsers may take, from the next start on.
    pub(crate) patience: Patience,
    /// Whether people have to log in, from the next start on.
    pub(crate) auth: Auth,
    /// Where the dashboard is to listen, from the next start on.
    pub(crate) api_addr: IpAddr,
    running: Option<Running>,
}

impl World {
    /// A server with these files, to which nobody needs to log in.
    pub(crate) async fn new(files: &[(&str, &str)]) -> Self {
        let mut world = Self::prepare(files);
        world.start().await;
        world
    }

    /// One to which people need to log in, and to which nobody can yet.
    pub(crate) async fn guarded(files: &[(&str, &str)]) -> Self {
        let mut world = Self::prepare(files);
        world.auth = Auth::Required;
        world.start().await;
        world
    }

    fn prepare(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("config")).unwrap();
        // Wrappers must find the server again after a restart, so its port is chosen beforehand.
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let clock = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis();
        let world = Self {
            own: format!("-{:x}-{clock:x}-{count}", std::process::id()),
            machines_port: free.local_addr().unwrap().port(),
            dir,
            clock: Arc::new(TestClock::starting_at(SystemClock.now())),
            faults: Faults::default(),
            patience: Patience::default(),
            auth: Auth::InsecureNone,
            api_addr: IpAddr::V4(Ipv4Addr::LOCALHOST),
            running: None,
        };
        drop(free);
        world.write("settings.yaml", &settings());
        for (name, text) in files {
            world.write(name, text);
        }
        world
    }

    pub(crate) async fn start(&mut self) {
        let localhost = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let options = Options {
            config_dir: self.dir.path().join("config"),
            flags: Flags {
                data_dir: Some(self.dir.path().join("data")),
                logdir: Some(self.dir.path().join("log")),
                api_port: Some(0),
                api_addr: Some(self.api_addr),
                machines_port: Some(self.machines_port),
                machines_addr: localhost,
                ..Flags::default()
            },
            auth: self.auth,
            faults: self.faults.clone(),
            open_files: None,
            patience: self.patience,
        };
        self.running = Some(boot(options, Arc::clone(&self.clock) as _).await.unwrap());
    }

    pub(crate) async fn stop(&mut self) {
        let running = self.running.take().unwrap();
        running.lifecycle().stop();
        within(running.wait()).await.unwrap();
    }

    /// Lets the server's clock run ahead.
    pub(crate) fn pass(&self, time: Duration) {
        self.clock.step(time);
    }

    pub(crate) fn now(&self) -> UnixMillis {
        self.clock.now()
    }

    /// `text` with this world's letters in it.
    pub(crate) fn own(&self, text: &str) -> String {
        text.replace('~', &self.own)
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Writes a configuration file as editors do: whole, under its name.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let config = self.dir.path().join("config");
        std::fs::write(config.join(".new"), self.own(text)).unwrap();
        std::fs::rename(config.join(".new"), config.join(name)).unwrap();
    }

    /// Deletes a configuration file.
    pub(crate) fn remove(&self, name: &str) {
        std::fs::remove_file(self.dir.path().join("config").join(name)).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.dir.path().join("config").join(name)).unwrap()
    }

    /// The address that makes the first admin.
    pub(crate) fn first_link(&self) -> Option<String> {
        let link = self.running.as_ref().unwrap().first_link();
        link.map(str::to_owned)
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.running.as_ref().unwrap().api_addr().unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.request("GET", path, &[], "").await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Response {
        self.request("POST", path, &[], body).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Response {
        self.request("PUT", path, &[], &body.to_string()).await
    }

    pub(crate) async fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Response {
        let (path, body) = (self.own(path), self.own(body));
        http::request(self.addr(), method, &path, headers, body.as_bytes()).await
    }

    /// Run now.
    pub(crate) async fn run(&self, job: &str) -> RunId {
        let answer = self.post(&format!("/api/v1/jobs/{job}/run"), "").await;
        assert_eq!(answer.status, 201, "{answer:?}");
        serde_json::from_slice::<RunStarted>(&answer.body)
            .unwrap()
            .run
    }

    pub(crate) async fn detail(&self, run: &RunId) -> RunDetail {
        let answer = self.get(&format!("/api/v1/runs/{run}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        serde_json::from_slice(&answer.body).unwrap()
    }

    /// Waits until the run is over and every browser is shown that.
    pub(crate) async fn ended(&self, run: &RunId) -> RunDetail {
        let shows_end = |row: &JobRow| row.recent.iter().any(|bar| bar.run == *run);
        let mut socket = self.socket().await;
        socket
            .until(|message| match message {
                ServerMessage::Snapshot { overview, .. } => overview.jobs.iter().any(shows_end),
                ServerMessage::Event {
                    event: Event::Job { job },
                    ..
                } => shows_end(job),
                _ => false,
            })
            .await;
        self.detail(run).await
    }

    /// Runs a job, waits for its end and gives the machines' outcomes.
    pub(crate) async fn outcome(&self, run: &RunId) -> Vec<(String, MachineOutcome)> {
        let detail = self.ended(run).await;
        detail
            .machines
            .into_iter()
            .map(|row| {
                (
                    row.machine.to_string(),
                    row.state.outcome().unwrap().clone(),
                )
            })
            .collect()
    }

    /// All of a machine's output.
    pub(crate) async fn output(&self, run: &RunId, machine: &str) -> String {
        let answer = self
            .get(&format!("/api/v1/runs/{run}/machines/{machine}/output/raw"))
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
        String::from_utf8(answer.body).unwrap()
    }

    pub(crate) async fn socket(&self) -> Socket {
        self.try_socket().await.unwrap()
    }

    /// A browser's socket, unless the server turns it away.
    pub(crate) async fn try_socket(&self) -> Result<Socket, Error> {
        self.socket_with(&[]).await
    }

    /// The same with headers of one's own.
    pub(crate) async fn socket_with(&self, headers: &[(&str, &str)]) -> Result<Socket, Error> {
        let url = format!("ws://{}/ws/live", self.addr());
        let mut request = url.into_client_request()?;
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        let (stream, _) = within(Box::pin(tokio_tungstenite::connect_async(request))).await?;
        Ok(Socket { stream })
    }
}

/// A browser's socket.
pub(crate) struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

/// What comes over a socket.
#[derive(Debug)]
pub(crate) enum Heard {
    State(Box<ServerMessage>),
    Output(OutputPush),
}

impl Socket {
    pub(crate) async fn say(&mut self, message: &ClientMessage) {
        self.say_text(&serde_json::to_string(message).unwrap())
            .await;
    }

    pub(crate) async fn say_text(&mut self, text: &str) {
        self.stream.send(Message::text(text)).await.unwrap();
    }

    pub(crate) async fn next(&mut self) -> Heard {
        // The whole of it within the deadline: pings keep coming when nothing else does.
        let heard = async {
            loop {
                match self.stream.next().await.unwrap().unwrap() {
                    Message::Text(text) => {
                        return Heard::State(serde_json::from_str(&text).unwrap());
                    }
                    Message::Binary(data) => {
                        return Heard::Output(OutputPush::decode(&data).unwrap());
                    }
                    _ => {}
                }
            }
        };
        within(heard).await
    }

    pub(crate) async fn until_pong(&mut self) {
        self.until(|message| matches!(message, ServerMessage::Pong { .. }))
            .await;
    }

    /// Waits until the server has ended the connection.
    pub(crate) async fn until_closed(&mut self) {
        within(async {
            while let Some(Ok(message)) = self.stream.next().await {
                if message.is_close() {
                    break;
                }
            }
        })
        .await;
    }

    /// Watches a machine's output from its beginning until it is `expected` or longer; what there is then.
    pub(crate) async fn until_output(
        &mut self,
        run: &RunId,
        machine: &str,
        expected: &[u8],
    ) -> Vec<u8> {
        self.say(&ClientMessage::WatchOutput {
            sub: 1,
            run: run.clone(),
            machine: MachineId::new(machine).unwrap(),
            attempt: Attempt::FIRST,
            from: 0,
        })
        .await;
        let mut output = Vec::new();
        within(async {
            while output.len() < expected.len() {
                if let Heard::Output(push) = self.next().await {
                    output.extend_from_slice(&push.slice.bytes);
                }
            }
        })
        .await;
        output
    }

    /// Reads until a message of which `wanted` says yes.
    pub(crate) async fn until(&mut self, wanted: impl Fn(&ServerMessage) -> bool) -> ServerMessage {
        let found = async {
            loop {
                if let Heard::State(message) = self.next().await
                    && wanted(&message)
                {
                    return *message;
                }
            }
        };
        within(found).await
    }
}

/// What `future` gives; the test fails when that takes too long.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future)
        .await
        .expect("what the test waits for did not come")
}
