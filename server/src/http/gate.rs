//! The gate: nobody gets to a route behind it without showing who they are.

use super::error::Refusal;
use super::{cookie, security};
use crate::ops::Ops;
use crate::people::oidc::Oidc;
use crate::people::{People, Presented, Visitor};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{
    ACCEPT, AUTHORIZATION, HeaderValue, LOCATION, RETRY_AFTER, USER_AGENT, WWW_AUTHENTICATE,
};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use saltpeter_domain::config::AuthProxy;
use saltpeter_protocol::api::{ApiError, ErrorCode};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Where a proxy says whom it asks for.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// What stands in an address's query as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'_')
    .remove(b'.');

/// What the gate knows.
#[derive(Clone)]
pub(super) struct Gate {
    people: People,
    oidc: Option<Oidc>,
    proxy: Option<Arc<AuthProxy>>,
}

impl Gate {
    pub(super) fn new(ops: &Ops) -> Self {
        Self {
            people: ops.people().clone(),
            oidc: ops.oidc().cloned(),
            proxy: ops.auth_proxy().cloned().map(Arc::new),
        }
    }

    /// Who may come in.
    pub(super) fn people(&self) -> &People {
        &self.people
    }

    /// The provider at which people log in, if there is one.
    pub(super) fn oidc(&self) -> Option<&Oidc> {
        self.oidc.as_ref()
    }

    /// Whoever is at the door, known or not.
    pub(super) fn visitor(&self, request: &Request) -> Visitor {
        let agent = request.headers().get(USER_AGENT);
        let agent = agent.and_then(|agent| agent.to_str().ok());
        Visitor {
            from: self.address(request),
            agent: agent.unwrap_or_default().to_owned(),
        }
    }

    /// The address that a request comes from: of the last one before the proxy, where that is one that is believed.
    fn address(&self, request: &Request) -> Option<IpAddr> {
        let peer = peer(request)?;
        let Some(proxy) = self.proxy_at(peer) else {
            return Some(peer);
        };
        let forwarded = request.headers().get_all(FORWARDED_FOR).iter();
        let forwarded: Vec<&str> = forwarded
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .collect();
        // The proxies' own words stand last. Before the first that is none of theirs, or is not understood, anybody may
        // have written anything.
        let mut addresses = forwarded.into_iter().rev().map(|text| {
            let address: Option<IpAddr> = text.trim().parse().ok();
            address.map(|address| address.to_canonical())
        });
        addresses
            .find(|address| address.is_none_or(|address| !is_from(proxy, address)))
            .flatten()
            .or(Some(peer))
    }

    /// The name that the proxy gives. Whoever else sends the header is not believed; two names are none.
    fn proxied(&self, request: &Request) -> Option<String> {
        let proxy = self.proxy_at(peer(request)?)?;
        let mut names = request.headers().get_all(&proxy.header).iter();
        let (Some(name), None) = (names.next(), names.next()) else {
            return None;
        };
        name.to_str().ok().map(str::to_owned)
    }

    /// The proxy, when this is its address.
    fn proxy_at(&self, peer: IpAddr) -> Option<&AuthProxy> {
        self.proxy.as_deref().filter(|proxy| is_from(proxy, peer))
    }

    /// What this request brings along to show who sends it.
    pub(super) fn presented(&self, request: &Request) -> Presented {
        Presented {
            session: cookie::session(request.headers()),
            token: bearer(request.headers()),
            proxied: self.proxied(request),
            from: self.address(request),
        }
    }
}

fn is_from(proxy: &AuthProxy, address: IpAddr) -> bool {
    proxy.from.iter().any(|network| network.contains(address))
}

fn peer(request: &Request) -> Option<IpAddr> {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    peer.map(|ConnectInfo(peer)| peer.ip().to_canonical())
}

