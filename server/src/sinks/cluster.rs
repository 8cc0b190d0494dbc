//! Talking to a cluster over HTTP.

use super::bulk::{self, Fate};
use crate::outbound::{self, Unread};
use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Method, RequestBuilder, StatusCode, Url};
use saltpeter_domain::Secret;
use saltpeter_domain::config::SinkAccess;
use serde_json::json;
use std::path::Path;
use std::time::Duration;

/// Longest part of an answer that is shown when it is not what was expected, in characters.
const SHOWN: usize = 300;

/// Longest answer, in bytes. One to a whole batch of documents that are all refused has far less.
const ANSWER_MAX: usize = 16 << 20;

/// Which cluster.
#[derive(Debug, Clone)]
pub(super) struct Target {
    /// `elasticsearch` or `opensearch`.
    pub(super) name: &'static str,
    pub(super) url: Secret,
    /// Prefix of the indices.
    pub(super) index: String,
    pub(super) access: SinkAccess,
}

/// A cluster that can be talked to.
pub(super) struct Cluster {
    client: Client,
    base: Url,
    key: Option<HeaderValue>,
    user: Option<(String, Option<String>)>,
    limit: Duration,
}

/// Why a request came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// The request is larger than the cluster takes.
    #[error("413: the request is larger than the cluster takes")]
    TooLarge,
    /// The cluster knows nothing of these credentials, or does not let them in.
    #[error("{0}")]
    Refused(String),
    /// The cluster has nothing at this address.
    #[error("{0}")]
    NotFound(String),
    /// Anything else. It may pass.
    #[error("{0}")]
    Other(String),
}

impl Cluster {
    /// Reads what belongs to `target`. Each request may take `limit`. The error is a sentence for the operator.
    pub(super) fn new(target: &Target, limit: Duration) -> Result<Self, Trouble> {
        let SinkAccess {
            ca, api_key_file, ..
        } = &target.access;
        let client = outbound::client(ca.as_deref().map(Path::new))
            .map_err(|error| Trouble::Other(format!("{error:#}")))?;
        let mut base = Url::parse(target.url.expose())
            .map_err(|error| Trouble::Other(format!("the address is wrong: {error}")))?;
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let user = (!base.username().is_empty())
            .then(|| (decoded(base.username()), base.password().map(decoded)));
        // An address that cannot have a user has none.
        let _ = base.set_username("");
        let _ = base.set_password(None);
        Ok(Self {
            client,
            base,
            key: api_key_file.as_deref().map(read_key).transpose()?,
            user,
            limit,
        })
    }

    /// Sends records, each with its two lines, and says what became of each.
    pub(super) async fn bulk(&self, records: &[Bytes]) -> Result<Vec<Fate>, Trouble> {
        let request = self
            .request(
                Method::POST,
                "_bulk?filter_path=items.*.status,items.*.error",
            )?
            .header(CONTENT_TYPE, "application/x-ndjson")
            .body(records.concat());
        let answer = send(request).await?;
        bulk::fates(&answer, records.len()).map_err(Trouble::Other)
    }

    /// Creates the template for the indices that begin with `prefix`, if there is none of that name.
    pub(super) async fn ensure_template(&self, prefix: &str) -> Result<(), Trouble> {
        let path = format!("_index_template/{prefix}");
        let asked = send(self.request(Method::GET, &path)?).await;
        match asked {
            Ok(_) => Ok(()),
            Err(Trouble::NotFound(_)) => {
                send(self.request(Method::PUT, &path)?.json(&template(prefix))).await?;
                tracing::info!(template = prefix, "created the index template");
                Ok(())
            }
            Err(other) => Err(other),
        }
    }

    fn request(&self, method: Method, path: &str) -> Result<RequestBuilder, Trouble> {
        let url = self
            .base
            .join(path)
            .map_err(|error| Trouble::Other(format!("the address is wrong: {error}")))?;
        let request = self.client.request(method, url).timeout(self.limit);
        Ok(match (&self.key, &self.user) {
            (Some(key), _) => request.header(AUTHORIZATION, key.clone()),
            (None, Some((user, password))) => request.basic_auth(user, password.as_ref()),
            (None, None) => request,
        })
    }
}

async fn send(request: RequestBuilder) -> Result<Bytes, Trouble> {
    let mut answer = request.send().await.map_err(unreachable)?;
    let status = answer.status();
    let body = outbound::body(&mut answer, ANSWER_MAX).await;
    let body = body.map_err(|unread| match unread {
        // What is no cluster at all, such as a proxy.
        Unread::TooLong => Trouble::Other(format!(
            "{}: the answer is longer than {} MiB",
            status.as_u16(),
            ANSWER_MAX >> 20
        )),
        Unread::Broken(error) => unreachable(error),
    })?;
    if status.is_success() {
        return Ok(body.into());
    }
    let text: String = String::from_utf8_lossy(&body).chars().take(SHOWN).collect();
    let said = format!("{}: {}", status.as_u16(), text.trim());
    Err(match status {
        StatusCode::PAYLOAD_TOO_LARGE => Trouble::TooLarge,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Trouble::Refused(format!(
            "{said} (check the user and password in the address, or the API key, and what they may write to)"
        )),
        StatusCode::NOT_FOUND => Trouble::NotFound(said),
        _ => Trouble::Other(said),
    })
}

/// The whole chain of reasons: the first alone says that a request failed, and no more.
fn unreachable(error: reqwest::Error) -> Trouble {
    Trouble::Other(format!("{:#}", anyhow::Error::new(error.without_url())))
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text)
        .decode_utf8_lossy()
        .into_owned()
}

fn read_key(path: &str) -> Result<HeaderValue, Trouble> {
    let key = std::fs::read_to_string(path)
        .map_err(|error| Trouble::Other(format!("cannot read the API key in {path}: {error}")))?;
    let mut value = HeaderValue::from_str(&format!("ApiKey {}", key.trim()))
        .map_err(|_| Trouble::Other(format!("{path} does not hold an API key")))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Names can be searched for whole under both names that dashboards use, `group` and `group.keyword`.
fn template(prefix: &str) -> serde_json::Value {
    let name = json!({ "type": "keyword", "fields": { "keyword": { "type": "keyword" } } });
    json!({
        "index_patterns": [format!("{prefix}-*")],
        "template": { "mappings": { "properties": {
            "@timestamp": { "type": "date" },
            "job_name": name,
            "group": name,
            "job_instance": name,
            "machine": name,
            "msg_type": name,
            "return_code": { "type": "integer" },
            "output": { "type": "text" },
        } } },
    })
}
