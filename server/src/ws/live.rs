//! The browser's socket: state in numbered events, output by offset, and nobody waits for a slow browser.
//!
//! A socket is three kinds of tasks: one that listens to the browser and to the board, one for each output
//! subscription, and one that writes. Between them are short queues; where one is full, its sender waits
//! and nobody else. What the first misses meanwhile is made up for by a fresh snapshot; what a subscription
//! misses is in the log. A browser that takes nothing for a while is dropped.

mod output;
mod texts;
mod writer;

use crate::fanout::{Change, Sequenced};
use crate::lifecycle::Lifecycle;
use crate::ops::Ops;
use crate::people::{Caller, People};
use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use futures::StreamExt as _;
use saltpeter_protocol::RunId;
use saltpeter_protocol::api::{ErrorCode, Overview};
use saltpeter_protocol::live::{
    ClientMessage, Event, MAX_CLIENT_MESSAGE, MAX_SUBSCRIPTIONS, PATH, ServerMessage,
    SubscriptionId,
};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use texts::Texts;
use tokio::sync::{Semaphore, broadcast, mpsc};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

/// How long a browser may take. A test has less time than a browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// How long it may take nothing before it is dropped.
    pub stalled: Duration,
    /// How often the socket is pinged.
    pub ping_every: Duration,
    /// Silence after which it counts as gone.
    pub gone_after: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            stalled: Duration::from_secs(20),
            ping_every: Duration::from_secs(20),
            gone_after: Duration::from_mins(1),
        }
    }
}

/// Browsers at a time; further ones are answered with 503 and try again later.
pub const MAX_BROWSERS: usize = 500;

/// Bytes read from a socket at a time; browsers say little.
const READ_BUFFER: usize = 4 * 1024;

/// Jobs in a message, at most. A browser takes about ten milliseconds for so many.
const JOBS_AT_ONCE: usize = 500;

/// Output messages that may wait for the browser, each of up to [`crate::outputs::SLICE`] bytes.
const OUTPUTS: usize = 4;

/// What sockets are made of.
#[derive(Clone)]
pub struct Live {
    ops: Ops,
    lifecycle: Lifecycle,
    patience: Patience,
    seats: Arc<Semaphore>,
}

impl Live {
    /// Sockets over `ops`, and through them over the board, the runs and the output. They end with `lifecycle`.
    pub fn new(ops: Ops, lifecycle: Lifecycle, patience: Patience) -> Self {
        Self {
            ops,
            lifecycle,
            patience,
            seats: Arc::new(Semaphore::new(MAX_BROWSERS)),
        }
    }
}

/// The socket's route.
pub fn router(live: Live) -> Router {
    Router::new().route(PATH, get(upgrade)).with_state(live)
}

async fn upgrade(State(live): State<Live>, caller: Caller, upgrade: WebSocketUpgrade) -> Response {
    let Ok(seat) = Arc::clone(&live.seats).try_acquire_owned() else {
        tracing::warn!("a browser was turned away: {MAX_BROWSERS} are connected");
        return (StatusCode::SERVICE_UNAVAILABLE, "too many browsers\n").into_response();
    };
    upgrade
        .max_frame_size(MAX_CLIENT_MESSAGE)
        .max_message_size(MAX_CLIENT_MESSAGE)
        .read_buffer_size(READ_BUFFER)
        .on_upgrade(async move |socket| {
            let life = live.lifecycle.clone();
            life.spawn_brief(async move {
                serve(live, caller, socket).await;
                drop(seat);
            });
        })
}