/// Lets in those who are known, and turns the others away.
pub(super) async fn admit(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    let caller = match gate.people.identify(gate.presented(&request)).await {
        Ok(Some(caller)) => caller,
        Ok(None) => return turn_away(&request),
        Err(error) => return Refusal(error.into()).into_response(),
    };
    // Another site can make a browser send its cookie. Programs have tokens, which no browser sends by itself.
    if caller.is_sent_by_browsers()
        && security::matters(request.method(), request.headers())
        && !security::is_own(request.headers(), security::over(&request))
    {
        let message = "the request does not say that it comes from a page of the dashboard; programs use an API token";
        return Refusal(ApiError::new(ErrorCode::Forbidden, message)).into_response();
    }
    request.extensions_mut().insert(caller);
    next.run(request).await
}

/// People are led to the login page, programs get an error.
fn turn_away(request: &Request) -> Response {
    if wants_page(request) {
        let from = request.uri().path_and_query();
        let from = from.map_or("/", |from| from.as_str());
        return see_other(&login_address(from));
    }
    let message = if request.headers().contains_key(AUTHORIZATION) {
        "this API token is not valid: it has expired, has been removed, or never was one"
    } else {
        "log in first; programs send `Authorization: Bearer TOKEN`, with a token from `saltpeter token add`"
    };
    let mut response = Refusal(ApiError::new(ErrorCode::Unauthenticated, message)).into_response();
    let scheme = HeaderValue::from_static("Bearer");
    response.headers_mut().insert(WWW_AUTHENTICATE, scheme);
    response
}

/// Whether this is a person's browser that goes to a page.
fn wants_page(request: &Request) -> bool {
    let headers = request.headers();
    let accepts = headers.get_all(ACCEPT).iter();
    let takes_pages = accepts
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.contains("text/html"));
    matches!(*request.method(), Method::GET | Method::HEAD)
        && takes_pages
        && !request.uri().path().starts_with("/api/")
        && !headers.contains_key(AUTHORIZATION)
}

/// The address of the login page for somebody who wanted to go to `next`.
pub(super) fn login_address(next: &str) -> String {
    if next == "/" {
        "/login".to_owned()
    } else {
        format!("/login?next={}", utf8_percent_encode(next, PLAIN))
    }
}

/// Where to go after the login: `next`, if it is an address of this server and of nothing else.
pub(super) fn own_address(next: &str) -> &str {
    let is_path = next.starts_with('/') && !next.starts_with("//");
    // Browsers take a backslash for a slash, and pass over control characters.
    let is_plain = next
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if is_path && is_plain { next } else { "/" }
}

/// Leads on to another page, by GET.
pub(super) fn see_other(to: &str) -> Response {
    let location = HeaderValue::from_str(to).unwrap_or(HeaderValue::from_static("/"));
    (StatusCode::SEE_OTHER, [(LOCATION, location)]).into_response()
}

/// Says when to try again.
pub(super) fn retry_after(response: &mut Response, seconds: u64) {
    response
        .headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from(seconds));
}

/// The token of an `Authorization: Bearer` header. A header of another kind is a token that nobody has: whoever sends one
/// is not let in as somebody else.
fn bearer(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(AUTHORIZATION)?;
    let parts = value.to_str().ok().and_then(|value| value.split_once(' '));
    let token = parts
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim().to_owned());
    Some(token.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_the_login_one_stays_on_this_server() {
        for good in ["/", "/runs/a_1?machine=web%231", "/jobs/x"] {
            assert_eq!(own_address(good), good);
        }
        for bad in [
            "",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "javascript:alert(1)",
            "/\t/evil.example",
            "/a b",
            "/ž",
        ] {
            assert_eq!(own_address(bad), "/", "{bad:?}");
        }
        assert_eq!(
            login_address("/runs/a_1?machine=web%231&x=<b>"),
            "/login?next=/runs/a_1%3Fmachine%3Dweb%25231%26x%3D%3Cb%3E"
        );
    }

    #[test]
    fn an_authorization_of_another_kind_is_no_token_and_no_absence_of_one() {
        let with = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, HeaderValue::from_static(value));
            bearer(&headers)
        };
        assert_eq!(bearer(&HeaderMap::new()), None);
        assert_eq!(with("Bearer abc").as_deref(), Some("abc"));
        assert_eq!(with("bearer  abc ").as_deref(), Some("abc"));
        assert_eq!(with("Basic YTpi").as_deref(), Some(""));
        assert_eq!(with("abc").as_deref(), Some(""));
    }
}
