//! The routes that users of the earlier implementation have scripts for.

mod status;

use super::api::wrong_method;
use super::error::{Answer, Refusal};
use super::request::{Body, Path};
use crate::VERSION;
use crate::ops::{self, Ops, Storage};
use crate::people::Caller;
use axum::extract::{Request, State};
use axum::http::header::ACCEPT;
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use saltpeter_app::backend::Backend as _;
use saltpeter_protocol::api::{ApiError, ConfigEntry, ErrorCode};
use saltpeter_protocol::{JobName, MachineId, RunId, UnixMillis};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What supervisors ask: whether it lives and is well. They need not say who they are.
pub(super) fn health(ops: Ops) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/version", get(version))
        .with_state(ops)
}

pub(super) fn router(ops: Ops) -> Router {
    Router::new()
        .route("/running", get(running))
        .route("/status", get(status::status))
        .route("/runnow/{job}", post(run_now))
        .route("/runnow", post(run_nothing))
        .route("/runnow/", post(run_nothing))
        .route("/kill", post(kill))
        .method_not_allowed_fallback(wrong_method)
        .with_state(ops)
}

/// 503, and why, while the server cannot write to its disk: whoever watches it should wake somebody up. A supervisor that
/// only asks whether it lives should ask for `/version`; a restart makes no room.
async fn healthz(State(ops): State<Ops>) -> (StatusCode, String) {
    match ops.storage() {
        Storage::Well => (StatusCode::OK, "ok\n".to_owned()),
        Storage::Slow(why) => (StatusCode::OK, why),
        Storage::Failing(why) => (StatusCode::SERVICE_UNAVAILABLE, why),
    }
}

/// `/config` and `/timeline` are pages for browsers, and what they always were for programs.
pub(super) async fn negotiate(State(ops): State<Ops>, request: Request, next: Next) -> Response {
    let accepts = request.headers().get_all(ACCEPT).iter();
    let is_browser = accepts
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.contains("text/html"));
    if is_browser || request.method() != Method::GET {
        return next.run(request).await;
    }
    match request.uri().path() {
        "/config" => config(State(ops)).await.into_response(),
        "/timeline" => timeline(State(ops)).await.into_response(),
        _ => next.run(request).await,
    }
}

async fn version() -> Json<Value> {
    Json(json!({ "version": VERSION }))
}

async fn config(State(ops): State<Ops>) -> Answer<Json<Value>> {
    let overview = ops.overview().await?;
    let settings: Map<String, Value> = ops
        .configuration()
        .settings
        .into_iter()
        .map(|row| (row.key, Value::String(row.value)))
        .collect();
    let text = |entries: Vec<ConfigEntry>| -> Map<String, Value> {
        let entries = entries.into_iter();
        entries
            .map(|entry| (entry.key, Value::String(entry.value)))
            .collect()
    };
    let crons: Map<String, Value> = overview
        .jobs
        .into_iter()
        .map(|row| {
            let mut keys = text(row.config);
            keys.insert("group".to_owned(), Value::String(row.group));
            (row.name.into(), Value::Object(keys))
        })
        .collect();
    let maintenance = json!({
        "global": overview.maintenance.global,
        "machines": overview.maintenance.machines,
        "groups": overview.maintenance.groups,
    });
    Ok(Json(json!({
        "saltpeter_config": settings,
        "saltpeter_maintenance": maintenance,
        // Under its first name too.
        "maintenance": maintenance,
        "crons": crons,
    })))
}

#[derive(Serialize)]
struct Running {
    name: JobName,
    started: String,
    machines: Vec<MachineId>,
}

async fn running(State(ops): State<Ops>) -> Answer<Json<BTreeMap<RunId, Running>>> {
    Ok(Json(all_running(&ops).await?))
}

/// By the runs themselves, and not by the jobs' rows: a job that has gone from the files may still run.
async fn all_running(ops: &Ops) -> Answer<BTreeMap<RunId, Running>> {
    let mut running = BTreeMap::new();
    for run in ops.going() {
        let Some(detail) = unless_deleted(ops.run(&run.id).await)? else {
            continue;
        };
        let going = detail.machines.iter();
        let entry = Running {
            name: run.job.clone(),
            started: iso(run.created),
            machines: going
                .filter(|row| !row.state.is_ended())
                .map(|row| row.machine.clone())
                .collect(),
        };
        running.insert(run.id.clone(), entry);
    }
    Ok(running)
}

async fn timeline(State(ops): State<Ops>) -> Answer<Json<Value>> {
    let overview = ops.overview().await?;
    let mut past = Vec::new();
    let mut upcoming = Vec::new();
    for row in overview.jobs {
        for run in &row.recent {
            let ended = match run.state {
                saltpeter_protocol::RunState::Ended { at, .. } => Some(iso(at)),
                _ => None,
            };
            past.push(json!({
                "name": row.name,
                "instance": run.run,
                "started": iso(run.started),
                "ended": ended,
            }));
        }
        for run in &row.active {
            past.push(json!({
                "name": row.name,
                "instance": run.id,
                "started": iso(run.created),
                "ended": null,
            }));
        }
        if let Some(next) = row.next {
            upcoming.push(json!({ "name": row.name, "at": iso(next) }));
        }
    }
    Ok(Json(json!({ "timeline": past, "upcoming": upcoming })))
}

/// What is said of a run; nothing where it was deleted because it is old, after the board was read.
fn unless_deleted<T>(answer: Result<T, ApiError>) -> Answer<Option<T>> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.code == ErrorCode::UnknownRun => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn run_now(
    State(ops): State<Ops>,
    Path(job): Path<String>,
    caller: Caller,
) -> Answer<Json<Value>> {
    let run = ops.run_now(&caller, &ops::job_name(&job)?).await?;
    Ok(Json(json!({ "job": job, "instance": run })))
}

/// A script whose variable is empty. Paths without a name match no `{job}`.
async fn run_nothing() -> Refusal {
    let message = "no job is named: it stands in the path, as in POST /runnow/backup_db";
    Refusal(ApiError::new(ErrorCode::BadRequest, message))
}

/// Body of `POST /kill`.
#[derive(Deserialize)]
struct Kill {
    job: String,
    #[serde(default)]
    machine: Option<MachineId>,
}

async fn kill(
    State(ops): State<Ops>,
    caller: Caller,
    Body(kill): Body<Kill>,
) -> Answer<Json<Value>> {
    let killed = ops
        .kill_job(&caller, &ops::job_name(&kill.job)?, kill.machine)
        .await?;
    Ok(Json(json!({ "job": kill.job, "instances": killed })))
}

fn iso(at: UnixMillis) -> String {
    chrono::DateTime::from_timestamp_millis(at.0)
        .map(|at| at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true))
        .unwrap_or_default()
}
