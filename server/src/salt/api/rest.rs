//! What is asked of salt-api, each with its own deadline, and what its refusals mean.

use super::link::{Answer, Link, LinkError};
use super::refusal;
use super::session::{Session, Token};
use crate::salt::backoff::Backoff;
use crate::salt::connection::{EventStream, Way};
use crate::salt::{Jid, SaltError};
use futures::future::BoxFuture;
use futures::{StreamExt as _, TryStreamExt as _};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long salt-api may take to take a call. It answers within a fifth of a second, and hangs for minutes when the
/// master is away.
const CALL_LIMIT: Duration = Duration::from_secs(10);
/// How long a look into the job cache may take.
const LOOKUP_LIMIT: Duration = Duration::from_secs(10);
/// How long the event stream may take to begin.
const EVENTS_LIMIT: Duration = Duration::from_secs(10);
/// How long calls are held back after one that the master did not answer.
const AWAY_BACKOFF: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(5));
/// How long the job cache is left alone after it was refused.
const LOOKUP_PAUSE: Duration = Duration::from_mins(5);

/// salt-api, as a logged-in user sees it.
#[derive(Debug)]
pub struct Rest {
    link: Link,
    session: Session,
    gate: Mutex<Gate>,
    lookups_refused: Mutex<Option<(Instant, SaltError)>>,
}

/// Holds calls back while the master is away; one at a time tries.
#[derive(Debug)]
struct Gate {
    backoff: Backoff,
    closed: Option<(Instant, SaltError)>,
}

/// Why there is no good answer.
#[derive(Debug)]
enum Failure {
    Salt(SaltError),
    Link(LinkError),
    /// Salt does not let the user do this.
    Denied(String),
}

impl Rest {
    pub(super) fn new(link: Link, session: Session) -> Self {
        let gate = Gate {
            backoff: AWAY_BACKOFF,
            closed: None,
        };
        Self {
            link,
            session,
            gate: Mutex::new(gate),
            lookups_refused: Mutex::default(),
        }
    }

    fn shown(&self) -> String {
        self.link.shown()
    }

    async fn take_call(&self, function: &str, low: Value) -> Result<Value, SaltError> {
        self.pass()?;
        let body = Value::Array(vec![low]);
        let published = async {
            let response = self
                .authorised(|| self.link.request(Method::POST, "").json(&body))
                .await?;
            self.read(response).await
        };
        let result = match tokio::time::timeout(CALL_LIMIT, published).await {
            Ok(result) => result,
            Err(_) => Err(Failure::Salt(SaltError::Unsure(format!(
                "salt-api at {} did not take a call within {} s; is the Salt master running?",
                self.shown(),
                CALL_LIMIT.as_secs()
            )))),
        };
        let result = result.map_err(|failure| match failure {
            Failure::Salt(error) => error,
            Failure::Link(error @ LinkError::Unsent { .. }) => SaltError::Away(error.to_string()),
            Failure::Link(error @ LinkError::Broken { .. }) => SaltError::Unsure(error.to_string()),
            Failure::Denied(why) => self.denied(function, &why),
        });
        self.note(&result);
        result
    }

    async fn look_up(&self, jid: &Jid) -> Result<Value, SaltError> {
        if let Some((until, error)) = &*lock(&self.lookups_refused)
            && Instant::now() < *until
        {
            return Err(error.clone());
        }
        let path = format!("jobs/{jid}");
        let looked_up = async {
            let response = self
                .authorised(|| self.link.request(Method::GET, &path))
                .await?;
            self.read(response).await
        };
        let result = match tokio::time::timeout(LOOKUP_LIMIT, looked_up).await {
            Ok(result) => result.map_err(|failure| match failure {
                Failure::Denied(why) => self.denied("the runner jobs.list_job", &why),
                failure => self.away(failure),
            }),
            Err(_) => Err(SaltError::Away(format!(
                "salt-api at {} did not answer within {} s what it knows of job {jid}",
                self.shown(),
                LOOKUP_LIMIT.as_secs()
            ))),
        };
        if let Err(error @ SaltError::Refused(_)) = &result {
            tracing::warn!("returns that were missed cannot be looked up: {error}");
            *lock(&self.lookups_refused) = Some((Instant::now() + LOOKUP_PAUSE, error.clone()));
        }
        result
    }

    async fn open_events(&self) -> Result<Response, SaltError> {
        let opened = self.authorised(|| self.link.request(Method::GET, "events"));
        let response = match tokio::time::timeout(EVENTS_LIMIT, opened).await {
            Ok(response) => response,
            Err(_) => {
                return Err(SaltError::Away(format!(
                    "salt-api at {} did not open its event stream within {} s",
                    self.shown(),
                    EVENTS_LIMIT.as_secs()
                )));
            }
        };
        let response = response.map_err(|failure| match failure {
            Failure::Denied(why) => self.denied("the event stream", &why),
            failure => self.away(failure),
        })?;
        if response.status().is_success() {
            return Ok(response);
        }
        match self.read(response).await {
            Err(failure) => Err(self.away(failure)),
            Ok(_) => Err(SaltError::Away(format!(
                "salt-api at {} did not open its event stream",
                self.shown()
            ))),
        }
    }

