//! Salt by its REST service, salt-api (`rest_cherrypy`): calls are published by `local_async`, and returns come by
//! the event stream, so that no call waits for another and a silent machine delays nobody.

mod answers;
mod board;
mod events;
mod link;
mod rest;
mod session;
mod sse;

pub use session::{Credentials, Password};

use super::tally::Tally;
use super::{Call, Called, Jid, Salt, SaltError, Target};
use crate::clock::Clock;
use anyhow::Result;
use board::{Board, Listening};
use events::Events;
use futures::future::BoxFuture;
use link::Link;
use rest::Rest;
use saltpeter_domain::targeting::TargetType;
use serde_json::{Value, json};
use session::Session;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The environment variable that has the password where no file is named.
pub const PASSWORD_VARIABLE: &str = "SALTPETER_SALT_API_PASSWORD";

/// Salt by salt-api.
pub struct SaltApi {
    rest: Arc<Rest>,
    board: Arc<Board>,
    events: Events,
    clock: Arc<dyn Clock>,
}

impl SaltApi {
    /// Salt by the service at `url`; `ca` is a file of authorities to trust besides the host's. Nothing is asked
    /// before the first call.
    pub fn new(
        url: &str,
        credentials: Credentials,
        ca: Option<&Path>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let link = Link::new(url, ca)?;
        let rest = Arc::new(Rest::new(link.clone(), Session::new(link, credentials)));
        let board = Arc::new(Board::new());
        let events = Events::new(Arc::clone(&rest), Arc::clone(&board));
        Ok(Self {
            rest,
            board,
            events,
            clock,
        })
    }

    async fn publish(&self, call: Call) -> Result<Called, SaltError> {
        let jid = call.jid.clone();
        let jid = jid.unwrap_or_else(|| Jid::new(self.clock.now()));
        let deadline = Instant::now() + call.wait;
        // Before the call is published, so that no return is missed.
        let listening = self.board.listen(&jid);
        self.events.open().await?;
        let answer = self
            .rest
            .publish(call.function, low_state(&call, &jid))
            .await?;
        let expected = answers::expected(&answer)?;
        let (tally, returns) = Tally::new(&expected);
        self.follow(&jid, listening, tally, deadline);
        Ok(Called {
            jid,
            expected,
            returns,
        })
    }

    async fn take_up(&self, jid: &Jid, wait: Duration) -> Result<Option<Called>, SaltError> {
        let deadline = Instant::now() + wait;
        let listening = self.board.listen(jid);
        self.events.open().await?;
        let Some(known) = answers::remembered(&self.rest.job(jid).await?) else {
            return Ok(None);
        };
        let (mut tally, returns) = Tally::new(&known.expected);
        let called = Called {
            jid: jid.clone(),
            expected: known.expected,
            returns,
        };
        let rest = Arc::clone(&self.rest);
        let jid = jid.clone();
        tokio::spawn(async move {
            for of in known.returns {
                tally.returned(of).await;
            }
            follow(rest, jid, listening, tally, deadline).await;
        });
        Ok(Some(called))
    }

    fn follow(&self, jid: &Jid, listening: Listening, tally: Tally, deadline: Instant) {
        let rest = Arc::clone(&self.rest);
        tokio::spawn(follow(rest, jid.clone(), listening, tally, deadline));
    }
}

impl Salt for SaltApi {
    fn describe(&self) -> String {
        format!("salt-api at {} as {}", self.rest.shown(), self.rest.user())
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
async fn follow(
    rest: Arc<Rest>,
    jid: Jid,
    mut listening: Listening,
    mut tally: Tally,
    deadline: Instant,
) {
    while !tally.is_complete() {
        tokio::select! {
            // The board keeps the sender for as long as there is a receiver.
            Some(of) = listening.returns.recv() => tally.returned(of).await,
            () = listening.missed.notified() => look_up(&rest, &jid, &mut tally).await,
            () = tokio::time::sleep_until(deadline) => break,
            () = tally.unheeded() => return,
        }
    }
    if !tally.is_complete() {
        look_up(&rest, &jid, &mut tally).await;
    }
    tally.close().await;
}

async fn look_up(rest: &Rest, jid: &Jid, tally: &mut Tally) {
    match rest.job(jid).await {
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
pub(super) fn target(target: &Target) -> Value {
    if target.target_type == TargetType::List {
        let names = target.text.split(',').map(str::trim);
        return names.filter(|name| !name.is_empty()).collect();
    }
    Value::String(target.text.clone())
}
