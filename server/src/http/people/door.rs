//! In front of the gate: the login page, and the one behind the link that makes the first admin.

use super::super::gate::{Gate, own_address, retry_after, see_other};
use super::super::{cookie, security};
use super::Fields;
use super::oidc;
use super::page::Page;
use crate::people::oidc::{Oidc, OidcRefused};
use crate::people::{Login, Refused, Visitor};
use axum::Router;
use axum::extract::{FromRequest as _, Query, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use maud::{Markup, html};
use saltpeter_app::format::sentence;
use saltpeter_domain::Secret;
use saltpeter_domain::access::password::SHORTEST;
use serde::Deserialize;

pub(in super::super) fn router(gate: Gate) -> Router {
    Router::new()
        .route("/login", get(show_login).post(log_in))
        .route("/welcome", get(open_first).post(make_first))
        .merge(oidc::router())
        .with_state(gate)
}

#[derive(Debug, Default, Deserialize)]
struct Next {
    #[serde(default)]
    next: String,
}

#[derive(Deserialize)]
struct Credentials {
    name: String,
    password: String,
    #[serde(default)]
    next: String,
}

#[derive(Debug, Default, Deserialize)]
struct Code {
    code: Option<String>,
}

#[derive(Deserialize)]
struct FirstAdmin {
    name: String,
    password: String,
    again: String,
}

async fn show_login(State(gate): State<Gate>, request: Request) -> Response {
    let next = Query::<Next>::try_from_uri(request.uri());
    let next = next.map(|Query(next)| next.next).unwrap_or_default();
    // Whoever is in already need not log in again.
    let presented = gate.presented(&request);
    if let Ok(Some(_)) = gate.people().identify(presented).await {
        return see_other(own_address(&next));
    }
    let somebody = gate.people().has_users().await.unwrap_or(true);
    let page = LoginPage {
        next: &next,
        somebody,
        ..LoginPage::of(&gate)
    };
    page.render(StatusCode::OK)
}

async fn log_in(State(gate): State<Gate>, request: Request) -> Response {
    let (visitor, encrypted) = (gate.visitor(&request), cookie::is_encrypted(&request));
    if let Some(refusal) = foreign_form(&request) {
        return refusal;
    }
    let Fields(form) = match Fields::<Credentials>::from_request(request, &()).await {
        Ok(form) => form,
        Err(refusal) => return refusal.into_response(),
    };
    let password = Secret::new(form.password);
    match gate.people().log_in(&form.name, password, &visitor).await {
        Ok(login) => begin(&login, own_address(&form.next), encrypted),
        Err(refused) => {
            let status = status(&refused);
            let message = refused.to_string();
            let page = LoginPage {
                message: Some(&message),
                name: &form.name,
                next: &form.next,
                ..LoginPage::of(&gate)
            };
            let mut page = page.render(status);
            if let Refused::Pause(pause) = refused {
                retry_after(&mut page, pause.as_secs() + 1);
            }
            page
        }
    }
}

/// The link's code is swapped for a cookie, and what is left of it in the browser's history opens nothing.
async fn open_first(State(gate): State<Gate>, request: Request) -> Response {
    let encrypted = cookie::is_encrypted(&request);
    let code = Query::<Code>::try_from_uri(request.uri());
    let code = code.map(|Query(code)| code.code).unwrap_or_default();
    let people = gate.people();
    if let Some(code) = code {
        return match people.open_first(&code).await {
            Ok(key) => {
                let mut response = see_other("/welcome");
                cookie::set_first(&mut response, &key, encrypted);
                response
            }
            Err(refused) => no_link(&refused),
        };
    }
    let key = cookie::first(request.headers()).unwrap_or_default();
    match people.may_make_first(&key).await {
        Ok(()) => first_page(StatusCode::OK, None, ""),
        Err(refused) => no_link(&refused),
    }
}

async fn make_first(State(gate): State<Gate>, request: Request) -> Response {
    let visitor: Visitor = gate.visitor(&request);
    let encrypted = cookie::is_encrypted(&request);
    if let Some(refusal) = foreign_form(&request) {
        return refusal;
    }
    let key = cookie::first(request.headers()).unwrap_or_default();
    let Fields(form) = match Fields::<FirstAdmin>::from_request(request, &()).await {
        Ok(form) => form,
        Err(refusal) => return refusal.into_response(),
    };
    if form.password != form.again {
        let message = "the two passwords are not the same";
        return first_page(StatusCode::UNPROCESSABLE_ENTITY, Some(message), &form.name);
    }
    let password = Secret::new(form.password);
    let made = gate
        .people()
        .make_first(&key, &form.name, password, &visitor);
    match made.await {
        Ok(login) => {
            let mut response = begin(&login, "/", encrypted);
            cookie::clear_first(&mut response, encrypted);
            response
        }
        Err(refused @ Refused::NoLink) => no_link(&refused),
        Err(refused) => {
            let message = refused.to_string();
            first_page(status(&refused), Some(&message), &form.name)
        }
    }
}

/// Refuses a form that does not say that it comes from a page of this server: another site could log a visitor in as
/// somebody else.
fn foreign_form(request: &Request) -> Option<Response> {
    if security::is_own(request.headers(), security::over(request)) {
        return None;
    }
    let message = "The form does not say that it comes from this page. Open the page itself and try again; programs use an API token.";
    let page = Page::new("Log in", None).status(StatusCode::FORBIDDEN);
    Some(page.render(&html! { section class="card" { p role="alert" { (message) } } }))
}

pub(super) fn begin(login: &Login, next: &str, encrypted: bool) -> Response {
    let mut response = see_other(next);
    cookie::set_session(&mut response, &login.key, encrypted);
    response
}

pub(super) fn status(refused: &Refused) -> StatusCode {
    match refused {
        Refused::Wrong => StatusCode::UNAUTHORIZED,
        Refused::Pause(_) => StatusCode::TOO_MANY_REQUESTS,
        Refused::NoLink => StatusCode::GONE,
        Refused::Elsewhere(OidcRefused::Stale(_)) => StatusCode::BAD_REQUEST,
        Refused::Elsewhere(OidcRefused::Provider(_)) => StatusCode::BAD_GATEWAY,
        Refused::Elsewhere(_) => StatusCode::FORBIDDEN,
        Refused::Failed(error) => super::super::error::Refusal(error.clone().into())
            .into_response()
            .status(),
    }
}

fn alert(message: Option<&str>) -> Markup {
    html! {
        @if let Some(message) = message {
            p class="alert" role="alert" data-testid="alert" {
                (sentence(message.to_owned()))
                @if !message.ends_with(['.', '?']) { "." }
            }
        }
    }
}

/// The page where people log in.
pub(super) struct LoginPage<'a> {
    /// Why they are here again.
    pub(super) message: Option<&'a str>,
    /// The name that was typed.
    pub(super) name: &'a str,
    /// Where they want to go.
    pub(super) next: &'a str,
    /// Whether anybody has an account.
    pub(super) somebody: bool,
    /// The provider where they can log in too.
    pub(super) provider: Option<&'a str>,
}

