//! One lifecycle for the whole server: who runs, who is told to stop, and what happens when a part gives up.
//!
//! Stopping has two steps. *Soft*: nothing new starts, wrappers are still heard and their output still
//! becomes durable. *Hard*: listeners and sockets close. Running commands go on on their machines either
//! way; the next start takes them up again.

use futures::FutureExt as _;
use std::any::Any;
use std::fmt::Display;
use std::future::Future;
use std::io::IsTerminal as _;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long starts that are under way may take to come to an end once a stop was asked for.
pub const SOFT_STOP: Duration = Duration::from_secs(2);

/// How long tasks may take to flush and end once sockets are told to close.
pub const HARD_STOP: Duration = Duration::from_secs(5);

/// A handle on the server's life. Clones are the same life.
#[derive(Debug, Clone, Default)]
pub struct Lifecycle {
    soft: CancellationToken,
    hard: CancellationToken,
    tasks: TaskTracker,
    failure: Arc<Mutex<Option<Failure>>>,
}

/// Why the server came down by itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the server stops because {task} {reason}")]
pub struct Failure {
    task: &'static str,
    reason: String,
}

impl Lifecycle {
    /// A new life.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancelled when nothing new is to start.
    pub fn soft(&self) -> &CancellationToken {
        &self.soft
    }

    /// Cancelled when everything is to end now.
    pub fn hard(&self) -> &CancellationToken {
        &self.hard
    }

    /// Runs a part that the server cannot do without. When it ends before a stop was asked for, in
    /// whatever way, the server comes down with `task` in the message.
    pub fn spawn<F, E>(&self, task: &'static str, part: F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Display + Send + 'static,
    {
        let life = self.clone();
        self.tasks.spawn(async move {
            let reason = match AssertUnwindSafe(part).catch_unwind().await {
                Ok(Ok(())) => "ended".to_owned(),
                Ok(Err(error)) => format!("failed: {error:#}"),
                Err(panic) => format!("panicked: {}", panic_text(&*panic)),
            };
            life.ended(task, reason);
        });
    }

    /// Runs something that comes and goes, such as a connection. Its end is nobody's loss; it is
    /// waited for at the stop. What it comes to is there for whoever wants to know.
    pub fn spawn_brief<F>(&self, part: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        self.tasks.spawn(part)
    }

    fn ended(&self, task: &'static str, reason: String) {
        if self.soft.is_cancelled() {
            tracing::debug!(task, reason, "a part of the server ended");
            return;
        }
        let failure = Failure { task, reason };
        tracing::error!("{failure}");
        self.failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(failure);
        self.soft.cancel();
    }

    /// Asks for the stop. The steps are taken by [`Lifecycle::run_to_end`].
    pub fn stop(&self) {
        self.soft.cancel();
    }

    /// Waits until a stop is asked for, takes its steps within their bounds, and says whether the
    /// server came down by itself. `quiet` ends when no start is under way any more.
    pub async fn run_to_end(&self, quiet: impl Future<Output = ()>) -> Result<(), Failure> {
        self.soft.cancelled().await;
        if tokio::time::timeout(SOFT_STOP, quiet).await.is_err() {
            tracing::warn!(
                "starts are still under way after {SOFT_STOP:?}; going on with the stop"
            );
        }
        self.hard.cancel();
        self.tasks.close();
        if tokio::time::timeout(HARD_STOP, self.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                left = self.tasks.len(),
                "tasks have not ended after {HARD_STOP:?}; leaving without them"
            );
        }
        let failure = self
            .failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        failure.map_or(Ok(()), Err)
    }

    /// Turns the first SIGTERM or SIGINT into a stop and the second into an immediate end. SIGHUP is one of them in a
    /// terminal, and nothing elsewhere.
    pub fn watch_signals(&self) -> std::io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let life = self.clone();
        // Not tracked: it must outlive the stop to hear the second signal.
        tokio::spawn(async move {
            let mut stopping = false;
            loop {
                let name = tokio::select! {
                    _ = terminate.recv() => "SIGTERM",
                    _ = interrupt.recv() => "SIGINT",
                    _ = hangup.recv() => {
                        // A daemon is told so to read its files again, and a supervisor takes the end that follows for one
                        // that was wanted. In a terminal it means that this is closed.
                        if !std::io::stderr().is_terminal() {
                            tracing::info!("SIGHUP: nothing to do; files are read when they change");
                            continue;
                        }
                        "SIGHUP"
                    }
                };
                if stopping {
                    tracing::warn!("{name} again: leaving at once");
                    std::process::exit(130);
                }
                tracing::info!(
                    "{name}: stopping; running commands go on and are taken up at the next start"
                );
                stopping = true;
                life.stop();
            }
        });
        Ok(())
    }
}

/// What a panic says.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::ready;

    #[tokio::test(start_paused = true)]
    async fn a_part_that_ends_by_itself_brings_the_server_down() {
        let life = Lifecycle::new();
        life.spawn("the scheduler", ready(Err::<(), _>("no more time")));
        let failure = life.run_to_end(ready(())).await.unwrap_err();
        assert_eq!(
            failure.to_string(),
            "the server stops because the scheduler failed: no more time"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_is_named() {
        let life = Lifecycle::new();
        life.spawn("the hub", async {
            assert!(life_is_long(), "gone");
            Ok::<(), String>(())
        });
        let failure = life.run_to_end(ready(())).await.unwrap_err();
        assert!(failure.to_string().ends_with("the hub panicked: gone"));
    }

    fn life_is_long() -> bool {
        false
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_that_was_asked_for_is_no_failure_and_is_bounded() {
        let life = Lifecycle::new();
        let soft = life.soft().clone();
        life.spawn("the scheduler", async move {
            soft.cancelled().await;
            Ok::<(), String>(())
        });
        // Never ends: the stop goes on without it.
        life.spawn_brief(std::future::pending::<()>());
        life.stop();
        let before = tokio::time::Instant::now();
        assert_eq!(life.run_to_end(std::future::pending()).await, Ok(()));
        assert_eq!(before.elapsed(), SOFT_STOP + HARD_STOP);
    }
}
