//! The pages where people log in, and where admins see to users and tokens: plain forms, which need no script.

mod account;
mod audit;
mod door;
mod oidc;
mod page;
mod tokens;
mod users;

pub(super) use door::router as door;

use super::error::Refusal;
use super::gate::see_other;
use crate::ops::Ops;
use crate::people::{Caller, PeopleError};
use axum::Router;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, FromRequest, Request};
use axum::response::{IntoResponse as _, Response};
use page::Page;
use saltpeter_app::format::sentence;
use saltpeter_domain::access::{Access, Groups, Role};
use saltpeter_protocol::api::{ApiError, ErrorCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Those behind the gate.
pub(super) fn router(ops: &Ops) -> Router {
    let people = ops.people().clone();
    account::router()
        .merge(users::router())
        .merge(tokens::router())
        .with_state(people)
        .merge(audit::router(ops.clone()))
}

/// The fields of a form.
struct Fields<T>(T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Fields<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let form: Result<Form<T>, FormRejection> = Form::from_request(request, state).await;
        form.map(|Form(fields)| Self(fields)).map_err(|error| {
            let message = format!("the form is not filled in as this page expects: {error}");
            Refusal(ApiError::new(ErrorCode::BadRequest, message))
        })
    }
}

/// The role and the groups as a form has them.
fn access(role: &str, groups: &str) -> Result<Access, PeopleError> {
    let role: Role = role
        .parse()
        .map_err(|error| PeopleError::Invalid(format!("{error}")))?;
    let groups = match role {
        Role::Operator => Groups::of(groups.split(',')),
        Role::Viewer | Role::Admin => Groups::All,
    };
    Ok(Access { role, groups })
}

/// Back to `page`, or a page that says why something was not done.
fn done(caller: &Caller, outcome: Result<(), PeopleError>, page: &str) -> Response {
    match outcome {
        Ok(()) => see_other(page),
        Err(error) => failure(caller, error),
    }
}

/// A form that is about somebody or something, by its name.
#[derive(Deserialize)]
struct Named {
    name: String,
}

/// A page that says why something was not done.
fn failure(caller: &Caller, error: impl Into<ApiError>) -> Response {
    let refusal = Refusal(error.into());
    let message = sentence(refusal.0.message.clone());
    let status = refusal.into_response().status();
    Page::new("Not done", Some(caller))
        .status(status)
        .render(&maud::html! {
            section class="empty-state" {
                h1 { "Not done" }
                p role="alert" data-testid="failure" { (message) }
            }
        })
}
