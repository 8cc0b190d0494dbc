//! What the API's port says over plain HTTP when it has a certificate.

use axum::Router;
use axum::extract::Request;
use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Redirect, Response};
use saltpeter_protocol::api::{ApiError, ErrorCode};

const WANTS_TLS: &str = "this port wants TLS: ask by https://";

/// Sends browsers to the same page over HTTPS, and tells everybody else what is wrong. Nothing that came is acted on:
/// it could be read and changed on the way.
pub fn refusal() -> Router {
    super::security::guard(Router::new().fallback(answer))
}

async fn answer(request: Request) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    match secure_address(&request) {
        Some(address) if reads => Redirect::permanent(&address).into_response(),
        _ => {
            let error = ApiError::new(ErrorCode::BadRequest, WANTS_TLS);
            let mut response = super::error::Refusal(error).into_response();
            *response.status_mut() = StatusCode::UPGRADE_REQUIRED;
            response
        }
    }
}

/// The same address over HTTPS, for a client that says under which name it has come.
fn secure_address(request: &Request) -> Option<String> {
    let host = request.headers().get(HOST)?.to_str().ok()?;
    let host: Authority = host.parse().ok()?;
    let path = request.uri().path_and_query()?;
    Some(format!("https://{host}{path}"))
}
