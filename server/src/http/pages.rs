//! The dashboard's pages, rendered here before they come to life in the browser.

use super::api::{no_route, wrong_method};
use super::gate::own_address;
use super::{assets, security};
use crate::people::{Caller, Who};
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderValue};
use axum::http::request::Parts;
use axum::http::uri::PathAndQuery;
use axum::http::{Method, Response, StatusCode};
use axum::response::{IntoResponse as _, Redirect};
use leptos::config::LeptosOptions;
use leptos::prelude::{provide_context, use_context};
use leptos_axum::{AxumRouteListing, LeptosRoutes as _, ResponseOptions, generate_route_list};
use saltpeter_app::backend::SharedBackend;
use saltpeter_app::{App, Chunk, Visitor, shell};
use saltpeter_domain::access::{Access, Groups, Role};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::OnceLock;

/// Every page of the dashboard at its path; for any other path the "no such page" page. Pages are only read: who sends
/// something else is a program, and gets an error that programs read.
pub(super) fn router(backend: SharedBackend) -> Router {
    let options = LeptosOptions::builder().output_name("saltpeter").build();
    let page = {
        let options = options.clone();
        // Whole pages, not streams of fragments: they read without JavaScript.
        let context = move || {
            provide_context(backend.clone());
            headers();
        };
        leptos_axum::render_app_async_with_context(context, move || {
            shell(options.clone(), visitor(), chunks())
        })
    };
    let missing = page.clone();
    Router::new()
        .leptos_routes_with_handler(routes(), page)
        .fallback(move |request: Request| fallback(request, missing))
        .method_not_allowed_fallback(wrong_method)
        .with_state(options)
}

/// The addresses of the pages.
///
/// They are listed once for all servers of this process: while Leptos lists them, the data of every page that is being
/// rendered anywhere in the process waits for ever (`leptos_server`'s `suppress_resource_load` is one switch for all).
/// The first server lists them before it serves anything, and a second one waits for that.
fn routes() -> Vec<AxumRouteListing> {
    static ROUTES: OnceLock<Vec<AxumRouteListing>> = OnceLock::new();
    ROUTES.get_or_init(|| generate_route_list(App)).clone()
}

async fn fallback<P, F>(request: Request, page: P) -> Response<Body>
where
    P: Fn(Request) -> F,
    F: Future<Output = Response<Body>>,
{
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return no_route().await.into_response();
    }
    if let Some(address) = request.uri().path_and_query().and_then(without_slash) {
        return Redirect::permanent(&address).into_response();
    }
    let mut response = page(request).await;
    if response.status() == StatusCode::OK {
        *response.status_mut() = StatusCode::NOT_FOUND;
    }
    response
}

/// The same address without the slashes at the path's end, if there are any. It is one of this server: what a browser could
/// take for another host has none.
fn without_slash(address: &PathAndQuery) -> Option<String> {
    let path = address.path().trim_end_matches('/');
    if path == address.path() || path.is_empty() || own_address(path) != path {
        return None;
    }
    Some(match address.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    })
}

/// Whoever gets the page.
fn visitor() -> Visitor {
    let parts = use_context::<Parts>();
    let caller = parts
        .as_ref()
        .and_then(|parts| parts.extensions.get::<Caller>());
    match caller {
        Some(Caller {
            who: Who::Anybody, ..
        }) => Visitor {
            role: "anybody",
            ..Visitor::default()
        },
        Some(caller) => visitor_with(&caller.access),
        None => Visitor::default(),
    }
}

fn visitor_with(access: &Access) -> Visitor {
    Visitor {
        role: access.role.as_str(),
        groups: granted(access).map(|names| names.iter().cloned().collect()),
        hidden: hidden_of(access),
    }
}

/// The groups of an operator of some groups.
fn granted(access: &Access) -> Option<&BTreeSet<String>> {
    match (access.role, &access.groups) {
        (Role::Operator, Groups::Only(names)) => Some(names),
        _ => None,
    }
}

/// The files of the asked-for page's own code.
fn chunks() -> Vec<String> {
    let parts = use_context::<Parts>();
    let Some(parts) = parts else {
        return Vec::new();
    };
    let chunks = Chunk::of_address(parts.uri.path(), parts.uri.query().unwrap_or_default());
    let mut files: Vec<String> = chunks
        .flat_map(|chunk| assets::chunk(chunk.name()))
        .collect();
    // What several share is loaded once.
    files.sort_unstable();
    files.dedup();
    files
}

/// Hides what an operator of some groups may not use: the buttons of other groups' jobs, and what is about every group.
/// It is a kindness. Whether somebody may is asked when they do.
fn hidden_of(access: &Access) -> String {
    let Some(names) = granted(access) else {
        return String::new();
    };
    let mut others = "[data-group]".to_owned();
    for name in names {
        others.push_str(":not([data-group=\"");
        for char in name.chars() {
            // By number, so that no name can be anything else than a text. Writing into a String cannot fail.
            let _ = write!(others, "\\{:x} ", u32::from(char));
        }
        others.push_str("\"])");
    }
    format!("{others} .deed, .deed-of-all, .of-all {{ display: none }}")
}

/// The headers that a page is sent with.
fn headers() {
    let Some(headers) = use_context::<ResponseOptions>() else {
        return;
    };
    // What a page shows is of now.
    headers.insert_header(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(nonce) = leptos::nonce::use_nonce()
        && let Ok(policy) = HeaderValue::from_str(&security::page_policy(&nonce))
    {
        headers.insert_header(CONTENT_SECURITY_POLICY, policy);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_at_the_end_is_left_out_and_leads_nowhere_else() {
        let of = |address: &str| without_slash(&address.parse().unwrap());
        for (address, without) in [
            ("/runs/", "/runs"),
            ("/runs//", "/runs"),
            (
                "/runs/?job=a%2Fb&x=//evil.example/",
                "/runs?job=a%2Fb&x=//evil.example/",
            ),
            ("/machines/?", "/machines?"),
            ("/jobs/a/edit/", "/jobs/a/edit"),
            // To browsers these are paths of this server.
            ("/%2F/evil.example/", "/%2F/evil.example"),
            ("/%5Cevil.example/", "/%5Cevil.example"),
            ("/.//evil.example/", "/.//evil.example"),
        ] {
            assert_eq!(of(address).as_deref(), Some(without), "{address}");
        }
        for address in [
            "/",
            "//",
            "///?x",
            "/runs",
            "/runs?x=/",
            "//evil.example/",
            "///evil.example/",
            "/\\evil.example/",
            "/\\/evil.example/",
            "/\\",
        ] {
            assert_eq!(of(address), None, "{address}");
        }
    }

    #[test]
    fn only_an_operator_of_some_groups_has_rules_and_no_name_breaks_out_of_them() {
        let access = |role, names: &[&str]| Access {
            role,
            groups: Groups::of(names.iter().copied()),
        };
        for all in [
            access(Role::Admin, &["db"]),
            access(Role::Operator, &[]),
            access(Role::Viewer, &[]),
        ] {
            assert_eq!(hidden_of(&all), "");
            assert_eq!(visitor_with(&all).groups, None);
        }
        let some = visitor_with(&access(Role::Operator, &["db", "web"]));
        assert_eq!(some.groups, Some(vec!["db".to_owned(), "web".to_owned()]));
        assert_eq!(
            hidden_of(&access(Role::Operator, &["db", "\"]</"])),
            "[data-group]:not([data-group=\"\\22 \\5d \\3c \\2f \"]):not([data-group=\"\\64 \\62 \"]) .deed, .deed-of-all, .of-all { display: none }"
        );
    }
}