async fn serve(live: Live, mut caller: Caller, socket: WebSocket) {
    // Ends the writer and the subscriptions whichever way this ends.
    let closing = live.lifecycle.hard().child_token();
    let _guard: DropGuard = closing.clone().drop_guard();
    let (sink, mut incoming) = socket.split();
    let (texts, text_queue) = Texts::new();
    let (outputs, output_queue) = mpsc::channel(OUTPUTS);
    let Patience {
        stalled,
        ping_every,
        gone_after,
    } = live.patience;
    let writer = writer::write(sink, text_queue, output_queue, stalled, closing.clone());
    live.lifecycle.spawn_brief(writer);

    let people = live.ops.people().clone();
    // Heard from here on: what ended before ended before the socket was let in.
    let mut accesses = people.changed();
    let subscription = live.ops.board().subscribe(live.ops.clock().now());
    let mut session = Session {
        live,
        texts,
        outputs,
        closing: closing.clone(),
        changes: subscription.changes,
        seq: subscription.seq,
        runs: HashSet::new(),
        subscriptions: HashMap::new(),
    };
    let first = session.say_all(subscription.seq, subscription.overview);
    if first.await.is_err() {
        return;
    }
    let mut pings = tokio::time::interval(ping_every);
    let mut heard = Instant::now();
    loop {
        let outcome = tokio::select! {
            () = closing.cancelled() => return,
            message = incoming.next() => {
                let Some(Ok(message)) = message else { return };
                heard = Instant::now();
                match message {
                    Message::Text(text) => session.hear(&text).await,
                    Message::Close(_) => return,
                    // Pongs show that the browser is there; nothing else is expected.
                    _ => Ok(()),
                }
            }
            change = session.changes.recv() => session.pass_on(change).await,
            Ok(()) = accesses.changed() => still(&people, &mut caller).await,
            _ = pings.tick() => {
                if heard.elapsed() > gone_after || still(&people, &mut caller).await.is_err() {
                    return;
                }
                session.texts.send(Message::Ping(Vec::new().into())).await
            }
        };
        if outcome.is_err() {
            return;
        }
    }
}

/// The writer has ended, or the caller's access, and so does the socket.
struct Ended;

/// Whether the caller may still be here. What happened on the command line is found out with the next ping; while the
/// database cannot be read nobody is turned out.
async fn still(people: &People, caller: &mut Caller) -> Result<(), Ended> {
    match people.still(caller).await {
        Ok(Some(now)) => {
            *caller = now;
            Ok(())
        }
        Ok(None) => Err(Ended),
        Err(error) => {
            tracing::warn!(%error, "it could not be seen whether a browser may stay");
            Ok(())
        }
    }
}

struct Session {
    live: Live,
    texts: Texts,
    outputs: mpsc::Sender<Message>,
    closing: CancellationToken,
    changes: broadcast::Receiver<Arc<Sequenced>>,
    /// Number of the last snapshot.
    seq: u64,
    runs: HashSet<RunId>,
    /// Dropping one ends its task.
    subscriptions: HashMap<SubscriptionId, DropGuard>,
}

impl Session {
    /// Sends the whole state.
    async fn say_all(&self, seq: u64, mut overview: Overview) -> Result<(), Ended> {
        while let Some(rest @ 1..) = overview.jobs.len().checked_sub(JOBS_AT_ONCE) {
            let jobs = overview.jobs.split_off(rest);
            self.say(&ServerMessage::Jobs { jobs }).await?;
        }
        let overview = Box::new(overview);
        self.say(&ServerMessage::Snapshot { seq, overview }).await
    }

    async fn say(&self, message: &ServerMessage) -> Result<(), Ended> {
        // Plain data with text keys cannot fail to become JSON.
        let text = serde_json::to_string(message).unwrap_or_default();
        self.say_text(text).await
    }

    async fn say_text(&self, text: String) -> Result<(), Ended> {
        self.texts.send(Message::Text(text.into())).await
    }

    async fn complain(&self, message: String, sub: Option<SubscriptionId>) -> Result<(), Ended> {
        self.say(&ServerMessage::Error { message, sub }).await
    }