    /// Sends a request with the token. Where the token is no longer known it is sent once more with a new one.
    async fn authorised(&self, make: impl Fn() -> RequestBuilder) -> Result<Response, Failure> {
        let with = |token: &Token| make().header("X-Auth-Token", token.expose());
        let token = self.session.token().await.map_err(Failure::Salt)?;
        let response = self.link.send(with(&token)).await.map_err(Failure::Link)?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        let why = self.why(response).await?;
        if !refusal::blames_token(&why) {
            return Err(Failure::Denied(why));
        }
        let other = self.session.other_than(&token).await;
        let token = other.map_err(Failure::Salt)?;
        let response = self.link.send(with(&token)).await.map_err(Failure::Link)?;
        if response.status() == StatusCode::UNAUTHORIZED {
            return Err(Failure::Denied(self.why(response).await?));
        }
        Ok(response)
    }

    async fn why(&self, response: Response) -> Result<String, Failure> {
        let answer = self.link.whole(response).await.map_err(Failure::Link)?;
        Ok(refusal::explanation(&answer.text()))
    }

    /// Reads an answer that is not about the login.
    async fn read(&self, response: Response) -> Result<Value, Failure> {
        let answer: Answer = self.link.whole(response).await.map_err(Failure::Link)?;
        let at = self.shown();
        if answer.status.is_success() {
            return serde_json::from_slice(&answer.body).map_err(|_| {
                Failure::Salt(SaltError::Refused(format!(
                    "{at} did not answer as salt-api does; check salt_api_url"
                )))
            });
        }
        let why = refusal::explanation(&answer.text());
        Err(Failure::Salt(if why.starts_with("Client disabled") {
            SaltError::Refused(format!(
                "salt-api at {at} does not serve this kind of call; add local_async and runner to netapi_enable_clients of the Salt master ({why})"
            ))
        } else if refusal::is_passing(answer.status) {
            SaltError::Unsure(format!(
                "salt-api at {at} answered {}; the Salt master may be away, its log says more ({why})",
                answer.status
            ))
        } else {
            SaltError::Refused(format!(
                "salt-api at {at} answered {}: {why}",
                answer.status
            ))
        }))
    }

    /// For what changes nothing: there it is all the same whether salt-api took it.
    fn away(&self, failure: Failure) -> SaltError {
        match failure {
            Failure::Salt(SaltError::Unsure(why)) => SaltError::Away(why),
            Failure::Salt(error) => error,
            Failure::Link(error) => SaltError::Away(error.to_string()),
            Failure::Denied(why) => self.denied("this", &why),
        }
    }

    fn denied(&self, what: &str, why: &str) -> SaltError {
        let credentials = self.session.credentials();
        SaltError::Refused(format!(
            "Salt does not permit {what} to the user {}; permit it in external_auth of the Salt master, under {} ({why})",
            credentials.user, credentials.eauth
        ))
    }

    /// Whether a call may be tried now. After a failure one is let through, and the others wait for what it finds.
    fn pass(&self) -> Result<(), SaltError> {
        let mut gate = lock(&self.gate);
        let now = Instant::now();
        match &mut gate.closed {
            Some((until, error)) if now < *until => Err(error.clone()),
            Some((until, _)) => {
                *until = now + CALL_LIMIT;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn note<T>(&self, result: &Result<T, SaltError>) {
        let mut gate = lock(&self.gate);
        match result {
            Err(SaltError::Away(why) | SaltError::Unsure(why)) => {
                let wait = gate.backoff.failed();
                // For those who are held back it is certain that their call was not taken.
                gate.closed = Some((Instant::now() + wait, SaltError::Away(why.clone())));
            }
            Ok(_) | Err(SaltError::Refused(_)) => {
                gate.backoff.succeeded();
                gate.closed = None;
            }
        }
    }
}

impl Way for Rest {
    fn describe(&self) -> String {
        let user = &self.session.credentials().user;
        format!("salt-api at {} as {user}", self.shown())
    }

    fn events(&self) -> BoxFuture<'_, Result<EventStream, SaltError>> {
        Box::pin(async {
            let chunks = self.open_events().await?.bytes_stream();
            Ok(chunks
                .map_err(|error| io::Error::other(error.without_url()))
                .boxed())
        })
    }

    fn publish(
        &self,
        function: &'static str,
        low: Value,
    ) -> BoxFuture<'_, Result<Value, SaltError>> {
        Box::pin(self.take_call(function, low))
    }

    fn job<'a>(&'a self, jid: &'a Jid) -> BoxFuture<'a, Result<Value, SaltError>> {
        Box::pin(self.look_up(jid))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
