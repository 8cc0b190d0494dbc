//! The one event stream for all calls under way: opened before the first call is published, kept open while there are
//! calls, opened again when it breaks, and closed when it has been idle for a while.

use super::SaltError;
use super::answers;
use super::backoff::Backoff;
use super::board::Board;
use super::connection::{EventStream, Way};
use super::sse::{Found, Parser};
use futures::StreamExt as _;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// How long the stream stays open without a call under way.
const IDLE: Duration = Duration::from_mins(1);
/// How long the stream may take to say its first word after it was opened.
const BEGIN_LIMIT: Duration = Duration::from_secs(15);
/// Waits between attempts to open it.
const REOPEN: Backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(5));

/// The stream's handle.
pub(super) struct Events<W> {
    inner: Arc<Inner<W>>,
}

struct Inner<W> {
    way: Arc<W>,
    board: Arc<Board>,
    state: watch::Sender<State>,
    /// Somebody wants the stream now, however long it was to rest.
    wanted: Notify,
    is_running: Mutex<bool>,
}

#[derive(Debug, Clone)]
enum State {
    Opening,
    Open,
    /// It could not be opened, and will be tried again.
    Lost(SaltError),
}

/// A stream that was lost is to be opened again. Whether it was.
fn again(state: &mut State) -> bool {
    let lost = matches!(state, State::Lost(_));
    if lost {
        *state = State::Opening;
    }
    lost
}

/// Why reading has come to an end.
enum End {
    Broken(String),
    Idle,
}

impl<W: Way> Events<W> {
    pub(super) fn new(way: Arc<W>, board: Arc<Board>) -> Self {
        let inner = Inner {
            way,
            board,
            state: watch::Sender::new(State::Opening),
            wanted: Notify::new(),
            is_running: Mutex::new(false),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Returns when the stream is open; one that was lost is tried again at once. Whoever asks has a place on the board
    /// already, which keeps it open.
    pub(super) async fn open(&self) -> Result<(), SaltError> {
        let mut state = self.inner.state.subscribe();
        {
            let mut is_running = self.inner.running();
            if !*is_running {
                *is_running = true;
                self.inner.state.send_replace(State::Opening);
                tokio::spawn(Arc::clone(&self.inner).run());
            } else if self.inner.state.send_if_modified(again) {
                self.inner.wanted.notify_one();
            }
        }
        let settled = state.wait_for(|state| !matches!(state, State::Opening));
        match settled.await.as_deref() {
            Ok(State::Lost(error)) => Err(error.clone()),
            // The sender lives as long as `self`.
            Ok(State::Open | State::Opening) | Err(_) => Ok(()),
        }
    }
}

impl<W: Way> Inner<W> {
    fn running(&self) -> MutexGuard<'_, bool> {
        self.is_running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    async fn run(self: Arc<Self>) {
        let mut backoff = REOPEN;
        let mut was_open = false;
        loop {
            match self.begin().await {
                Ok((stream, parser)) => {
                    backoff.reset();
                    self.state.send_replace(State::Open);
                    if was_open {
                        // Whatever was returned while there was no stream.
                        self.board.all_missed();
                    }
                    was_open = true;
                    match self.read(stream, parser).await {
                        End::Idle => return,
                        End::Broken(why) => tracing::debug!("Salt's event stream broke: {why}"),
                    }
                }
                Err(error) => {
                    tracing::debug!("Salt's event stream cannot be opened: {error}");
                    self.state.send_replace(State::Lost(error));
                }
            }
            tokio::select! {
                () = tokio::time::sleep(backoff.next_wait()) => {}
                () = self.wanted.notified() => {}
            }
            if self.stopped() {
                return;
            }
            self.state.send_replace(State::Opening);
        }
    }

    /// Opens the stream and waits for its first word, from which on nothing is missed.
    async fn begin(&self) -> Result<(EventStream, Parser), SaltError> {
        let mut stream = self.way.events().await?;
        let mut parser = Parser::default();
        let first = async {
            while let Some(chunk) = stream.next().await {
                if self.take(&mut parser, &chunk?) {
                    return Ok(());
                }
            }
            Err(io::Error::other("it was closed"))
        };
        let by = self.way.describe();
        match tokio::time::timeout(BEGIN_LIMIT, first).await {
            Ok(Ok(())) => Ok((stream, parser)),
            Ok(Err(error)) => Err(SaltError::Away(format!(
                "Salt's events cannot be had by {by}: {error}"
            ))),
            Err(_) => Err(SaltError::Away(format!(
                "Salt's events cannot be had by {by}: nothing comes within {} s; a proxy on the way must not hold back answers",
                BEGIN_LIMIT.as_secs()
            ))),
        }
    }

    async fn read(&self, mut stream: EventStream, mut parser: Parser) -> End {
        loop {
            tokio::select! {
                chunk = stream.next() => match chunk {
                    Some(Ok(chunk)) => {
                        self.take(&mut parser, &chunk);
                    }
                    None => return End::Broken("it was closed".to_owned()),
                    Some(Err(error)) => return End::Broken(error.to_string()),
                },
                () = self.idle() => {
                    if self.stopped() {
                        return End::Idle;
                    }
                }
            }
        }
    }

    /// Passes on what has come. Whether anything was found that tells that the stream has begun.
    fn take(&self, parser: &mut Parser, chunk: &[u8]) -> bool {
        let mut has_begun = false;
        for found in parser.feed(chunk, |jid| self.board.is_wanted(jid)) {
            match found {
                Found::Begun => has_begun = true,
                Found::Return { jid, body } => {
                    if let Some(of) = answers::event(&body) {
                        self.board.returned(&jid, &of);
                    } else {
                        tracing::warn!("a return of job {jid} cannot be read");
                    }
                }
                Found::TooLong { jid } => self.board.missed(&jid),
            }
        }
        has_begun
    }

    /// Resolves when there has been no call for a while.
    async fn idle(&self) {
        let mut count = self.board.count();
        loop {
            let none = count.wait_for(|count| *count == 0).await.is_ok();
            let some = count.wait_for(|count| *count > 0);
            if !none || tokio::time::timeout(IDLE, some).await.is_err() {
                return;
            }
        }
    }

    /// Stops unless somebody has come to listen.
    fn stopped(&self) -> bool {
        let mut is_running = self.running();
        let is_needed = *self.board.count().borrow() > 0;
        *is_running = is_needed;
        !is_needed
    }
}
