//! What keeps other web sites out of the dashboard.

use crate::tls::Transport;
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

/// Where a browser says how a request's page is related to this server.
const SEC_FETCH_SITE: &str = "sec-fetch-site";

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

/// The policy of the pages that are plain forms. Their only scripts are those for the theme and for the zone of times.
pub(super) const FORM_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; form-action 'self'; \
     base-uri 'none'; frame-ancestors 'none'",
);

/// Adds the headers to every answer, and refuses what another site makes a visitor's browser send.
pub(super) fn guard(router: Router) -> Router {
    router.layer(middleware::from_fn(apply))
}

async fn apply(request: Request, next: Next) -> Response {
    let over = over(&request);
    let mut response = if is_foreign(request.method(), request.headers(), over) {
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

/// Whether it matters who makes a browser send this. Reading does not (the browser keeps the answer from other
/// sites), but for the socket, to which that rule does not apply.
pub(super) fn matters(method: &Method, headers: &HeaderMap) -> bool {
    let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    !reads || headers.contains_key("sec-websocket-key")
}

/// Whether a browser sends this on behalf of another site. Programs say nothing of where they come from.
fn is_foreign(method: &Method, headers: &HeaderMap, over: Transport) -> bool {
    matters(method, headers)
        && !is_own(headers, over)
        && (headers.contains_key(ORIGIN)
            || headers
                .get(SEC_FETCH_SITE)
                .is_some_and(|site| site == "cross-site"))
}

/// What carries a request.
pub(super) fn over(request: &Request) -> Transport {
    let over = request.extensions().get().copied();
    over.unwrap_or(Transport::Plain)
}

/// Whether this says that it comes from a page of this very server, as browsers do with every form and every call of a
/// script. No page of another site can make one say so. What comes over TLS must not come from a page in plain text,
/// even of this host: anybody on the way can have written that.
pub(super) fn is_own(headers: &HeaderMap, over: Transport) -> bool {
    let Some(origin) = headers.get(ORIGIN) else {
        return headers
            .get(SEC_FETCH_SITE)
            .is_some_and(|site| site == "same-origin");
    };
    let origin = origin.to_str().ok();
    let Some((scheme, authority)) = origin.and_then(|origin| origin.split_once("://")) else {
        return false;
    };
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    Some(authority) == host && (over == Transport::Plain || scheme == "https")
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
            assert_eq!(
                is_foreign(&Method::POST, headers, Transport::Plain),
                foreign,
                "{headers:?}"
            );
            assert!(!is_foreign(&Method::GET, headers, Transport::Plain));
        }
        let fetched = headers(&[("host", "sp:8888"), ("sec-fetch-site", "same-origin")]);
        let crossed = headers(&[("host", "sp:8888"), ("sec-fetch-site", "cross-site")]);
        let neighbour = headers(&[("host", "sp:8888"), ("origin", "http://sp:9999")]);
        for foreign in [&crossed, &neighbour] {
            assert!(is_foreign(&Method::POST, foreign, Transport::Plain));
        }
        for (headers, is_ours) in [
            (&own, true),
            (&fetched, true),
            // Cookies and names that a proxy vouches for are not enough of themselves.
            (&program, false),
            (&other, false),
            (&opaque, false),
            (&crossed, false),
            (&neighbour, false),
        ] {
            assert_eq!(is_own(headers, Transport::Plain), is_ours, "{headers:?}");
        }
        let mut socket = other;
        socket.insert("sec-websocket-key", HeaderValue::from_static("x"));
        assert!(is_foreign(&Method::GET, &socket, Transport::Plain));
    }

    #[test]
    fn what_comes_over_tls_does_not_come_from_a_page_in_plain_text() {
        let plain = headers(&[("host", "sp:8888"), ("origin", "http://sp:8888")]);
        let secure = headers(&[("host", "sp:8888"), ("origin", "https://sp:8888")]);
        assert!(is_foreign(&Method::POST, &plain, Transport::Tls));
        assert!(!is_foreign(&Method::POST, &secure, Transport::Tls));
        // A proxy in between speaks TLS for this server.
        assert!(!is_foreign(&Method::POST, &secure, Transport::Plain));
    }
}
