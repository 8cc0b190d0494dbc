//! Errors as HTTP answers.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use saltpeter_protocol::api::{ApiError, ErrorBody, ErrorCode};

/// An [`ApiError`] on its way out.
#[derive(Debug)]
pub(super) struct Refusal(pub(super) ApiError);

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self(error)
    }
}

/// What a handler answers.
pub(super) type Answer<T> = Result<T, Refusal>;

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        if self.0.code == ErrorCode::Internal {
            tracing::error!("a request failed: {}", self.0);
        }
        let status = status(self.0.code);
        (status, Json(ErrorBody { error: self.0 })).into_response()
    }
}

/// The status that goes with a code.
fn status(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::UnknownJob
        | ErrorCode::UnknownRun
        | ErrorCode::UnknownMachine
        | ErrorCode::NotFound => StatusCode::NOT_FOUND,
        ErrorCode::Maintenance
        | ErrorCode::Overlap
        | ErrorCode::NotRunning
        | ErrorCode::Conflict => StatusCode::CONFLICT,
        ErrorCode::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorCode::Forbidden => StatusCode::FORBIDDEN,
        ErrorCode::BadRequest => StatusCode::BAD_REQUEST,
        ErrorCode::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