impl<'a> LoginPage<'a> {
    /// The page of a server with this gate.
    pub(super) fn of(gate: &'a Gate) -> Self {
        Self {
            message: None,
            name: "",
            next: "/",
            somebody: true,
            provider: gate.oidc().map(Oidc::name),
        }
    }

    pub(super) fn render(&self, status: StatusCode) -> Response {
        let content = html! {
            form class="card" method="post" action="/login" {
                h1 { "Log in" }
                (alert(self.message))
                @if let Some(provider) = self.provider {
                    a class="button primary" data-testid="oidc" href=(oidc::address(self.next)) { "Log in with " (provider) }
                    @if self.somebody { p class="or" { "or with a password of this server" } }
                }
                @if self.somebody { (self.fields()) } @else { (nobody()) }
            }
        };
        Page::new("Log in", None).status(status).render(&content)
    }

    fn fields(&self) -> Markup {
        let is_main = self.provider.is_none();
        html! {
            input type="hidden" name="next" value=(self.next);
            label {
                "Name"
                input name="name" value=(self.name) autocomplete="username" autocapitalize="none" spellcheck="false" required autofocus[is_main && self.name.is_empty()];
            }
            label {
                "Password"
                input type="password" name="password" autocomplete="current-password" required autofocus[!self.name.is_empty()];
            }
            button class=[is_main.then_some("primary")] { "Log in" }
        }
    }
}

fn nobody() -> Markup {
    html! {
        p data-testid="nobody" {
            "Nobody has an account yet. The server printed a link, when it started, that makes the first admin. \
             It is good once, and for half an hour. Or, on the server's host:"
        }
        pre { "saltpeter user add NAME --role admin" }
    }
}

fn first_page(status: StatusCode, message: Option<&str>, name: &str) -> Response {
    Page::new("Welcome", None).status(status).render(&html! {
        form class="card" method="post" action="/welcome" {
            h1 { "Make the first admin" }
            p class="weak" { "Whoever you make here may do everything: run and kill jobs, and add other users." }
            (alert(message))
            label {
                "Name"
                input name="name" value=(name) autocomplete="username" autocapitalize="none" spellcheck="false" required autofocus;
            }
            label {
                "Password, " (SHORTEST) " characters or more"
                input type="password" name="password" autocomplete="new-password" minlength=(SHORTEST) required;
            }
            label {
                "The same once more"
                input type="password" name="again" autocomplete="new-password" minlength=(SHORTEST) required;
            }
            button class="primary" { "Make the admin" }
        }
    })
}

fn no_link(refused: &Refused) -> Response {
    Page::new("Welcome", None)
        .status(status(refused))
        .render(&html! {
            section class="card" {
                h1 { "This link opens nothing" }
                (alert(Some(&refused.to_string())))
                p { a href="/login" { "Log in" } }
            }
        })
}
