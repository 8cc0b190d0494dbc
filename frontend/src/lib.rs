//! The entry that the browser calls when the WASM is loaded.
#![cfg(target_arch = "wasm32")]
// A page is one type, as deep as its markup.
#![recursion_limit = "512"]

/// Takes over the page that the server rendered, then marks the document as alive. Browser tests
/// wait for that mark; it is set here rather than in an effect because an effect would also run
/// after a hydration that panicked.
#[wasm_bindgen::prelude::wasm_bindgen]
pub fn hydrate() {
    console_error_panic_hook::set_once();
    leptos::mount::hydrate_body(saltpeter_app::App);
    if let Some(root) = leptos::prelude::document().document_element() {
        // An attribute with this name can always be set.
        let _ = root.set_attribute("data-hydrated", "true");
    }
}
