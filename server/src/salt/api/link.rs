//! The connection to salt-api: where it is, and one exchange over it.

use crate::outbound::{self, Unread};
use anyhow::{Context as _, Result};
use bytes::Bytes;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url};
use std::path::Path;

/// The longest answer that is taken.
const ANSWER_MAX: usize = 64 << 20;

/// Where salt-api is, and the client that keeps connections to it.
#[derive(Debug, Clone)]
pub(super) struct Link {
    client: Client,
    base: Url,
}

/// A whole answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    /// The request was not even sent.
    #[error(
        "cannot reach salt-api at {at}: {why}; is it running, and are salt_api_url and salt_api_ca right?"
    )]
    Unsent { at: String, why: String },
    /// The connection broke, or the answer was too long.
    #[error("the connection to salt-api at {at} broke: {why}")]
    Broken { at: String, why: String },
}

impl Link {
    /// A link to `url`; `ca` is a file of authorities to trust besides the host's.
    pub(super) fn new(url: &str, ca: Option<&Path>) -> Result<Self> {
        let mut base = Url::parse(url).context("salt_api_url is not an address")?;
        if !base.path().ends_with('/') {
            let path = format!("{}/", base.path());
            base.set_path(&path);
        }
        let client = outbound::client(ca)?;
        Ok(Self { client, base })
    }

    /// The address, without anything secret.
    pub(super) fn shown(&self) -> String {
        let mut url = self.base.clone();
        // It fails for addresses that cannot have them.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.as_str().trim_end_matches('/').to_owned()
    }

    /// A request for `path` below the address.
    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path()));
        self.client
            .request(method, url)
            .header(reqwest::header::ACCEPT, "application/json")
    }

    /// Sends a request and waits for the answer's head.
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Response, LinkError> {
        request.send().await.map_err(|error| {
            if error.is_connect() || error.is_builder() {
                LinkError::Unsent {
                    at: self.shown(),
                    why: root_cause(error),
                }
            } else {
                self.broken(error)
            }
        })
    }

    /// Sends a request and reads the whole answer.
    pub(super) async fn exchange(&self, request: RequestBuilder) -> Result<Answer, LinkError> {
        let response = self.send(request).await?;
        self.whole(response).await
    }

    /// Reads an answer to its end.
    pub(super) async fn whole(&self, mut response: Response) -> Result<Answer, LinkError> {
        let status = response.status();
        let body = outbound::body(&mut response, ANSWER_MAX).await;
        let body = body.map_err(|unread| match unread {
            Unread::TooLong => LinkError::Broken {
                at: self.shown(),
                why: format!("its answer is longer than {} MiB", ANSWER_MAX >> 20),
            },
            Unread::Broken(error) => self.broken(error),
        })?;
        Ok(Answer {
            status,
            body: body.into(),
        })
    }

    fn broken(&self, error: reqwest::Error) -> LinkError {
        LinkError::Broken {
            at: self.shown(),
            why: root_cause(error),
        }
    }
}

/// The innermost reason, which is the one that says something: "Connection refused", "invalid peer certificate".
fn root_cause(error: reqwest::Error) -> String {
    let error = anyhow::Error::from(error.without_url());
    error.root_cause().to_string()
}
