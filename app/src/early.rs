//! What somebody changes in the forms of a page before it has come to life: the controls are there from the first moment on, and
//! whoever hears of their changes only once the code is. Over a slow line that takes seconds.

use leptos::prelude::{document, set_timeout};
use leptos::wasm_bindgen::{JsCast, JsValue};
use std::time::Duration;
use web_sys::js_sys::Reflect;
use web_sys::{Element, Event, EventInit, HtmlFormElement};

/// Controls that wait to be heard. Those outside of forms act at once, and nothing is done that was not pressed on a living page.
const CONTROLS: &str = "form :is(input, select, textarea)";

/// The controls that are not as the server sent them.
#[derive(Default)]
pub struct Changed(Vec<(Element, JsValue)>);

/// Looks for them, before the page comes to life: then all controls are set to what the page knows.
pub fn changed() -> Changed {
    let document = document();
    let (Ok(found), Ok(fresh)) = (
        document.query_selector_all(CONTROLS),
        document.create_element("form"),
    ) else {
        return Changed::default();
    };
    // The browser alone knows what a control makes of what the server wrote. A form that is reset says it.
    let mut pairs = Vec::new();
    for at in 0..found.length() {
        let Some(control) = found.item(at).and_then(|node| node.dyn_into().ok()) else {
            continue;
        };
        let control: Element = control;
        if let Ok(copy) = control.clone_node_with_deep(true)
            && fresh.append_child(&copy).is_ok()
        {
            pairs.push((control, copy.unchecked_into::<Element>()));
        }
    }
    fresh.unchecked_into::<HtmlFormElement>().reset();
    let changed = pairs.into_iter().filter_map(|(control, copy)| {
        let now = state(&control);
        (now != state(&copy)).then_some((control, now))
    });
    Changed(changed.collect())
}

impl Changed {
    /// Lets the page know of them, as if they had been changed just now. Called right after it has come to life.
    pub fn tell(self) {
        // At the end of this turn all of the page is alive, and all controls are as it knows them.
        let tell = move || {
            for (control, then) in &self.0 {
                if state(control) != *then {
                    // A control always takes what it has had.
                    let _ = Reflect::set(control, &key(control).into(), then);
                }
            }
            for (control, _) in self.0 {
                for kind in ["input", "change"] {
                    let bubbles = EventInit::new();
                    bubbles.set_bubbles(true);
                    if let Ok(event) = Event::new_with_event_init_dict(kind, &bubbles) {
                        let _ = control.dispatch_event(&event);
                    }
                }
            }
        };
        set_timeout(tell, Duration::ZERO);
    }
}

/// Where a control keeps its state.
fn key(control: &Element) -> &'static str {
    let kind = control.get_attribute("type");
    match kind.as_deref() {
        Some("checkbox" | "radio") => "checked",
        _ => "value",
    }
}

fn state(control: &Element) -> JsValue {
    Reflect::get(control, &key(control).into()).unwrap_or_default()
}
