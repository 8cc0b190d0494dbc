//! The entry that the browser calls when the WASM is loaded.
#![cfg(target_arch = "wasm32")]
// A page is one type, as deep as its markup.
#![recursion_limit = "512"]

use leptos::prelude::{document, window};
use saltpeter_app::{App, Chunk, early};
use wasm_bindgen_futures::spawn_local;

/// Takes over the page that the server rendered, once its code is here: a page that is a chunk of its own has to be
/// loaded first.
#[wasm_bindgen::prelude::wasm_bindgen]
pub fn hydrate() {
    console_error_panic_hook::set_once();
    let location = window().location();
    let path = location.pathname().unwrap_or_default();
    let query = location.search().unwrap_or_default();
    let chunks: Vec<Chunk> = Chunk::of_address(&path, &query).collect();
    if chunks.is_empty() {
        return take_over();
    }
    spawn_local(async move {
        for chunk in chunks {
            if let Err(error) = chunk.load().await {
                // It goes on being what the server rendered, as where there is no JavaScript.
                leptos::logging::error!("{error}: load the page again");
                return;
            }
        }
        take_over();
    });
}

/// Makes the page live, then marks the document. Browser tests wait for that mark; it is set here rather than in an
/// effect because an effect would also run after a hydration that panicked.
fn take_over() {
    let changed = early::changed();
    leptos::mount::hydrate_body(App);
    changed.tell();
    if let Some(root) = document().document_element() {
        // An attribute with this name can always be set.
        let _ = root.set_attribute("data-hydrated", "true");
    }
}
