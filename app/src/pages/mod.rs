//! The pages.

pub(crate) mod config;
pub(crate) mod job;
pub(crate) mod jobs;
pub(crate) mod maintenance;
pub(crate) mod run;

use leptos::prelude::*;
use saltpeter_protocol::api::{ApiError, ErrorCode};

/// What stands where a page could not be read.
#[component]
pub(crate) fn Failure(
    /// What was to be shown.
    what: &'static str,
    /// Why it is not.
    error: ApiError,
) -> impl IntoView {
    let missing = matches!(
        error.code,
        ErrorCode::UnknownJob
            | ErrorCode::UnknownRun
            | ErrorCode::UnknownMachine
            | ErrorCode::NotFound
    );
    #[cfg(feature = "ssr")]
    if let Some(response) = use_context::<leptos_axum::ResponseOptions>() {
        response.set_status(if missing {
            http::StatusCode::NOT_FOUND
        } else {
            http::StatusCode::SERVICE_UNAVAILABLE
        });
    }
    let title = if missing {
        format!("There is no such {what}")
    } else {
        format!("The {what} cannot be shown")
    };
    view! {
        <section class="empty-state" role="alert" data-testid="failure">
            <h1>{title}</h1>
            <p>{error.message}</p>
            <p>
                <a href="/">"All jobs"</a>
            </p>
        </section>
    }
    .into_any()
}
