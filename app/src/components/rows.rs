//! Lists whose rows stay as they are while their keys stay.
//!
//! `<For>` of Leptos is compiled anew for each kind of item and of row, keeping and moving of rows included. Here
//! every list is the same to it: a key, and a closure that draws. That keeps the dashboard's download small.

use leptos::prelude::*;
use std::sync::Arc;

struct Item {
    key: String,
    draw: Box<dyn FnOnce() -> AnyView + Send>,
}

/// A row for each item. Rows whose keys are still there are moved, not drawn anew.
#[component]
pub(crate) fn Rows<T, E, K, C, V>(
    /// The items.
    each: E,
    /// What tells a row from all others, and what it shows now from what it has shown.
    key: K,
    /// Draws a row.
    children: C,
) -> impl IntoView
where
    T: Send + 'static,
    E: Fn() -> Vec<T> + Send + Sync + 'static,
    K: Fn(&T) -> String + Send + Sync + 'static,
    C: Fn(T) -> V + Send + Sync + 'static,
    V: IntoView + 'static,
{
    let children = Arc::new(move |item| children(item).into_any());
    let items = move || {
        let item = |item| {
            let children = children.clone();
            Item {
                key: key(&item),
                draw: Box::new(move || children(item)),
            }
        };
        each().into_iter().map(item).collect()
    };
    draw(Arc::new(items))
}

fn draw(items: Arc<dyn Fn() -> Vec<Item> + Send + Sync>) -> AnyView {
    view! { <For each=move || items() key=|item| item.key.clone() children=|item| (item.draw)() /> }
        .into_any()
}
