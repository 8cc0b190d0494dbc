//! Users, for admins.

use super::page::{Page, access_fields, time};
use super::{Fields, Named, access, done, failure};
use crate::people::{Caller, People, PeopleError, User};
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use maud::{Markup, html};
use saltpeter_domain::Secret;
use saltpeter_domain::access::password::SHORTEST;
use saltpeter_domain::access::{Groups, Role, UserName};
use serde::Deserialize;

const PAGE: &str = "/users";

pub(super) fn router() -> Router<People> {
    Router::new()
        .route(PAGE, get(show).post(add))
        .route("/users/access", post(set_access))
        .route("/users/password", post(set_password))
        .route("/users/remove", post(remove))
}

#[derive(Deserialize)]
struct NewUser {
    name: String,
    role: String,
    #[serde(default)]
    groups: String,
    /// Empty for somebody who comes through a proxy.
    #[serde(default)]
    password: String,
}

#[derive(Deserialize)]
struct NewAccess {
    name: String,
    role: String,
    #[serde(default)]
    groups: String,
}

#[derive(Deserialize)]
struct NewPassword {
    name: String,
    password: String,
}

fn user_name(text: &str) -> Result<UserName, PeopleError> {
    UserName::new(text).map_err(|error| PeopleError::Invalid(error.to_string()))
}

async fn show(State(people): State<People>, caller: Caller) -> Response {
    match people.users(&caller).await {
        Ok(users) => page(&caller, &users),
        Err(error) => failure(&caller, error),
    }
}

async fn add(
    State(people): State<People>,
    caller: Caller,
    Fields(new): Fields<NewUser>,
) -> Response {
    let adding = async {
        let name = user_name(&new.name)?;
        let access = access(&new.role, &new.groups)?;
        let password = Some(new.password).filter(|password| !password.is_empty());
        let password = password.map(Secret::new);
        people.add_user(&caller, name, access, password).await
    };
    done(&caller, adding.await, PAGE)
}

async fn set_access(
    State(people): State<People>,
    caller: Caller,
    Fields(new): Fields<NewAccess>,
) -> Response {
    let setting = async {
        let access = access(&new.role, &new.groups)?;
        let name = user_name(&new.name)?;
        people.set_access(&caller, &name, access).await
    };
    done(&caller, setting.await, PAGE)
}

async fn set_password(
    State(people): State<People>,
    caller: Caller,
    Fields(new): Fields<NewPassword>,
) -> Response {
    let setting = async {
        let name = user_name(&new.name)?;
        let password = Secret::new(new.password);
        people.set_password(&caller, &name, password).await
    };
    done(&caller, setting.await, PAGE)
}

async fn remove(
    State(people): State<People>,
    caller: Caller,
    Fields(Named { name }): Fields<Named>,
) -> Response {
    let removing = async { people.remove_user(&caller, &user_name(&name)?).await };
    done(&caller, removing.await, PAGE)
}

fn page(caller: &Caller, users: &[User]) -> Response {
    Page::new("Users", Some(caller)).render(&html! {
        h1 { "Users" }
        section class="card" {
            @if users.is_empty() {
                p class="weak" { "There is none yet." }
            } @else {
                div class="table-scroll" {
                    table {
                        thead { tr { th { "Name" } th { "May act as" } th { "Password" } th { "Since" } th { "Made by" } th {} } }
                        tbody { @for user in users { (row(user)) } }
                    }
                }
            }
        }
        form class="card" method="post" action="/users" {
            h2 { "Add a user" }
            label { "Name" input name="name" autocomplete="off" autocapitalize="none" spellcheck="false" required; }
            (access_fields(Role::Viewer, &Groups::All))
            label {
                "Password, " (SHORTEST) " characters or more; none for somebody who comes through a proxy alone"
                input type="password" name="password" autocomplete="new-password" minlength=(SHORTEST);
            }
            button class="primary" { "Add" }
        }
    })
}

fn row(user: &User) -> Markup {
    html! {
        tr data-testid="user" {
            td { (user.name) }
            td data-label="May act as" { (user.access) }
            td data-label="Password" { (password(user)) }
            td data-label="Since" { (time(user.created)) }
            td data-label="Made by" { (user.created_by) }
            td {
                details {
                    summary { "Change" }
                    @if user.identity.is_some() {
                        p class="weak" { "The groups at the provider say at each login what they may do. Who is removed here and is still in one of them can come again." }
                    } @else {
                        (own_forms(user))
                    }
                    form method="post" action="/users/remove" {
                        input type="hidden" name="name" value=(user.name);
                        button class="small danger" { "Remove " (user.name) }
                    }
                }
            }
        }
    }
}

fn password(user: &User) -> &'static str {
    match (&user.password, &user.identity) {
        (_, Some(_)) => "at the provider",
        (Some(_), None) => "yes",
        (None, None) => "none",
    }
}

/// What admins may change of those who do not come from a provider.
fn own_forms(user: &User) -> Markup {
    html! {
        form method="post" action="/users/access" {
            input type="hidden" name="name" value=(user.name);
            (access_fields(user.access.role, &user.access.groups))
            button class="small" { "Change the role" }
        }
        form method="post" action="/users/password" {
            input type="hidden" name="name" value=(user.name);
            label { "New password" input type="password" name="password" autocomplete="new-password" minlength=(SHORTEST) required; }
            button class="small" { "Set the password" }
        }
    }
}
