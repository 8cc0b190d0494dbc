//! The edges that speak HTTP.

pub mod assets;
mod error;
mod pages;
mod security;

use crate::VERSION;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;

/// Every route of the API port.
pub fn router() -> Router {
    let legacy = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route(
            "/version",
            get(|| async { Json(json!({ "version": VERSION })) }),
        );
    security::guard(pages::router().merge(legacy))
}
