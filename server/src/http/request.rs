//! What requests carry.

use super::error::Refusal;
use axum::extract::{ConnectInfo, FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use saltpeter_protocol::api::{ApiError, ErrorCode};
use serde::de::DeserializeOwned;
use std::convert::Infallible;
use std::net::SocketAddr;

/// Longest body of a request, in bytes.
pub(super) const MAX_BODY: usize = 1024 * 1024;

/// Who asks, as far as known: the address, for as long as nobody signs in.
pub(super) struct By(pub(super) String);

impl<S: Sync> FromRequestParts<S> for By {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        Ok(Self(peer.map_or_else(
            || "somebody".to_owned(),
            |ConnectInfo(address)| address.ip().to_string(),
        )))
    }
}

/// A JSON body, with its error in the form of all others. An empty body stands for the default.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        let bad = |message: String| Refusal(ApiError::new(ErrorCode::BadRequest, message));
        let body = axum::body::to_bytes(request.into_body(), MAX_BODY)
            .await
            .map_err(|_| {
                bad(format!(
                    "the body cannot be read, did not come in time or is longer than {MAX_BODY} bytes"
                ))
            })?;
        let body: &[u8] = if body.is_empty() { b"{}" } else { &body };
        serde_json::from_slice(body).map(Self).map_err(|error| {
            bad(format!(
                "the body is not the JSON that this route takes: {error}"
            ))
        })
    }
}
