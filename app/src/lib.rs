//! The dashboard, compiled twice: into the server (feature `ssr`) and to WASM (feature `hydrate`).

#[cfg(feature = "ssr")]
pub mod backend;
pub mod format;
pub mod live;
pub mod output;
#[cfg(test)]
mod sample;

use leptos::prelude::*;
use leptos_meta::{MetaTags, Stylesheet, Title, provide_meta_context};
use leptos_router::components::{Route, Router, Routes};
use leptos_router::path;

/// The HTML document around [`App`], as the server sends it.
pub fn shell(options: LeptosOptions) -> impl IntoView {
    view! {
        <!DOCTYPE html>
        <html lang="en">
            <head>
                <meta charset="utf-8" />
                <meta name="viewport" content="width=device-width, initial-scale=1" />
                <meta name="color-scheme" content="light dark" />
                <link rel="icon" href="/favicon.svg" type="image/svg+xml" />
                <HydrationScripts options />
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
    view! {
        <Stylesheet id="saltpeter" href="/pkg/saltpeter.css" />
        <Title text="Saltpeter" />
        <Router>
            <Routes fallback=|| view! { <p>"No such page."</p> }>
                <Route path=path!("/") view=JobsPage />
            </Routes>
        </Router>
    }
}

#[component]
fn JobsPage() -> impl IntoView {
    view! { <h1>"Jobs"</h1> }
}
