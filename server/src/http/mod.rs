//! The edges that speak HTTP.

mod api;
pub mod assets;
mod audit;
mod error;
mod legacy;
mod pages;
mod plain;
mod request;
mod security;

use crate::ops::Ops;
use crate::ws::live::{self, Live};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use saltpeter_app::backend::SharedBackend;
use std::sync::Arc;

/// Every route of the API port.
pub fn router(ops: &Ops, live: Live) -> Router {
    let backend: SharedBackend = Arc::new(ops.clone());
    let programs = middleware::from_fn_with_state(ops.clone(), legacy::negotiate);
    let routes = pages::router(backend)
        .layer(programs)
        .merge(audit::router(ops.clone()))
        .merge(legacy::router(ops.clone()))
        .merge(api::router(ops.clone()))
        .route("/api/{*rest}", axum::routing::any(api::no_route))
        .merge(live::router(live))
        .layer(DefaultBodyLimit::max(request::MAX_BODY));
    security::guard(routes)
}