    async fn hear(&mut self, text: &str) -> Result<(), Ended> {
        match serde_json::from_str(text) {
            Ok(ClientMessage::WatchRun { run }) => {
                if self.runs.len() >= MAX_SUBSCRIPTIONS && !self.runs.contains(&run) {
                    let message =
                        format!("at most {MAX_SUBSCRIPTIONS} runs can be watched at a time");
                    return self.complain(message, None).await;
                }
                self.runs.insert(run.clone());
                self.send_run(&run).await
            }
            Ok(ClientMessage::UnwatchRun { run }) => {
                self.runs.remove(&run);
                Ok(())
            }
            Ok(ClientMessage::WatchOutput {
                sub,
                run,
                machine,
                attempt,
                from,
            }) => {
                self.subscriptions.remove(&sub);
                if self.subscriptions.len() >= MAX_SUBSCRIPTIONS {
                    let message =
                        format!("at most {MAX_SUBSCRIPTIONS} outputs can be watched at a time");
                    return self.complain(message, Some(sub)).await;
                }
                let end = self.closing.child_token();
                let follow = output::Follow {
                    sub,
                    run,
                    machine,
                    attempt,
                    from,
                    outputs: self.live.ops.outputs().clone(),
                    queue: self.outputs.clone(),
                    texts: self.texts.clone(),
                };
                self.live.lifecycle.spawn_brief(follow.run(end.clone()));
                self.subscriptions.insert(sub, end.drop_guard());
                Ok(())
            }
            Ok(ClientMessage::UnwatchOutput { sub }) => {
                self.subscriptions.remove(&sub);
                Ok(())
            }
            Ok(ClientMessage::Ping) => {
                let now = self.live.ops.clock().now();
                self.say(&ServerMessage::Pong { now }).await
            }
            Err(error) => {
                self.complain(format!("the message is not understood: {error}"), None)
                    .await
            }
        }
    }

    async fn send_run(&mut self, run: &RunId) -> Result<(), Ended> {
        // Before the run is read: events after this number may repeat what the run already shows, and
        // none is missing.
        let seq = self.live.ops.board().seq();
        match self.live.ops.run_detail(run).await {
            Ok(detail) => {
                self.say(&ServerMessage::Run {
                    seq,
                    run: Box::new(detail),
                })
                .await
            }
            Err(error) => {
                if error.code == ErrorCode::UnknownRun {
                    self.runs.remove(run);
                }
                self.complain(error.message, None).await
            }
        }
    }

    async fn pass_on(
        &mut self,
        change: Result<Arc<Sequenced>, broadcast::error::RecvError>,
    ) -> Result<(), Ended> {
        match change {
            // In the snapshot already.
            Ok(change) if change.seq <= self.seq => Ok(()),
            Ok(change) => match &change.change {
                Change::Event(event) => self.say_text(change.text(event).to_owned()).await,
                Change::Run(run) if self.runs.contains(&run.summary.id) => {
                    let seq = change.seq;
                    for row in &run.machines {
                        let event = Event::Machine {
                            run: run.summary.id.clone(),
                            row: Box::new(row.clone()),
                        };
                        self.say(&ServerMessage::Event { seq, event }).await?;
                    }
                    let event = Event::Run {
                        summary: Box::new(run.summary.clone()),
                    };
                    self.say(&ServerMessage::Event { seq, event }).await
                }
                Change::Run(_) => Ok(()),
                Change::Reset => self.start_over().await,
            },
            Err(broadcast::error::RecvError::Lagged(_)) => self.start_over().await,
            Err(broadcast::error::RecvError::Closed) => Err(Ended),
        }
    }

    /// Sends everything anew: the browser was too slow for the changes.
    async fn start_over(&mut self) -> Result<(), Ended> {
        let subscription = self.live.ops.board().subscribe(self.live.ops.clock().now());
        self.changes = subscription.changes;
        self.seq = subscription.seq;
        self.say_all(subscription.seq, subscription.overview)
            .await?;
        let runs: Vec<RunId> = self.runs.iter().cloned().collect();
        for run in runs {
            self.send_run(&run).await?;
        }
        Ok(())
    }
}
