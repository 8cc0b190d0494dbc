//! What keeps other web sites out of the dashboard.

use axum::Router;
use axum::extract::Request;
use axum::http::header::{
    CONTENT_SECURITY_POLICY, HOST, HeaderName, HeaderValue, ORIGIN, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, Method};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use saltpeter_protocol::api::{ApiError, ErrorCode};

/// For answers that are no pages: nothing in them may run or be framed.
const STRICT: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// The policy of a page whose inline scripts carry `nonce`.
pub(super) fn page_policy(nonce: &str) -> String {
    // Virtualised lists place their rows with style attributes, which have no nonce.
    format!(
        "default-src 'self'; script-src 'self' 'nonce-{nonce}' 'wasm-unsafe-eval'; \
         style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; \
         base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
}

/// Adds the headers to every answer, and refuses what another site makes a visitor's browser send.
pub(super) fn guard(router: Router) -> Router {
    router.layer(middleware::from_fn(apply))
}

async fn apply(request: Request, next: Next) -> Response {
    let mut response = if is_foreign(request.method(), request.headers()) {
        let message = "the request comes from a page of another site; open the dashboard itself";
        super::error::Refusal(ApiError::new(ErrorCode::BadRequest, message)).into_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value| {
        headers.entry(name).or_insert(value);
    };
    set(CONTENT_SECURITY_POLICY, STRICT);
    set(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    set(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    set(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    response
}

/// Whether a browser sends this on behalf of another site. Reading needs no check (the browser keeps
/// the answer from that site), but for the socket, to which that rule does not apply.
fn is_foreign(method: &Method, headers: &HeaderMap) -> bool {
    let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    if reads && !headers.contains_key("sec-websocket-key") {
        return false;
    }
    let Some(origin) = headers.get(ORIGIN) else {
        // Programs send none; a browser says where it comes from in this header too.
        return headers
            .get("sec-fetch-site")
            .is_some_and(|site| site == "cross-site");
    };
    let authority = origin
        .to_str()
        .ok()
        .and_then(|origin| origin.split_once("://"))
        .map(|(_, authority)| authority);
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    authority.is_none() || authority != host
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|&(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    #[test]
    fn only_the_dashboards_own_pages_may_change_things() {
        let own = headers(&[("host", "sp:8888"), ("origin", "http://sp:8888")]);
        let other = headers(&[("host", "sp:8888"), ("origin", "https://evil.example")]);
        let opaque = headers(&[("host", "sp:8888"), ("origin", "null")]);
        let program = headers(&[("host", "sp:8888")]);
        for (headers, foreign) in [
            (&own, false),
            (&program, false),
            (&other, true),
            (&opaque, true),
        ] {
            assert_eq!(is_foreign(&Method::POST, headers), foreign, "{headers:?}");
            assert!(!is_foreign(&Method::GET, headers));
        }
        let mut socket = other;
        socket.insert("sec-websocket-key", HeaderValue::from_static("x"));
        assert!(is_foreign(&Method::GET, &socket));
    }
}
