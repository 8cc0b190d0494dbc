//! One's own account: who one is, one's password and sessions, and the way out.

use super::super::cookie;
use super::super::gate::see_other;
use super::page::{Page, time};
use super::{Fields, done, failure};
use crate::people::{Caller, People, PeopleError, Session, Who};
use axum::Router;
use axum::extract::{FromRequest as _, Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use maud::html;
use saltpeter_domain::Secret;
use saltpeter_domain::access::password::SHORTEST;
use serde::Deserialize;

const PAGE: &str = "/account";

pub(super) fn router() -> Router<People> {
    Router::new()
        .route(PAGE, get(show))
        .route("/account/password", post(change_password))
        .route("/account/sessions/end", post(end_session))
        .route("/logout", post(log_out))
}

#[derive(Deserialize)]
struct Passwords {
    present: String,
    new: String,
    again: String,
}

#[derive(Deserialize)]
struct OfSession {
    session: i64,
}

#[derive(Deserialize)]
struct Where {
    #[serde(default)]
    everywhere: bool,
}

async fn show(State(people): State<People>, caller: Caller) -> Response {
    let known = async {
        let has_password = people.has_password(&caller).await?;
        Ok::<_, PeopleError>((people.sessions(&caller).await?, has_password))
    };
    match known.await {
        Ok((sessions, has_password)) => page(&caller, &sessions, has_password),
        Err(error) => failure(&caller, error),
    }
}

async fn log_out(State(people): State<People>, caller: Caller, request: Request) -> Response {
    let encrypted = cookie::is_encrypted(&request);
    let Fields(Where { everywhere }) = match Fields::from_request(request, &()).await {
        Ok(fields) => fields,
        Err(refusal) => return refusal.into_response(),
    };
    if let Err(error) = people.log_out(&caller, everywhere).await {
        return failure(&caller, error);
    }
    let mut response = see_other("/login");
    cookie::clear_session(&mut response, encrypted);
    response
}

async fn end_session(
    State(people): State<People>,
    caller: Caller,
    Fields(OfSession { session }): Fields<OfSession>,
) -> Response {
    done(&caller, people.end_session(&caller, session).await, PAGE)
}

async fn change_password(
    State(people): State<People>,
    caller: Caller,
    Fields(passwords): Fields<Passwords>,
) -> Response {
    if passwords.new != passwords.again {
        let message = "the two new passwords are not the same".to_owned();
        return failure(&caller, PeopleError::Invalid(message));
    }
    let (present, new) = (Secret::new(passwords.present), Secret::new(passwords.new));
    let changed = people.change_own_password(&caller, present, new).await;
    done(&caller, changed, PAGE)
}

fn page(caller: &Caller, sessions: &[Session], has_password: bool) -> Response {
    let content = html! {
        div class="page-head" {
            // Where nobody needs to log in, all that is known is an address.
            h1 { @if caller.who == Who::Anybody { "Account" } @else { (caller) } }
            @if caller.session().is_some() {
                div class="buttons" {
                    form method="post" action="/logout" { button { "Log out" } }
                    form method="post" action="/logout" {
                        input type="hidden" name="everywhere" value="true";
                        button class="danger" { "Log out everywhere" }
                    }
                }
            }
        }
        @match &caller.who {
            Who::Anybody => p class="alert" role="alert" {
                "Nobody needs to log in here: whoever reaches this page may do everything. The server was started with "
                code { "--insecure-no-auth" } "."
            },
            _ => p { "You may act as " strong { (caller.access) } "." }
        }
        @if !sessions.is_empty() {
            section class="card" {
                h2 { "Where you are logged in" }
                div class="table-scroll" {
                    table {
                        thead { tr { th { "Since" } th { "Last used" } th { "Address" } th { "Browser" } th {} } }
                        tbody {
                            @for session in sessions {
                                tr data-testid="session" {
                                    td data-label="Since" { (time(session.created)) }
                                    td data-label="Last used" { (time(session.seen)) }
                                    td data-label="Address" { (session.from) }
                                    td class="agent" data-label="Browser" { (session.agent) }
                                    td {
                                        @if caller.session() == Some(session.seq) { "this one" } @else {
                                            form method="post" action="/account/sessions/end" {
                                                input type="hidden" name="session" value=(session.seq);
                                                button class="small" { "End" }
                                            }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
        @if has_password {
            form class="card" method="post" action="/account/password" {
                h2 { "Change your password" }
                p class="weak" { "Your other sessions end with it." }
                input type="hidden" name="username" value=(caller) autocomplete="username";
                label { "Current password" input type="password" name="present" autocomplete="current-password" required; }
                label {
                    "New password, " (SHORTEST) " characters or more"
                    input type="password" name="new" autocomplete="new-password" minlength=(SHORTEST) required;
                }
                label { "The same once more" input type="password" name="again" autocomplete="new-password" minlength=(SHORTEST) required; }
                button { "Change password" }
            }
        }
    };
    Page::new("Account", Some(caller)).render(&content)
}
