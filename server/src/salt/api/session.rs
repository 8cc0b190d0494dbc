//! Being logged in: one token for all calls, renewed in time, with one login at a time.

use super::link::Link;
use super::refusal;
use crate::salt::SaltError;
use crate::salt::backoff::Backoff;
use reqwest::{Method, StatusCode};
use saltpeter_domain::Secret;
use serde::Deserialize;
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How long a login may take.
const LOGIN_LIMIT: Duration = Duration::from_secs(10);
/// A token is renewed when a tenth of its life, or this much, is left.
const SPARE_MAX: Duration = Duration::from_mins(5);
/// A token is renewed after this much in any case.
const LIFE_MAX: Duration = Duration::from_hours(24);
/// After a login that failed others wait, so that no account is locked for it.
const LOGIN_BACKOFF: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));

/// Who logs in.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The user.
    pub user: String,
    /// The kind of Salt's external authentication.
    pub eauth: String,
    /// Where the password is.
    pub password: Password,
}

/// Where the password is.
#[derive(Debug, Clone)]
pub enum Password {
    /// In a file, whose last line break does not count. It is read at each login.
    File(PathBuf),
    /// As it was in the environment.
    Given(Secret),
}

impl Password {
    /// Reads it.
    fn read(&self) -> Result<Secret, SaltError> {
        match self {
            Self::Given(secret) => Ok(secret.clone()),
            Self::File(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| {
                    let shown = path.display();
                    SaltError::Refused(format!(
                        "cannot read salt_api_password_file {shown}: {error}"
                    ))
                })?;
                let text = text.strip_suffix('\n').unwrap_or(&text);
                let text = text.strip_suffix('\r').unwrap_or(text);
                Ok(Secret::new(text))
            }
        }
    }

    /// What an operator looks at when it is wrong.
    fn place(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Given(_) => super::PASSWORD_VARIABLE.to_owned(),
        }
    }
}

/// A token of salt-api's.
#[derive(Debug, Clone)]
pub(super) struct Token {
    text: Arc<Secret>,
    renew_at: Instant,
}

impl Token {
    pub(super) fn expose(&self) -> &str {
        self.text.expose()
    }
}

/// The login and its token.
#[derive(Debug)]
pub(super) struct Session {
    link: Link,
    credentials: Credentials,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    token: Option<Token>,
    backoff: Backoff,
    /// Until when a login is not tried again, and why the last one failed.
    failed: Option<(Instant, SaltError)>,
}

impl Session {
    pub(super) fn new(link: Link, credentials: Credentials) -> Self {
        let state = State {
            token: None,
            backoff: LOGIN_BACKOFF,
            failed: None,
        };
        Self {
            link,
            credentials,
            state: Mutex::new(state),
        }
    }

    pub(super) fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// A token that is good for a while. Callers share one login.
    pub(super) async fn token(&self) -> Result<Token, SaltError> {
        let mut state = self.state.lock().await;
        match &state.token {
            Some(token) if Instant::now() < token.renew_at => Ok(token.clone()),
            _ => self.login(&mut state).await,
        }
    }

    /// A token other than `refused`, which salt-api no longer knows.
    pub(super) async fn other_than(&self, refused: &Token) -> Result<Token, SaltError> {
        let mut state = self.state.lock().await;
        match &state.token {
            Some(token) if !Arc::ptr_eq(&token.text, &refused.text) => Ok(token.clone()),
            _ => self.login(&mut state).await,
        }
    }

    async fn login(&self, state: &mut State) -> Result<Token, SaltError> {
        if let Some((until, error)) = &state.failed
            && Instant::now() < *until
        {
            return Err(error.clone());
        }
        state.token = None;
        match self.fresh_token().await {
            Ok(token) => {
                state.backoff.reset();
                state.failed = None;
                state.token = Some(token.clone());
                Ok(token)
            }
            Err(error) => {
                let wait = state.backoff.next_wait();
                state.failed = Some((Instant::now() + wait, error.clone()));
                Err(error)
            }
        }
    }

    async fn fresh_token(&self) -> Result<Token, SaltError> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(rename = "return")]
            logins: Vec<Login>,
        }
        #[derive(Deserialize)]
        struct Login {
            token: String,
            start: f64,
            expire: f64,
        }

        let Credentials {
            user,
            eauth,
            password,
        } = &self.credentials;
        let at = self.link.shown();
        let body = json!({
            "username": user,
            "password": password.read()?.expose(),
            "eauth": eauth,
        });
        let asked_at = Instant::now();
        // Without the old token: salt-api would put the new login in the old one's session.
        let request = self.link.request(Method::POST, "login").json(&body);
        let limited = tokio::time::timeout(LOGIN_LIMIT, self.link.exchange(request));
        let answer = match limited.await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(SaltError::Away(error.to_string())),
            Err(_) => {
                return Err(SaltError::Away(format!(
                    "salt-api at {at} did not answer a login within {} s; is the Salt master running?",
                    LOGIN_LIMIT.as_secs()
                )));
            }
        };
        if answer.status == StatusCode::UNAUTHORIZED {
            let place = password.place();
            return Err(SaltError::Refused(format!(
                "salt-api at {at} refused the login of {user} by {eauth}; check salt_api_user, salt_api_eauth and the password in {place}"
            )));
        }
        if !answer.status.is_success() {
            let why = refusal::explanation(&answer.text());
            let told = format!(
                "salt-api at {at} answered a login with {}: {why}",
                answer.status
            );
            return Err(if refusal::is_passing(answer.status) {
                SaltError::Away(told)
            } else {
                SaltError::Refused(told)
            });
        }
        let login = serde_json::from_slice::<Answer>(&answer.body)
            .ok()
            .and_then(|answer| answer.logins.into_iter().next())
            .ok_or_else(|| {
                SaltError::Refused(format!(
                    "{at} did not answer a login as salt-api does; check salt_api_url"
                ))
            })?;
        // By this host's own clock: Salt's may be another.
        let life = Duration::try_from_secs_f64(login.expire - login.start).unwrap_or_default();
        let life = life.min(LIFE_MAX);
        Ok(Token {
            text: Arc::new(Secret::new(login.token)),
            renew_at: asked_at + life.saturating_sub(SPARE_MAX.min(life / 10)),
        })
    }
}
