//! What requests carry.

use super::error::Refusal;
use crate::people::Caller;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use saltpeter_protocol::api::{ApiError, ErrorCode};
use serde::de::DeserializeOwned;

/// Longest body of a request, in bytes.
pub(super) const MAX_BODY: usize = 1024 * 1024;

/// Whoever was let in. A route that nobody was let in to is none of ours: it answers with an error.
impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| {
            let message = "this route lets in whoever comes, which is a mistake of the server";
            Refusal(ApiError::new(ErrorCode::Internal, message)).into_response()
        })
    }
}

/// The parameters of the address, with their error in the form of all others.
pub(super) struct Params<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let Query(params) = Query::from_request_parts(parts, state)
            .await
            .map_err(|error| Refusal(ApiError::new(ErrorCode::BadRequest, error.body_text())))?;
        Ok(Self(params))
    }
}

/// The variable parts of the path, with their error in the form of all others.
pub(super) struct Path<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let axum::extract::Path(path) = axum::extract::Path::from_request_parts(parts, state)
            .await
            .map_err(|error| Refusal(ApiError::new(ErrorCode::BadRequest, error.body_text())))?;
        Ok(Self(path))
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
