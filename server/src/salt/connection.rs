//! A connection to Salt, whatever the way: calls are published, returns come by one event stream, so that no call waits
//! for another and a silent machine delays nobody.

use super::answers;
use super::backoff::Backoff;
use super::board::{Board, Listening};
use super::events::Events;
use super::gate::Gate;
use super::tally::Tally;
use super::{Call, Called, Jid, Salt, SaltError, Target};
use crate::clock::Clock;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use saltpeter_domain::targeting::TargetType;
use serde_json::{Value, json};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A call that takes long is also looked up now and then: Salt does not tell when its own event bus was away, as it is
/// while the master is started anew.
const LOOKUPS: Backoff = Backoff::new(Duration::from_mins(1), Duration::from_mins(10));

/// What a way to Salt has to be able to do. Each answer comes within a deadline of the way's own.
pub trait Way: Send + Sync + 'static {
    /// Which way it is, and where to.
    fn describe(&self) -> String;

    /// Opens the stream of Salt's events, in the form of salt-api's.
    fn events(&self) -> BoxFuture<'_, Result<EventStream, SaltError>>;

    /// Publishes a call, whose low-state is `low`; answers as `local_async` does.
    fn publish(
        &self,
        function: &'static str,
        low: Value,
    ) -> BoxFuture<'_, Result<Value, SaltError>>;

    /// What the master remembers of a job; answers as salt-api's `/jobs/<jid>` does.
    fn job<'a>(&'a self, jid: &'a Jid) -> BoxFuture<'a, Result<Value, SaltError>>;
}

/// Events as they come.
pub type EventStream = BoxStream<'static, io::Result<Bytes>>;

/// Salt by the way `W`.
pub struct Connection<W> {
    way: Arc<W>,
    board: Arc<Board>,
    events: Events<W>,
    gate: Gate,
    clock: Arc<dyn Clock>,
}

impl<W: Way> Connection<W> {
    /// Salt by `way`. Nothing is asked before the first call.
    pub(super) fn over(way: W, clock: Arc<dyn Clock>) -> Self {
        let way = Arc::new(way);
        let board = Arc::new(Board::new());
        let events = Events::new(Arc::clone(&way), Arc::clone(&board));
        Self {
            way,
            board,
            events,
            gate: Gate::new(),
            clock,
        }
    }

    async fn publish(&self, call: Call) -> Result<Called, SaltError> {
        let jid = call.jid.clone();
        let jid = jid.unwrap_or_else(|| Jid::new(self.clock.now()));
        // Before the call is published, so that no return is missed.
        let listening = self.board.listen(&jid);
        self.gate.pass(Instant::now())?;
        let answer = self.answer(&call, &jid).await;
        self.gate.note(&answer, Instant::now());
        let answer = answer?;
        let expected = answers::expected(&answer)?;
        let (tally, returns) = Tally::new(&expected);
        let deadline = Instant::now() + call.wait;
        let way = Arc::clone(&self.way);
        tokio::spawn(follow(way, jid.clone(), listening, tally, deadline));
        Ok(Called {
            jid,
            expected,
            returns,
        })
    }

    async fn answer(&self, call: &Call, jid: &Jid) -> Result<Value, SaltError> {
        self.events.open().await?;
        let low = low_state(call, jid);
        self.way.publish(call.function, low).await
    }

    async fn take_up(&self, jid: &Jid, wait: Duration) -> Result<Option<Called>, SaltError> {
        let deadline = Instant::now() + wait;
        let listening = self.board.listen(jid);
        self.events.open().await?;
        let Some(known) = answers::remembered(&self.way.job(jid).await?) else {
            return Ok(None);
        };
        let (mut tally, returns) = Tally::new(&known.expected);
        let called = Called {
            jid: jid.clone(),
            expected: known.expected,
            returns,
        };
        let way = Arc::clone(&self.way);
        let jid = jid.clone();
        tokio::spawn(async move {
            for of in known.returns {
                tally.returned(of).await;
            }
            follow(way, jid, listening, tally, deadline).await;
        });
        Ok(Some(called))
    }
}

impl<W: Way> Salt for Connection<W> {
    fn describe(&self) -> String {
        self.way.describe()
    }

    fn call(&self, call: Call) -> BoxFuture<'_, Result<Called, SaltError>> {
        Box::pin(self.publish(call))
    }

    fn hear<'a>(
        &'a self,
        jid: &'a Jid,
        wait: Duration,
    ) -> BoxFuture<'a, Result<Option<Called>, SaltError>> {
        Box::pin(self.take_up(jid, wait))
    }
}

/// Hears a call to its end: what the stream brings, and what it may have missed from the master's memory.
async fn follow<W: Way>(
    way: Arc<W>,
    jid: Jid,
    mut listening: Listening,
    mut tally: Tally,
    deadline: Instant,
) {
    let mut lookups = LOOKUPS;
    let mut lookup = Instant::now() + lookups.next_wait();
    while !tally.is_complete() {
        tokio::select! {
            // The board keeps the sender for as long as there is a receiver.
            Some(of) = listening.returns.recv() => tally.returned(of).await,
            () = listening.missed.notified() => look_up(&*way, &jid, &mut tally).await,
            () = tokio::time::sleep_until(deadline) => break,
            () = tokio::time::sleep_until(lookup) => {
                look_up(&*way, &jid, &mut tally).await;
                lookup = Instant::now() + lookups.next_wait();
            }
            () = tally.unheeded() => return,
        }
    }
    if !tally.is_complete() {
        look_up(&*way, &jid, &mut tally).await;
    }
    tally.close().await;
}

async fn look_up(way: &impl Way, jid: &Jid, tally: &mut Tally) {
    match way.job(jid).await {
        Ok(answer) => {
            for of in answers::remembered(&answer).unwrap_or_default().returns {
                tally.returned(of).await;
            }
        }
        Err(error) => tracing::debug!("job {jid} cannot be looked up: {error}"),
    }
}

/// A call in the words of salt-api.
fn low_state(call: &Call, jid: &Jid) -> Value {
    json!({
        "client": "local_async",
        "tgt": target(&call.target),
        "tgt_type": call.target.target_type.as_str(),
        "fun": call.function,
        "arg": call.args,
        "kwarg": call.kwargs,
        "jid": jid.0,
    })
}

/// A target's expression; a list is an array.
fn target(target: &Target) -> Value {
    if target.target_type == TargetType::List {
        let names = target.text.split(',').map(str::trim);
        return names.filter(|name| !name.is_empty()).collect();
    }
    Value::String(target.text.clone())
}
