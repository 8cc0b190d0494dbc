//! The routes of the job editor and of the import.

use super::error::Answer;
use super::request::{Body, Params};
use crate::ops::Ops;
use crate::ops::editor::Wanted;
use crate::people::Caller;
use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use saltpeter_protocol::api::{
    ApiError, EditCheck, EditSaved, EditorPage, ErrorCode, FileEdit, ImportRequest, ImportResult,
    Preview,
};
use serde::Deserialize;

pub(super) fn routes() -> Router<Ops> {
    Router::new()
        .route("/editor", get(editor).put(save))
        .route("/editor/check", post(check))
        .route("/editor/preview", post(preview))
        .route("/import/crontab", post(crontab))
}

/// A job that is there, or a file for a new one.
#[derive(Debug, Deserialize)]
struct Begin {
    job: Option<String>,
    file: Option<String>,
}

async fn editor(
    State(ops): State<Ops>,
    Params(begin): Params<Begin>,
    caller: Caller,
) -> Answer<Json<EditorPage>> {
    let wanted = match (begin.job, begin.file) {
        (Some(job), None) => Wanted::Job(job),
        (None, file) => Wanted::New(file),
        (Some(_), Some(_)) => {
            let message = "give one of job and file, not both";
            return Err(ApiError::new(ErrorCode::BadRequest, message).into());
        }
    };
    Ok(Json(ops.editor(&caller, wanted).await?))
}

async fn check(
    State(ops): State<Ops>,
    caller: Caller,
    Body(edit): Body<FileEdit>,
) -> Answer<Json<EditCheck>> {
    Ok(Json(ops.check_edit(&caller, edit).await?))
}

async fn preview(
    State(ops): State<Ops>,
    caller: Caller,
    Body(edit): Body<FileEdit>,
) -> Answer<Json<Preview>> {
    Ok(Json(ops.preview_edit(&caller, edit).await?))
}

async fn save(
    State(ops): State<Ops>,
    caller: Caller,
    Body(edit): Body<FileEdit>,
) -> Answer<Json<EditSaved>> {
    Ok(Json(ops.save_edit(&caller, edit).await?))
}

/// Anybody who may look may convert: nothing comes of it.
async fn crontab(
    State(ops): State<Ops>,
    Body(request): Body<ImportRequest>,
) -> Answer<Json<ImportResult>> {
    Ok(Json(ops.import_crontab(request).await?))
}
