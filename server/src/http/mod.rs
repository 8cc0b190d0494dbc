//! The edges that speak HTTP.

mod api;
pub mod assets;
mod cookie;
mod editor;
mod error;
mod finish;
mod gate;
mod https;
mod legacy;
mod output;
mod pages;
mod people;
mod request;
mod security;

pub use https::refusal;

use crate::lifecycle::Lifecycle;
use crate::ops::Ops;
use crate::ws::live::{self, Live};
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware;
use axum::response::Response;
use gate::Gate;
use saltpeter_app::backend::SharedBackend;
use std::convert::Infallible;
use std::sync::Arc;
use tower::ServiceExt as _;

/// Every route of the API port. What is not named here as open is behind the gate.
pub fn router(ops: &Ops, live: Live, life: Lifecycle) -> Router {
    let backend: SharedBackend = Arc::new(ops.clone());
    let gate = Gate::new(ops);
    let programs = middleware::from_fn_with_state(ops.clone(), legacy::negotiate);
    let behind = pages::router(backend)
        .layer(programs)
        .merge(legacy::router(ops.clone()))
        .merge(api::router(ops.clone()))
        .route("/api/{*rest}", axum::routing::any(api::no_route))
        .merge(live::router(live))
        .merge(people::router(ops))
        .layer(middleware::from_fn_with_state(gate.clone(), gate::admit));
    // The static files are the same for everybody, and the login page needs some of them.
    let open = legacy::health(ops.clone())
        .merge(people::door(gate))
        .fallback(async move |request: Request| {
            let path = request.uri().path();
            match assets::respond(request.method(), path, request.headers()) {
                Some(file) => file,
                None => into_response(behind.oneshot(request).await),
            }
        })
        .layer(DefaultBodyLimit::max(request::MAX_BODY))
        .layer(middleware::from_fn_with_state(life, finish::finish));
    security::guard(open)
}

fn into_response(answer: Result<Response, Infallible>) -> Response {
    match answer {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
