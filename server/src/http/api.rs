//! The routes under `/api/v1/`.

use super::error::{Answer, Refusal};
use super::output;
use super::request::{Body, Params, Path};
use crate::ops::{self, Ops};
use crate::people::Caller;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use saltpeter_app::backend::Backend as _;
use saltpeter_protocol::api::{
    ApiError, ConfigPage, ErrorCode, JobDetail, JobRow, KillRequest, MachineList, MachineQuery,
    MaintenanceDiff, MaintenanceEdit, MaintenancePage, Overview, PauseRequest, Preview,
    PreviewRequest, RunDetail, RunList, RunQuery, RunStarted, Timeline, TimelineQuery,
};

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
        .merge(output::router())
        .route("/maintenance", get(maintenance).put(save_maintenance))
        .route("/maintenance/diff", post(diff_maintenance))
        .route("/machines", get(machines))
        .route("/timeline", get(timeline))
        .route("/config", get(config))
        .merge(super::editor::routes())
        .route("/preview", post(preview))
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

pub(super) async fn wrong_method() -> Response {
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
    Params(pairs): Params<Vec<(String, String)>>,
) -> Answer<Json<RunList>> {
    let query = RunQuery::parse(borrowed(&pairs))?;
    Ok(Json(ops.runs_by(&query).await?))
}

async fn machines(
    State(ops): State<Ops>,
    Params(pairs): Params<Vec<(String, String)>>,
) -> Answer<Json<MachineList>> {
    let query = MachineQuery::parse(borrowed(&pairs))?;
    Ok(Json(ops.machines(&query).await?))
}

async fn timeline(
    State(ops): State<Ops>,
    Params(pairs): Params<Vec<(String, String)>>,
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

async fn preview(
    State(ops): State<Ops>,
    caller: Caller,
    Body(request): Body<PreviewRequest>,
) -> Answer<Json<Preview>> {
    Ok(Json(ops.preview(&caller, request).await?))
}
