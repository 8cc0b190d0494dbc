//! API tokens, for admins.

use super::page::{Page, access_fields, time};
use super::{Fields, Named, access, done, failure};
use crate::people::{Caller, DEFAULT_DAYS, LONGEST_DAYS, NewToken, People, Token};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use maud::{Markup, html};
use saltpeter_domain::Secret;
use saltpeter_domain::access::{Groups, Role};
use serde::Deserialize;

const PAGE: &str = "/tokens";

pub(super) fn router() -> Router<People> {
    Router::new()
        .route(PAGE, get(show).post(add))
        .route("/tokens/remove", post(remove))
}

#[derive(Deserialize)]
struct Wanted {
    name: String,
    role: String,
    #[serde(default)]
    groups: String,
    days: u32,
}

async fn show(State(people): State<People>, caller: Caller) -> Response {
    match people.tokens(&caller).await {
        Ok(tokens) => page(&caller, &tokens),
        Err(error) => failure(&caller, error),
    }
}

async fn add(
    State(people): State<People>,
    caller: Caller,
    Fields(wanted): Fields<Wanted>,
) -> Response {
    let adding = async {
        let access = access(&wanted.role, &wanted.groups)?;
        let wanted = NewToken {
            name: wanted.name.clone(),
            access,
            days: wanted.days,
        };
        people.add_token(&caller, wanted).await
    };
    match adding.await {
        Ok(token) => shown_once(&caller, &wanted.name, &token),
        Err(error) => failure(&caller, error),
    }
}

async fn remove(
    State(people): State<People>,
    caller: Caller,
    Fields(Named { name }): Fields<Named>,
) -> Response {
    done(&caller, people.remove_token(&caller, &name).await, PAGE)
}

/// The answer to the form, not a page of its own: the token is in no address, and reloading does not show it again.
fn shown_once(caller: &Caller, name: &str, token: &Secret) -> Response {
    Page::new("New token", Some(caller))
        .status(StatusCode::CREATED)
        .render(&html! {
            section class="card" {
                h1 { "The token " (name) }
                p { "Copy it now: it is shown this once, and nobody can find it out again." }
                pre data-testid="token" { (token.expose()) }
                p { "Programs send it as " code { "Authorization: Bearer …" } "." }
                p { a href="/tokens" { "All tokens" } }
            }
        })
}

fn page(caller: &Caller, tokens: &[Token]) -> Response {
    Page::new("Tokens", Some(caller)).render(&html! {
        h1 { "API tokens" }
        section class="card" {
            @if tokens.is_empty() {
                p class="weak" { "There is none. Scripts and other programs need one to ask this server." }
            } @else {
                div class="table-scroll" {
                    table {
                        thead { tr { th { "Name" } th { "May act as" } th { "Expires" } th { "Last used" } th { "Made" } th {} } }
                        tbody { @for token in tokens { (row(token)) } }
                    }
                }
            }
        }
        form class="card" method="post" action="/tokens" {
            h2 { "Add a token" }
            label { "Name: what uses it" input name="name" autocomplete="off" autocapitalize="none" spellcheck="false" required; }
            (access_fields(Role::Viewer, &Groups::All))
            label {
                "Days until it expires"
                input type="number" name="days" min="1" max=(LONGEST_DAYS) value=(DEFAULT_DAYS) required;
            }
            button class="primary" { "Add" }
        }
    })
}

fn row(token: &Token) -> Markup {
    html! {
        tr data-testid="token-row" {
            td { (token.name) }
            td data-label="May act as" { (token.access) }
            td data-label="Expires" { (time(token.expires)) }
            td data-label="Last used" { @match token.seen { Some(seen) => (time(seen)), None => "never" } }
            td data-label="Made" { (time(token.created)) " by " (token.created_by) }
            td {
                form method="post" action="/tokens/remove" {
                    input type="hidden" name="name" value=(token.name);
                    button class="small danger" { "Remove" }
                }
            }
        }
    }
}
