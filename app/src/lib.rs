//! The dashboard, compiled twice: into the server (feature `ssr`) and to WASM (feature `hydrate`).

// The type of a page's view nests as deep as its elements do.
#![recursion_limit = "256"]
// `#[component]` makes a public struct of each component's properties.
#![allow(unreachable_pub)]
// What only runs in a browser is compiled into the server too, where nobody calls it; the WASM build
// finds what is really unused.
#![cfg_attr(not(target_arch = "wasm32"), allow(dead_code))]
// A closure written within `view!` is erased, a named one is not: `{move || text()}` is less to download than `{text}`.
#![allow(clippy::redundant_closure)]
// The entry of a chunk can always be made, but it may not be there: that is where the loader's error comes in.
#![allow(clippy::unnecessary_wraps)]

mod actions;
mod attention;
pub mod backend;
mod browser;
mod chunk;
mod client;
mod components;
pub mod early;
mod first;
pub mod format;
pub mod live;
pub mod output;
mod pages;
mod query;
mod reading;
mod routes;
#[cfg(test)]
mod sample;
mod typing;
mod visitor;

pub use chunk::Chunk;
pub use visitor::Visitor;

use actions::Actions;
use components::confirm::{Confirm, ConfirmDialog};
use components::frame::{Header, MaintenanceBanner, StorageBanner};
use components::help::Help;
use components::keys;
use components::palette::Palette;
use components::toast::{ToastArea, Toasts};
use first::{First, Totals};
use leptos::either::Either;
use leptos::prelude::*;
use leptos_meta::{MetaTags, Title, provide_meta_context};
use leptos_router::components::{Outlet, ParentRoute, Route, Router, Routes};
use leptos_router::hooks::use_location;
use leptos_router::path;
use live::{Live, use_live};
use pages::jobs::JobsPage;
use pages::{config, editor, import, job, machines, maintenance, run, runs, timeline};
use std::time::Duration;

/// The HTML document around [`App`], as the server sends it to `visitor`. `chunks` are the files of the page's own code.
pub fn shell(options: LeptosOptions, visitor: Visitor, chunks: Vec<String>) -> impl IntoView {
    let groups = visitor.groups_attribute();
    let Visitor { role, hidden, .. } = visitor;
    // Asked for together with the rest, so that the page does not wait for one after the other.
    let preload = |file| {
        let href = format!("/pkg/{file}");
        view! { <link rel="preload" href=href r#as="fetch" r#type="application/wasm" crossorigin="" /> }
    };
    view! {
        <!DOCTYPE html>
        <html lang="en" data-visitor=role data-groups=groups>
            <head>
                <meta charset="utf-8" />
                <meta name="viewport" content="width=device-width, initial-scale=1" />
                <meta name="color-scheme" content="light dark" />
                <link rel="icon" href="/favicon.svg" type="image/svg+xml" />
                // Before the style sheet, so that the chosen theme is there when the first thing is drawn.
                <script src="/theme.js"></script>
                <link rel="stylesheet" href="/pkg/saltpeter.css" />
                {(!hidden.is_empty()).then(|| view! { <style>{hidden}</style> })}
                <link rel="modulepreload" href="/pkg/chunks.js" />
                <HydrationScripts options />
                {chunks.into_iter().map(preload).collect_view()}
                <MetaTags />
            </head>
            <body>
                <App />
            </body>
        </html>
    }
}

/// The whole dashboard.
#[component]
pub fn App() -> impl IntoView {
    provide_meta_context();
    let live = Live::new();
    let toasts = Toasts::new();
    let confirm = Confirm::new();
    let counts = attention::Counts::new(Totals::default());
    provide_context(live);
    provide_context(toasts);
    provide_context(confirm);
    provide_context(Actions::new(live, toasts, confirm));
    let told = counts.clone();
    Effect::new(move || {
        live::connect(live);
        attention::watch(live, told.clone());
        live.tick();
        set_interval(move || live.tick(), Duration::from_secs(1));
    });
    view! {
        <Title
            text="Saltpeter"
            formatter=move |text: String| attention::title(counts.get(), &text)
        />
        <Router>
            <Routes fallback=NoSuchPage>
                <ParentRoute path=path!("") view=Layout>
                    <Route path=path!("/") view=JobsPage />
                    <Route path=path!("/jobs/:job") view=|| chunk::page(job::page()) />
                    <Route path=path!("/jobs/:job/edit") view=|| chunk::page(editor::page()) />
                    <Route path=path!("/new-job") view=|| chunk::page(editor::page()) />
                    <Route path=path!("/import") view=|| chunk::page(import::page()) />
                    <Route path=path!("/runs") view=|| chunk::page(runs::page()) />
                    <Route path=path!("/runs/:run") view=|| chunk::page(run::page()) />
                    <Route path=path!("/timeline") view=|| chunk::page(timeline::page()) />
                    <Route path=path!("/machines") view=|| chunk::page(machines::page()) />
                    <Route path=path!("/maintenance") view=|| chunk::page(maintenance::page()) />
                    <Route path=path!("/config") view=|| chunk::page(config::page()) />
                </ParentRoute>
            </Routes>
        </Router>
        <ToastArea toasts />
        <ConfirmDialog confirm />
    }
    .into_any()
}

/// A page with what stands around it.
#[component]
fn Layout() -> impl IntoView {
    view! {
        <Frame>
            <Outlet />
        </Frame>
    }
}

/// What stands around every page. The state that they all stand on is read here, once.
#[component]
fn Frame(children: Children) -> impl IntoView {
    let live = use_live();
    let search = use_location().search;
    // Only the address that was asked for first matters; from then on the state is live.
    let first = Resource::new(move || search.get_untracked(), client::first);
    let help = RwSignal::new(false);
    let open_help = Callback::new(move |()| help.set(true));
    let palette = RwSignal::new(false);
    let open_palette = Callback::new(move |()| palette.update(|open| *open = !*open));
    keys::listen(open_help, open_palette);
    provide_context::<First>(first);
    view! {
        <Suspense>
            {move || Suspend::new(async move {
                let first = first.await;
                let error = first.as_ref().err().cloned();
                if live.begin(first) {
                    Either::Left(
                        view! {
                            <Header help=open_help palette=open_palette />
                            <StorageBanner />
                            <MaintenanceBanner />
                        },
                    )
                } else {
                    Either::Right(
                        error
                            .map(|error| view! { <pages::Failure what="dashboard" error /> }),
                    )
                }
            })}
        </Suspense>
        <main>{children()}</main>
        <Help open=help />
        <Palette open=palette help=open_help />
        <p class="notice without-script">
            "Without JavaScript this page shows the state at the moment it was loaded, and its buttons do nothing."
        </p>
    }
    .into_any()
}

/// What stands at an address that nothing has.
#[component]
fn NoSuchPage() -> impl IntoView {
    view! {
        <Title text="No such page · Saltpeter" />
        <Frame>
            <section class="empty-state" data-testid="failure">
                <h1>"There is no such page"</h1>
                <p>"Nothing stands at this address: it may have been mistyped, or be of another version."</p>
                <p>
                    <a href="/">"All jobs"</a>
                </p>
            </section>
        </Frame>
    }
    .into_any()
}
