//! In the browser: everything goes through the REST interface.

// The signatures are the server's, where an answer keeps what it was asked for.
#![expect(clippy::needless_pass_by_value)]

use super::{
    ApiError, Asked, Attempt, ConfigPage, FirstView, JobDetail, JobName, LinesPage, LinesQuery,
    MachineId, MachineList, MaintenancePage, Method, OutputFrom, OutputSlice, Read, RunDetail,
    RunId, RunList, SameOutput, Timeline,
};
use crate::actions::{Action, Done};
use crate::routes;
use gloo_net::http::{Request, RequestBuilder, Response};
use leptos::prelude::window;
use saltpeter_protocol::api::{
    Edited, ErrorBody, ErrorCode, KillRequest, MaintenanceDiff, MaintenanceEdit, Overview,
    PauseRequest, Reading, RunStarted, SearchQuery, SearchStep,
};
use send_wrapper::SendWrapper;
use serde::Serialize;
use serde::de::DeserializeOwned;

fn unreachable() -> ApiError {
    ApiError::new(
        ErrorCode::Unavailable,
        "the server does not answer; check the connection and try again",
    )
}

fn strange() -> ApiError {
    ApiError::new(
        ErrorCode::Internal,
        "the server's answer cannot be read; it may have been updated, so reload this page",
    )
}

async fn checked(response: Response) -> Result<Response, ApiError> {
    if response.ok() {
        return Ok(response);
    }
    // Whoever is not logged in any more is led to the login page, and back here from there.
    if response.status() == 401 {
        let _ = window().location().reload();
    }
    match response.json::<ErrorBody>().await {
        Ok(body) => Err(body.error),
        Err(_) => Err(strange()),
    }
}

async fn send(request: RequestBuilder) -> Result<Response, ApiError> {
    checked(request.send().await.map_err(|_| unreachable())?).await
}

async fn send_json<B: Serialize>(request: RequestBuilder, body: &B) -> Result<Response, ApiError> {
    let request = request.json(body).map_err(|_| strange())?;
    checked(request.send().await.map_err(|_| unreachable())?).await
}

async fn read<T: DeserializeOwned>(response: Response) -> Result<T, ApiError> {
    response.json().await.map_err(|_| strange())
}

fn get<T: DeserializeOwned + 'static>(url: String) -> impl Read<T> {
    SendWrapper::new(async move { read(send(Request::get(&url)).await?).await })
}

pub(super) fn first(search: String) -> impl Read<FirstView> {
    SendWrapper::new(async move {
        let overview: Overview = get("/api/v1/overview".to_owned()).await?;
        Ok(FirstView::new(overview, &search))
    })
}

pub(super) fn job(name: JobName) -> impl Read<JobDetail> {
    get(format!("/api/v1/jobs/{name}"))
}

pub(super) fn run(run: RunId) -> impl Read<RunDetail> {
    get(format!("/api/v1/runs/{run}"))
}

pub(super) fn output(
    run: RunId,
    machine: MachineId,
    attempt: Attempt,
    from: OutputFrom,
    limit: usize,
) -> impl Read<OutputSlice> {
    let from = match from {
        OutputFrom::Offset(n) => format!("offset={n}"),
        OutputFrom::Line(n) => format!("line={n}"),
        OutputFrom::Tail(n) => format!("tail={n}"),
    };
    let url = format!(
        "{}?attempt={attempt}&{from}&limit={limit}",
        routes::output_api(&run, &machine)
    );
    SendWrapper::new(async move {
        let response = send(Request::get(&url)).await?;
        let bytes = response.binary().await.map_err(|_| unreachable())?;
        OutputSlice::decode(&bytes).map_err(|_| strange())
    })
}

pub(super) fn lines(run: RunId, query: LinesQuery) -> impl Read<LinesPage> {
    let reading = match query.reading {
        Reading::Before => "before",
        Reading::After => "after",
    };
    let mut url = format!(
        "/api/v1/runs/{run}/output/lines?machines={}&stderr={}&reading={reading}",
        routes::escape(&query.machines),
        query.stderr
    );
    for (key, value) in [
        ("attempt", query.attempt.map(|attempt| attempt.to_string())),
        ("limit", query.limit.map(|limit| limit.to_string())),
        ("at", query.at),
    ] {
        if let Some(value) = value {
            url = format!("{url}&{key}={value}");
        }
    }
    get(url)
}

