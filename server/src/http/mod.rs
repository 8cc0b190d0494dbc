//! The edges that speak HTTP.

mod api;
pub mod assets;
mod error;
mod https;
mod legacy;
mod pages;
mod request;
mod security;

pub use https::refusal;

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
        .merge(legacy::router(ops.clone()))
        .merge(api::router(ops.clone()))
        .route("/api/{*rest}", axum::routing::any(api::no_route))
        .merge(live::router(live))
        .layer(DefaultBodyLimit::max(request::MAX_BODY));
    security::guard(routes)
}
