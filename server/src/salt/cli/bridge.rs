//! The process that speaks with the master: questions go to its stdin, answers and events come from its stdout.

use crate::salt::SaltError;
use crate::salt::answers::shortened;
use crate::salt::connection::EventStream;
use bytes::Bytes;
use futures::StreamExt as _;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

const PROGRAM: &str = include_str!("bridge.py");
/// What stands in the command line: the program itself comes by stdin too.
const STARTER: &str =
    "import json, sys; given = json.loads(sys.stdin.readline()); exec(given['program'])";
/// How many questions the process answers at a time. More wait in it for their turn.
const AT_ONCE: usize = 8;
/// How long Salt itself waits for the master, in seconds.
const SALT_LIMIT: u64 = 5;
/// How long an answer may take, the start of the process included.
const ANSWER_LIMIT: Duration = Duration::from_secs(15);
/// The longest line that is taken from the process: the answer with everything that a job returned.
const LINE_MAX: u64 = 64 << 20;
/// The most pieces of the event stream that wait to be read.
const EVENTS_WAITING_MAX: usize = 64;
/// How much of the end of what the process complains about is kept, in bytes.
const COMPLAINT_MAX: usize = 2048;

type Pending = Arc<Mutex<HashMap<u64, oneshot::Sender<Value>>>>;

/// The process. Dropping it ends it.
pub(super) struct Bridge {
    stdin: tokio::sync::Mutex<ChildStdin>,
    pending: Pending,
    next: AtomicU64,
    answered: Arc<AtomicU64>,
    stop: CancellationToken,
}

impl Bridge {
    /// Starts it. The stream breaks when the process ends, with what it complained about.
    pub(super) async fn start(
        python: &Path,
        master: &Path,
    ) -> Result<(Self, EventStream), SaltError> {
        let failed = |error: io::Error| {
            SaltError::Refused(format!(
                "cannot run {}: {error}; check salt_command",
                python.display()
            ))
        };
        let mut child = Command::new(python)
            .args(["-c", STARTER])
            // Python looks for modules where it is started.
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(mut stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err(failed(io::ErrorKind::BrokenPipe.into()));
        };
        let given = json!({
            "program": PROGRAM,
            "master": master,
            "limit": SALT_LIMIT,
            "at_once": AT_ONCE,
        });
        stdin
            .write_all(format!("{given}\n").as_bytes())
            .await
            .map_err(failed)?;
        let pending = Pending::default();
        let (to, mut events) = mpsc::channel(EVENTS_WAITING_MAX);
        let answered = Arc::default();
        let stop = CancellationToken::new();
        let output = Output {
            child,
            pending: Arc::clone(&pending),
            answered: Arc::clone(&answered),
            to,
            stop: stop.clone(),
        };
        tokio::spawn(output.run(stdout, stderr));
        let bridge = Self {
            stdin: tokio::sync::Mutex::new(stdin),
            pending,
            next: AtomicU64::new(0),
            answered,
            stop,
        };
        let events = futures::stream::poll_fn(move |context| events.poll_recv(context));
        Ok((bridge, events.boxed()))
    }

    /// Asks it something; the answer is as the program gives it. A process that gives no answer at all any more is
    /// ended, which breaks the stream.
    pub(super) async fn ask(&self, mut question: Value) -> Result<Value, SaltError> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        question["id"] = id.into();
        let answered_before = self.answered.load(Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        lock(&self.pending).insert(id, answer);
        let asked = async {
            let line = format!("{question}\n");
            // An error means that the process has ended, which ends the wait below too.
            let _ = self.stdin.lock().await.write_all(line.as_bytes()).await;
            answered.await
        };
        match tokio::time::timeout(ANSWER_LIMIT, asked).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(SaltError::Unsure(
                "the process that speaks with the Salt master ended before it answered".to_owned(),
            )),
            Err(_) => {
                lock(&self.pending).remove(&id);
                if self.answered.load(Ordering::Relaxed) == answered_before {
                    self.stop.cancel();
                }
                Err(SaltError::Unsure(format!(
                    "the Salt master of this host did not answer within {} s; is it running?",
                    ANSWER_LIMIT.as_secs()
                )))
            }
        }
    }
}

/// What the process says, sorted.
struct Output {
    child: Child,
    pending: Pending,
    answered: Arc<AtomicU64>,
    to: mpsc::Sender<io::Result<Bytes>>,
    stop: CancellationToken,
}

impl Output {
    async fn run(mut self, stdout: ChildStdout, stderr: ChildStderr) {
        let said = async {
            tokio::select! {
                () = self.read(stdout) => (),
                () = self.to.closed() => (),
                () = self.stop.cancelled() => (),
            }
            // An error means that it has ended already.
            let _ = self.child.start_kill();
        };
        let ((), complaint) = tokio::join!(said, end_of(stderr));
        lock(&self.pending).clear();
        let complaint = complaint.trim();
        if !complaint.is_empty() {
            tracing::debug!("the process that speaks with the Salt master said: {complaint}");
        }
        let last = complaint.lines().last().unwrap_or("it ended");
        let _ = self.to.send(Err(io::Error::other(shortened(last)))).await;
        let _ = self.child.wait().await;
    }

    /// Reads lines to the end: answers go to those who asked, events to the stream.
    async fn read(&self, stdout: ChildStdout) {
        let mut lines = BufReader::new(stdout);
        loop {
            let mut line = Vec::new();
            let mut limited = (&mut lines).take(LINE_MAX);
            let got = limited.read_until(b'\n', &mut line).await;
            if got.is_err() || line.last() != Some(&b'\n') {
                return;
            }
            if let Some(answer) = line.strip_prefix(b"answer ") {
                let mut parts = answer.splitn(2, |byte| *byte == b' ');
                let id = parts
                    .next()
                    .and_then(|id| std::str::from_utf8(id).ok()?.parse().ok());
                let answer = parts
                    .next()
                    .and_then(|json| serde_json::from_slice(json).ok());
                let asked = id.and_then(|id: u64| lock(&self.pending).remove(&id));
                if let (Some(asked), Some(answer)) = (asked, answer) {
                    self.answered.fetch_add(1, Ordering::Relaxed);
                    // Whoever asked may have given up.
                    let _ = asked.send(answer);
                }
            } else if self.to.send(Ok(line.into())).await.is_err() {
                return;
            }
        }
    }
}

/// The end of what comes, when no more comes.
async fn end_of(mut stderr: ChildStderr) -> String {
    let mut kept = Vec::new();
    let mut piece = [0; 4096];
    while let Ok(read @ 1..) = stderr.read(&mut piece).await {
        kept.extend_from_slice(&piece[..read]);
        let surplus = kept.len().saturating_sub(COMPLAINT_MAX);
        kept.drain(..surplus);
    }
    String::from_utf8_lossy(&kept).into_owned()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
