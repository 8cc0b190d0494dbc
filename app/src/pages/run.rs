//! The Run page: a permanent link to what happened.

use super::{Loaded, PageTitle};
use crate::chunk::Part;
use crate::components::run_view::{Asked, RunBundle, RunView};
use leptos::prelude::*;
use leptos::wasm_split::wasm_split;
use leptos_router::hooks::{use_params_map, use_query_map};
use saltpeter_protocol::api::{ApiError, ErrorCode};
use saltpeter_protocol::{Attempt, MachineId, RunId};

/// The page, in a chunk of its own.
#[wasm_split(run, wasm_split_path = leptos::wasm_split, preload(load), fallible)]
pub(crate) fn page() -> Part {
    Ok(RunPage().into_any())
}

#[component]
fn RunPage() -> impl IntoView {
    let params = use_params_map();
    let query = use_query_map();
    let name = Memo::new(move |_| params.with(|params| params.get("run")).unwrap_or_default());
    let asked = Signal::derive(move || {
        query.with(|query| {
            let machine = MachineId::new(query.get("machine")?).ok()?;
            let attempt = query.get("attempt");
            let attempt = attempt.and_then(|attempt| attempt.parse::<Attempt>().ok());
            Some(Asked { machine, attempt })
        })
    });
    let merged = Signal::derive(move || query.with(|query| query.get("merged")));
    let bundle = Resource::new(
        move || name.get(),
        move |name| {
            // Another machine of the same run is fetched by the pane alone.
            let (asked, merged) = (asked.get_untracked(), merged.get_untracked());
            async move {
                match RunId::new(name) {
                    Ok(run) => RunBundle::read(run, asked, merged).await,
                    Err(error) => Err(ApiError::new(ErrorCode::UnknownRun, error.to_string())),
                }
            }
        },
    );
    let show = move |bundle| view! { <RunView bundle asked merged within=false /> }.into_any();
    view! {
        <PageTitle text=move || name.with(|name| super::title(name)) />
        <div class="page run-page">
            <Loaded what="run" page=bundle show />
        </div>
    }
    .into_any()
}