pub(super) fn same_output(run: RunId) -> impl Read<Vec<SameOutput>> {
    get(format!("/api/v1/runs/{run}/output/same"))
}

/// Searches a machine's output, one step further.
pub(crate) fn search(run: RunId, machine: MachineId, query: SearchQuery) -> impl Read<SearchStep> {
    let mut url = format!(
        "{}/search?q={}&regex={}&case={}&line={}",
        routes::output_api(&run, &machine),
        routes::escape(&query.q),
        query.regex,
        query.case,
        query.line
    );
    for (key, value) in [
        ("skip", query.skip.map(|skip| skip.to_string())),
        ("limit", query.limit.map(|limit| limit.to_string())),
        ("attempt", query.attempt.map(|attempt| attempt.to_string())),
    ] {
        if let Some(value) = value {
            url = format!("{url}&{key}={value}");
        }
    }
    get(url)
}

pub(super) fn maintenance_page() -> impl Read<MaintenancePage> {
    get("/api/v1/maintenance".to_owned())
}

pub(super) fn config_page() -> impl Read<ConfigPage> {
    get("/api/v1/config".to_owned())
}

pub(super) fn runs(asked: Asked) -> impl Read<RunList> {
    get(asked.address("/api/v1/runs"))
}

pub(super) fn machines(asked: Asked) -> impl Read<MachineList> {
    get(asked.address("/api/v1/machines"))
}

pub(super) fn timeline(asked: Asked) -> impl Read<Timeline> {
    get(asked.address("/api/v1/timeline"))
}

/// Reads what stands at an address of the REST interface, of the same place that the page is from.
pub(crate) async fn fetch<T: DeserializeOwned>(url: &str) -> Result<T, ApiError> {
    read(send(Request::get(url)).await?).await
}

/// Sends a body there, and reads the answer.
pub(crate) async fn ask<B: Serialize, T: DeserializeOwned>(
    method: Method,
    url: &str,
    body: &B,
) -> Result<T, ApiError> {
    let request = match method {
        Method::Post => Request::post(url),
        Method::Put => Request::put(url),
    };
    read(send_json(request, body).await?).await
}

/// What an edit would write.
pub(crate) async fn maintenance_diff(edit: MaintenanceEdit) -> Result<MaintenanceDiff, ApiError> {
    read(send_json(Request::post("/api/v1/maintenance/diff"), &edit).await?).await
}

/// Writes an edit.
pub(crate) async fn maintenance_save(edit: MaintenanceEdit) -> Result<MaintenancePage, ApiError> {
    read(send_json(Request::put("/api/v1/maintenance"), &edit).await?).await
}

/// Does what a person asked for.
pub(crate) async fn perform(action: Action) -> Result<Done, ApiError> {
    let started = |response| async {
        let started: RunStarted = read(response).await?;
        Ok(Done::Started(started.run))
    };
    match action {
        Action::Start(job) => {
            let url = format!("/api/v1/jobs/{job}/run");
            started(send(Request::post(&url)).await?).await
        }
        Action::Again(run) => {
            let url = format!("/api/v1/runs/{run}/again");
            started(send(Request::post(&url)).await?).await
        }
        Action::KillJob(job) => {
            let url = format!("/api/v1/jobs/{job}/kill");
            send(Request::post(&url)).await?;
            Ok(Done::Asked)
        }
        Action::KillRun(run) => kill(run, None).await,
        Action::KillMachine(run, machine) => kill(run, Some(machine)).await,
        Action::Pause(job) => pause(job, true).await,
        Action::Resume(job) => pause(job, false).await,
        Action::EndMaintenance => {
            let page: MaintenancePage = maintenance_page().await?;
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

async fn kill(run: RunId, machine: Option<MachineId>) -> Result<Done, ApiError> {
    let url = format!("/api/v1/runs/{run}/kill");
    send_json(Request::post(&url), &KillRequest { machine }).await?;
    Ok(Done::Asked)
}

async fn pause(job: JobName, paused: bool) -> Result<Done, ApiError> {
    let url = format!("/api/v1/jobs/{job}/pause");
    send_json(Request::post(&url), &PauseRequest { paused }).await?;
    Ok(Done::Asked)
}
