//! Logging in at a provider: the way there, and the way back. Both are links that a browser follows, and what they carry is
//! good for nothing without the cookie of the browser that began.

use super::super::cookie;
use super::super::gate::{Gate, own_address, see_other};
use super::door::{LoginPage, begin as begin_session, status};
use crate::people::Refused;
use crate::people::oidc::{Answer, OidcRefused};
use axum::Router;
use axum::extract::{Query, Request, State};
use axum::response::Response;
use axum::routing::get;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

const BEGIN: &str = "/login/oidc";

pub(super) fn router() -> Router<Gate> {
    Router::new()
        .route(BEGIN, get(begin))
        .route("/login/oidc/callback", get(finish))
}

/// Where a login begins after which one goes to `next`.
pub(super) fn address(next: &str) -> String {
    match own_address(next) {
        "/" => BEGIN.to_owned(),
        next => format!(
            "{BEGIN}?next={}",
            utf8_percent_encode(next, NON_ALPHANUMERIC)
        ),
    }
}

#[derive(Debug, Default, Deserialize)]
struct Next {
    #[serde(default)]
    next: String,
}

async fn begin(State(gate): State<Gate>, request: Request) -> Response {
    let Some(oidc) = gate.oidc() else {
        return see_other("/login");
    };
    let encrypted = cookie::is_encrypted(&request);
    let next = Query::<Next>::try_from_uri(request.uri());
    let next = next.map(|Query(next)| next.next).unwrap_or_default();
    let next = own_address(&next);
    match oidc.begin(next, &gate.visitor(&request)).await {
        Ok(begun) => {
            let mut response = see_other(&begun.location);
            cookie::set_oidc(&mut response, &begun.browser, encrypted);
            response
        }
        Err(refused) => refusal(&gate, &refused, next),
    }
}

async fn finish(State(gate): State<Gate>, request: Request) -> Response {
    let Some(oidc) = gate.oidc() else {
        return see_other("/login");
    };
    let encrypted = cookie::is_encrypted(&request);
    let visitor = gate.visitor(&request);
    // What cannot be read is as good as an answer to no login.
    let answer = Query::<Answer>::try_from_uri(request.uri());
    let answer = answer.map(|Query(answer)| answer).unwrap_or_default();
    let browser = cookie::oidc(request.headers()).unwrap_or_default();
    let mut response = match oidc.finish(answer, &browser, &visitor).await {
        Ok((login, next)) => begin_session(&login, own_address(&next), encrypted),
        // Another site may have led here, while a login is under way.
        Err(refused @ Refused::Elsewhere(OidcRefused::Stale(_))) => {
            return refusal(&gate, &refused, "/");
        }
        Err(refused) => refusal(&gate, &refused, "/"),
    };
    cookie::clear_oidc(&mut response, encrypted);
    response
}

fn refusal(gate: &Gate, refused: &Refused, next: &str) -> Response {
    let message = refused.to_string();
    let page = LoginPage {
        message: Some(&message),
        next,
        ..LoginPage::of(gate)
    };
    page.render(status(refused))
}
