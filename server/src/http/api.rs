//! The routes under `/api/v1/`.

use super::error::{Answer, Refusal};
use super::request::Body;
use crate::ops::{self, Ops};
use crate::people::Caller;
use axum::extract::{Path, Query, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use saltpeter_app::backend::Backend as _;
use saltpeter_protocol::api::{
    ApiError, ConfigPage, ErrorCode, JobDetail, JobRow, KillRequest, MachineList, MachineQuery,
    MaintenanceDiff, MaintenanceEdit, MaintenancePage, OutputFrom, Overview, PauseRequest,
    RunDetail, RunList, RunQuery, RunStarted, Timeline, TimelineQuery,
};
use saltpeter_protocol::{Attempt, MachineId, RunId};
use serde::Deserialize;

/// Bytes of output in an answer unless the request says otherwise.
const DEFAULT_SLICE: usize = 256 * 1024;

pub(super) fn router(ops: Ops) -> Router {
    let routes = Router::new()
        .route("/overview", get(overview))
        .route("/jobs/{job}", get(job))
        .route("/jobs/{job}/run", post(run_now))
        .route("/jobs/{job}/kill", post(kill_job))
        .route("/jobs/{job}/pause", post(pause))
        .route("/runs", get(runs))
        .route("/runs/{run}", get(run))
        .route("/runs/{run}/kill", post(kill_run))
        .route("/runs/{run}/again", post(run_again))
        .route("/runs/{run}/machines/{machine}/output", get(output))
        .route("/runs/{run}/machines/{machine}/output/raw", get(raw_output))
        .route("/maintenance", get(maintenance).put(save_maintenance))
        .route("/maintenance/diff", post(diff_maintenance))
        .route("/machines", get(machines))
        .route("/timeline", get(timeline))
        .route("/config", get(config))
        .fallback(no_route)
        .method_not_allowed_fallback(wrong_method)
        .with_state(ops);
    Router::new().nest("/api/v1", routes)
}

pub(super) async fn no_route() -> Refusal {
    Refusal(ApiError::new(
        ErrorCode::NotFound,
        "there is no such route; docs/OPERATIONS.md lists them",
    ))
}

async fn wrong_method() -> Response {
    let error = ApiError::new(ErrorCode::BadRequest, "this route has no such method");
    let mut response = Refusal(error).into_response();
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response
}

async fn overview(State(ops): State<Ops>) -> Answer<Json<Overview>> {
    Ok(Json(ops.overview().await?))
}

async fn job(State(ops): State<Ops>, Path(job): Path<String>) -> Answer<Json<JobDetail>> {
    Ok(Json(ops.job(&ops::job_name(&job)?).await?))
}

async fn run(State(ops): State<Ops>, Path(run): Path<String>) -> Answer<Json<RunDetail>> {
    Ok(Json(ops.run(&ops::run_id(&run)?).await?))
}

async fn runs(
    State(ops): State<Ops>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Answer<Json<RunList>> {
    let query = RunQuery::parse(borrowed(&pairs))?;
    Ok(Json(ops.runs_by(&query).await?))
}

async fn machines(
    State(ops): State<Ops>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Answer<Json<MachineList>> {
    let query = MachineQuery::parse(borrowed(&pairs))?;
    Ok(Json(ops.machines(&query).await?))
}

async fn timeline(
    State(ops): State<Ops>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Answer<Json<Timeline>> {
    let query = TimelineQuery::parse(borrowed(&pairs))?;
    Ok(Json(ops.timeline(&query).await?))
}

fn borrowed(pairs: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
    pairs
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
}

async fn run_now(
    State(ops): State<Ops>,
    Path(job): Path<String>,
    caller: Caller,
) -> Answer<(StatusCode, Json<RunStarted>)> {
    let run = ops.run_now(&caller, &ops::job_name(&job)?).await?;
    Ok((StatusCode::CREATED, Json(RunStarted { run })))
}

async fn run_again(
    State(ops): State<Ops>,
    Path(run): Path<String>,
    caller: Caller,
) -> Answer<(StatusCode, Json<RunStarted>)> {
    let run = ops.run_again(&caller, &ops::run_id(&run)?).await?;
    Ok((StatusCode::CREATED, Json(RunStarted { run })))
}

async fn kill_job(
    State(ops): State<Ops>,
    Path(job): Path<String>,
    caller: Caller,
    Body(request): Body<KillRequest>,
) -> Answer<StatusCode> {
    ops.kill_job(&caller, &ops::job_name(&job)?, request.machine)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn kill_run(
    State(ops): State<Ops>,
    Path(run): Path<String>,
    caller: Caller,
    Body(request): Body<KillRequest>,
) -> Answer<StatusCode> {
    ops.kill_run(&caller, &ops::run_id(&run)?, request.machine)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn pause(
    State(ops): State<Ops>,
    Path(job): Path<String>,
    caller: Caller,
    Body(request): Body<PauseRequest>,
) -> Answer<Json<JobRow>> {
    let job = ops::job_name(&job)?;
    let row = ops.pause(&caller, &job, request.paused).await?;
    Ok(Json(row))
}

async fn maintenance(State(ops): State<Ops>) -> Answer<Json<MaintenancePage>> {
    Ok(Json(ops.maintenance_page().await?))
}

async fn diff_maintenance(
    State(ops): State<Ops>,
    caller: Caller,
    Body(edit): Body<MaintenanceEdit>,
) -> Answer<Json<MaintenanceDiff>> {
    Ok(Json(ops.diff_maintenance(&caller, &edit).await?))
}

async fn save_maintenance(
    State(ops): State<Ops>,
    caller: Caller,
    Body(edit): Body<MaintenanceEdit>,
) -> Answer<Json<MaintenancePage>> {
    Ok(Json(ops.save_maintenance(&caller, &edit).await?))
}

async fn config(State(ops): State<Ops>) -> Json<ConfigPage> {
    Json(ops.configuration())
}

/// Where a slice begins and how long it may be. One of the first three, or the whole from the beginning.
#[derive(Debug, Deserialize)]
struct Slice {
    offset: Option<u64>,
    line: Option<u64>,
    tail: Option<u64>,
    limit: Option<usize>,
    attempt: Option<Attempt>,
}

/// Which of a machine's attempts; the newest when absent.
#[derive(Debug, Deserialize)]
struct OfAttempt {
    attempt: Option<Attempt>,
}

async fn output(
    State(ops): State<Ops>,
    Path((run, machine)): Path<(String, String)>,
    Query(slice): Query<Slice>,
) -> Answer<Response> {
    let (run, machine) = stream_of(&run, machine)?;
    let from = match (slice.offset, slice.line, slice.tail) {
        (offset, None, None) => OutputFrom::Offset(offset.unwrap_or(0)),
        (None, Some(line), None) => OutputFrom::Line(line),
        (None, None, Some(bytes)) => OutputFrom::Tail(bytes),
        _ => {
            let message = "give one of offset, line and tail, not several";
            return Err(ApiError::new(ErrorCode::BadRequest, message).into());
        }
    };
    let limit = slice.limit.unwrap_or(DEFAULT_SLICE);
    let slice = ops
        .output(&run, &machine, slice.attempt, from, limit)
        .await?;
    let body = slice
        .encode()
        .map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()))?;
    let headers = [
        (CONTENT_TYPE, "application/octet-stream"),
        (CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, body).into_response())
}

async fn raw_output(
    State(ops): State<Ops>,
    Path((run, machine)): Path<(String, String)>,
    Query(of): Query<OfAttempt>,
) -> Answer<Response> {
    let (run, machine) = stream_of(&run, machine)?;
    let reader = ops.output_reader(&run, &machine, of.attempt, 0).await?;
    let mut response = axum::body::Body::from_stream(reader.into_stream()).into_response();
    let headers = response.headers_mut();
    // A job's output is never shown as a page.
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    let of = of
        .attempt
        .map_or(String::new(), |attempt| format!("_{attempt}"));
    let name: String = format!("{run}_{machine}{of}.log")
        .chars()
        .map(|c| {
            if c.is_ascii_graphic() && !matches!(c, '"' | '\\') {
                c
            } else {
                '_'
            }
        })
        .collect();
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        headers.insert(CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

fn stream_of(run: &str, machine: String) -> Result<(RunId, MachineId), ApiError> {
    let run = ops::run_id(run)?;
    let machine = MachineId::new(machine)
        .map_err(|error| ApiError::new(ErrorCode::UnknownMachine, error.to_string()))?;
    Ok((run, machine))
}
