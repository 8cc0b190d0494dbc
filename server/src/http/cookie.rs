//! Cookies: the session's, the one behind the link that makes the first admin, and the one of a login at a provider.

use super::security;
use crate::people::{FIRST_LINK_GOOD_FOR, oidc};
use crate::tls::Transport;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::http::header::{COOKIE, HeaderValue, ORIGIN, SET_COOKIE};
use axum::response::Response;
use saltpeter_domain::Secret;
use saltpeter_domain::access::session;
use std::time::Duration;

const SESSION: &str = "saltpeter_session";
const FIRST: &str = "saltpeter_first";
const OIDC: &str = "saltpeter_oidc";

/// Browsers take a cookie whose name begins so from its own host alone, and over TLS alone.
const HOST_PREFIX: &str = "__Host-";

/// Whether the browser reached this server over TLS: here, or at the proxy in front of it. Nobody gains by saying so
/// wrongly: their own browser would not send the cookie back.
pub(super) fn is_encrypted(request: &Request) -> bool {
    let headers = request.headers();
    let says = |name: &str, begins: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.is_some_and(|value| value.starts_with(begins))
    };
    security::over(request) == Transport::Tls
        || says("x-forwarded-proto", "https")
        || says(ORIGIN.as_str(), "https://")
}

/// The key of the session.
pub(super) fn session(headers: &HeaderMap) -> Option<String> {
    find(headers, SESSION)
}

/// The key behind the first link.
pub(super) fn first(headers: &HeaderMap) -> Option<String> {
    find(headers, FIRST)
}

/// The key of the login that is under way at a provider.
pub(super) fn oidc(headers: &HeaderMap) -> Option<String> {
    find(headers, OIDC)
}

/// Gives the browser the key of the login that it begins at a provider.
pub(super) fn set_oidc(response: &mut Response, key: &Secret, encrypted: bool) {
    set(response, OIDC, key.expose(), oidc::GOOD_FOR, encrypted);
}

/// Takes that key away.
pub(super) fn clear_oidc(response: &mut Response, encrypted: bool) {
    set(response, OIDC, "", Duration::ZERO, encrypted);
}

/// Gives the browser the key of its session.
pub(super) fn set_session(response: &mut Response, key: &Secret, encrypted: bool) {
    set(response, SESSION, key.expose(), session::LONGEST, encrypted);
}

/// Gives the browser the key to the form that makes the first admin.
pub(super) fn set_first(response: &mut Response, key: &Secret, encrypted: bool) {
    set(
        response,
        FIRST,
        key.expose(),
        FIRST_LINK_GOOD_FOR,
        encrypted,
    );
}

/// Takes the key of the session away.
pub(super) fn clear_session(response: &mut Response, encrypted: bool) {
    set(response, SESSION, "", Duration::ZERO, encrypted);
}

/// Takes the key behind the first link away.
pub(super) fn clear_first(response: &mut Response, encrypted: bool) {
    set(response, FIRST, "", Duration::ZERO, encrypted);
}

fn find(headers: &HeaderMap, name: &str) -> Option<String> {
    let all = headers.get_all(COOKIE).iter();
    let all: Vec<(&str, &str)> = all
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .collect();
    let with_prefix = format!("{HOST_PREFIX}{name}");
    // One that only this host can have set goes before one that a neighbour may have.
    let value = |name: &str| all.iter().find(|(known, _)| *known == name);
    let (_, value) = value(&with_prefix).or_else(|| value(name))?;
    (!value.is_empty()).then(|| (*value).to_owned())
}

fn set(response: &mut Response, name: &str, value: &str, age: Duration, encrypted: bool) {
    let (prefix, secure) = if encrypted {
        (HOST_PREFIX, "; Secure")
    } else {
        ("", "")
    };
    let age = age.as_secs();
    let cookie =
        format!("{prefix}{name}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{secure}");
    // Names and keys are plain.
    if let Ok(mut cookie) = HeaderValue::from_str(&cookie) {
        cookie.set_sensitive(true);
        response.headers_mut().append(SET_COOKIE, cookie);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    fn request(pairs: &[(&str, &str)]) -> Request {
        let mut request = Request::builder();
        for (name, value) in pairs {
            request = request.header(*name, *value);
        }
        request.body(Body::empty()).unwrap()
    }

    #[test]
    fn the_hosts_own_cookie_goes_first() {
        let of = |cookies| session(request(&[("cookie", cookies)]).headers());
        assert_eq!(of("a=b"), None);
        assert_eq!(of("a=b; saltpeter_session=k1; c=d").as_deref(), Some("k1"));
        let both = "saltpeter_session=toss; __Host-saltpeter_session=own";
        assert_eq!(of(both).as_deref(), Some("own"));
        assert_eq!(of("saltpeter_session="), None);
    }

    #[test]
    fn a_cookie_is_out_of_reach_of_scripts_and_of_plain_connections() {
        let encrypted = [("x-forwarded-proto", "https"), ("origin", "https://sp")];
        for pair in encrypted {
            assert!(is_encrypted(&request(&[pair])), "{pair:?}");
        }
        assert!(!is_encrypted(&request(&[("origin", "http://sp:8888")])));
        let mut response = Response::new(Body::empty());
        set_session(&mut response, &Secret::new("k"), true);
        set_session(&mut response, &Secret::new("k"), false);
        let cookies: Vec<&str> = response
            .headers()
            .get_all(SET_COOKIE)
            .iter()
            .map(|value| value.to_str().unwrap())
            .collect();
        assert_eq!(
            cookies,
            [
                "__Host-saltpeter_session=k; Path=/; Max-Age=604800; HttpOnly; SameSite=Lax; Secure",
                "saltpeter_session=k; Path=/; Max-Age=604800; HttpOnly; SameSite=Lax",
            ]
        );
    }
}
