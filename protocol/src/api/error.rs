//! Answers that are not a success.

use serde::{Deserialize, Serialize};

/// The body of every answer that is not a success: `{"error": {...}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The error.
    pub error: ApiError,
}

/// An error for its reader.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// Stable, for programs.
    pub code: ErrorCode,
    /// What was wrong and what to do, for people.
    pub message: String,
    /// More, one sentence each (for example the problems of a text that was refused).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
}

impl ApiError {
    /// An error without details.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            details: Vec::new(),
        }
    }
}

/// What kind of error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// 404: no job of that name.
    UnknownJob,
    /// 404: no run of that name.
    UnknownRun,
    /// 404: the machine is not part of the run.
    UnknownMachine,
    /// 404: no such page or route.
    NotFound,
    /// 409: refused because of maintenance.
    Maintenance,
    /// 409: refused because an earlier run is still going and the job's policy is `skip`.
    Overlap,
    /// 409: nothing of that kind is running.
    NotRunning,
    /// 409: what was to be changed has changed meanwhile.
    Conflict,
    /// 401: nothing in the request shows who sends it.
    Unauthenticated,
    /// 403: whoever sends it may not do that.
    Forbidden,
    /// 400: the request is not well-formed.
    BadRequest,
    /// 422: the request is well-formed and its content is not acceptable.
    Invalid,
    /// 503: the server is shutting down, or a part of it is not available.
    Unavailable,
    /// 500: a fault of the server; its log says more.
    Internal,
}
