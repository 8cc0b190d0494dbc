//! The pages.

pub(crate) mod config;
pub(crate) mod editor;
pub(crate) mod import;
pub(crate) mod job;
pub(crate) mod jobs;
pub(crate) mod machines;
pub(crate) mod maintenance;
pub(crate) mod run;
pub(crate) mod runs;
pub(crate) mod timeline;

use crate::first::use_first;
use crate::format::sentence;
use crate::live::use_live;
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_location;
use saltpeter_protocol::api::{ApiError, ErrorCode};

/// What a page shows once the state that all pages stand on and its own part have been read.
///
/// A page makes its one resource in its own body. Resources made further down, where something has
/// been awaited already, would not be found again in the browser: the server may get there twice.
#[component]
pub(crate) fn Loaded<T, F>(
    /// What is to be shown, for when it cannot be.
    what: &'static str,
    /// The page's own part.
    page: Resource<Result<T, ApiError>>,
    /// Draws it.
    show: F,
) -> impl IntoView
where
    T: Clone + Send + Sync + 'static,
    F: Fn(T) -> AnyView + Copy + Send + Sync + 'static,
{
    let live = use_live();
    let first = use_first();
    view! {
        <Suspense fallback=|| view! { <div class="skeleton page-skeleton"></div> }>
            {move || Suspend::new(async move {
                if !live.begin(first.await) {
                    // The frame says why.
                    return ().into_any();
                }
                match page.await {
                    Ok(part) => show(part),
                    Err(error) => view! { <Failure what error /> }.into_any(),
                }
            })}
        </Suspense>
    }
}

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
            <p>{sentence(error.message)}</p>
            <p>
                <a href="/">"All jobs"</a>
            </p>
        </section>
    }
    .into_any()
}

/// What stands where a page's own code could not be loaded.
#[component]
pub(crate) fn NotLoaded() -> impl IntoView {
    let path = use_location().pathname;
    view! {
        <section class="empty-state" role="alert" data-testid="not-loaded">
            <h1>"This page could not be loaded"</h1>
            <p>"The server cannot be reached, or has been updated since this tab was opened."</p>
            <p>
                // By the browser itself, which asks for everything anew.
                <a href=move || path.get() rel="external">
                    "Load it again"
                </a>
            </p>
        </section>
    }
    .into_any()
}

/// The title of a page, where it depends on the address.
///
/// The server reads it at once. Leptos puts it into the page only after a step that may go on in another thread, and there are
/// no signals there, or those of another page.
#[component]
pub(crate) fn PageTitle<F>(
    /// What it says.
    text: F,
) -> impl IntoView
where
    F: Fn() -> String + Send + Sync + 'static,
{
    #[cfg(feature = "ssr")]
    let text = untrack(text);
    view! { <Title text /> }
}

/// The title of a page about `name`. The server puts titles into a page as they are, without a look at what is in them: a
/// text that somebody wrote into an address gets there only if it could be a name.
pub(crate) fn title(name: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if name.bytes().all(is_plain) {
        format!("{name} · Saltpeter")
    } else {
        "Saltpeter".to_owned()
    }
}
