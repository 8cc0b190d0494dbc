//! What a page asks for once it has come to life.

use super::rest::{ask, fetch, tell};
use super::{ApiError, Method, maintenance_page, with_given};
use crate::actions::{Action, Done};
use crate::routes;
use saltpeter_protocol::api::{
    Edited, KillRequest, MaintenanceDiff, MaintenanceEdit, MaintenancePage, PauseRequest,
    RunStarted, SearchQuery, SearchStep,
};
use saltpeter_protocol::{JobName, MachineId, RunId};

/// Searches a machine's output, one step further.
pub(crate) async fn search(
    run: RunId,
    machine: MachineId,
    query: SearchQuery,
) -> Result<SearchStep, ApiError> {
    let path = format!(
        "{}/search?q={}&regex={}&case={}&line={}",
        routes::output_api(&run, &machine),
        routes::escape(&query.q),
        query.regex,
        query.case,
        query.line
    );
    let path = with_given(
        path,
        [
            ("skip", query.skip.map(|skip| skip.to_string())),
            ("limit", query.limit.map(|limit| limit.to_string())),
            ("attempt", query.attempt.map(|attempt| attempt.to_string())),
        ],
    );
    fetch(&path).await
}

/// What an edit would write.
pub(crate) async fn maintenance_diff(edit: MaintenanceEdit) -> Result<MaintenanceDiff, ApiError> {
    let path = format!("{}/diff", routes::MAINTENANCE_API);
    ask(Method::Post, &path, &edit).await
}

/// Writes an edit.
pub(crate) async fn maintenance_save(edit: MaintenanceEdit) -> Result<MaintenancePage, ApiError> {
    ask(Method::Put, routes::MAINTENANCE_API, &edit).await
}

/// Does what a person asked for.
pub(crate) async fn perform(action: Action) -> Result<Done, ApiError> {
    match action {
        Action::Start(job) => start(format!("/api/v1/jobs/{job}/run")).await,
        Action::Again(run) => start(format!("/api/v1/runs/{run}/again")).await,
        Action::KillJob(job) => kill(format!("/api/v1/jobs/{job}/kill"), None).await,
        Action::KillRun(run) => kill(format!("/api/v1/runs/{run}/kill"), None).await,
        Action::KillMachine(run, machine) => {
            kill(format!("/api/v1/runs/{run}/kill"), Some(machine)).await
        }
        Action::Pause(job) => pause(job, true).await,
        Action::Resume(job) => pause(job, false).await,
        Action::EndMaintenance => {
            let page = maintenance_page().await?;
            maintenance_save(MaintenanceEdit {
                version: page.version,
                global: false,
                groups: Edited::AsItIs,
                machines: page.current.machines.into_iter().map(Into::into).collect(),
                reason: Edited::AsItIs,
                until: Edited::AsItIs,
            })
            .await?;
            Ok(Done::Asked)
        }
    }
}

async fn start(path: String) -> Result<Done, ApiError> {
    let started: RunStarted = ask(Method::Post, &path, &()).await?;
    Ok(Done::Started(started.run))
}

async fn kill(path: String, machine: Option<MachineId>) -> Result<Done, ApiError> {
    tell(&path, &KillRequest { machine }).await?;
    Ok(Done::Asked)
}

async fn pause(job: JobName, paused: bool) -> Result<Done, ApiError> {
    let path = format!("/api/v1/jobs/{job}/pause");
    tell(&path, &PauseRequest { paused }).await?;
    Ok(Done::Asked)
}
