//! The Run page: a permanent link to what happened.

use super::Failure;
use crate::client;
use crate::components::run_view::RunView;
use leptos::either::Either;
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::{use_params_map, use_query_map};
use saltpeter_protocol::api::{ApiError, ErrorCode};
use saltpeter_protocol::{MachineId, RunId};

/// The page.
#[component]
pub(crate) fn RunPage() -> impl IntoView {
    let params = use_params_map();
    let query = use_query_map();
    let name = Memo::new(move |_| params.with(|params| params.get("run")).unwrap_or_default());
    let asked = Signal::derive(move || {
        let machine = query.with(|query| query.get("machine"))?;
        MachineId::new(machine).ok()
    });
    let detail = Resource::new(
        move || name.get(),
        |name| async move {
            match RunId::new(name) {
                Ok(run) => client::run(run).await,
                Err(error) => Err(ApiError::new(ErrorCode::UnknownRun, error.to_string())),
            }
        },
    );
    view! {
        <Title text=move || format!("{} · Saltpeter", name.get()) />
        <div class="page run-page">
            <Suspense fallback=|| view! { <div class="skeleton page-skeleton"></div> }>
                {move || Suspend::new(async move {
                    match detail.await {
                        Ok(detail) => {
                            Either::Left(view! { <RunView detail asked within=false /> })
                        }
                        Err(error) => Either::Right(view! { <Failure what="run" error /> }),
                    }
                })}
            </Suspense>
        </div>
    }
    .into_any()
}
