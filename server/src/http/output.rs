//! The routes for what commands have written.

use super::error::Answer;
use super::request::{Params, Path};
use crate::ops::{self, Ops};
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use saltpeter_app::backend::Backend as _;
use saltpeter_protocol::api::{
    ApiError, ErrorCode, LinesPage, LinesQuery, OutputFrom, SameOutput, SearchQuery, SearchStep,
};
use saltpeter_protocol::{Attempt, MachineId, RunId};
use serde::Deserialize;

/// Bytes of output in an answer unless the request says otherwise.
const DEFAULT_SLICE: usize = 256 * 1024;

pub(super) fn router() -> Router<Ops> {
    const MACHINE: &str = "/runs/{run}/machines/{machine}/output";
    Router::new()
        .route(MACHINE, get(output))
        .route(&format!("{MACHINE}/raw"), get(raw_output))
        .route(&format!("{MACHINE}/search"), get(search))
        .route("/runs/{run}/output/lines", get(lines))
        .route("/runs/{run}/output/same", get(same))
        .route("/runs/{run}/output/archive", get(archive))
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
    Params(slice): Params<Slice>,
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
    Params(of): Params<OfAttempt>,
) -> Answer<Response> {
    let (run, machine) = stream_of(&run, machine)?;
    let reader = ops.output_reader(&run, &machine, of.attempt, 0).await?;
    let of = of
        .attempt
        .map_or(String::new(), |attempt| format!("_{attempt}"));
    let name = format!("{run}_{machine}{of}.log");
    let body = Body::from_stream(reader.into_stream());
    Ok(download(body, "text/plain; charset=utf-8", &name))
}

async fn archive(State(ops): State<Ops>, Path(run): Path<String>) -> Answer<Response> {
    let run = ops::run_id(&run)?;
    let archive = ops.output_archive(&run).await?;
    let name = format!("{run}.tar");
    Ok(download(
        Body::from_stream(archive),
        "application/x-tar",
        &name,
    ))
}

async fn search(
    State(ops): State<Ops>,
    Path((run, machine)): Path<(String, String)>,
    Params(query): Params<SearchQuery>,
) -> Answer<Json<SearchStep>> {
    let (run, machine) = stream_of(&run, machine)?;
    Ok(Json(ops.search(&run, &machine, &query).await?))
}

async fn lines(
    State(ops): State<Ops>,
    Path(run): Path<String>,
    Params(query): Params<LinesQuery>,
) -> Answer<Json<LinesPage>> {
    Ok(Json(ops.merged_lines(&ops::run_id(&run)?, &query).await?))
}

async fn same(State(ops): State<Ops>, Path(run): Path<String>) -> Answer<Json<Vec<SameOutput>>> {
    Ok(Json(ops.grouped_output(&ops::run_id(&run)?).await?))
}

/// A file that the browser saves: a job's output is never shown as a page.
fn download(body: Body, kind: &'static str, name: &str) -> Response {
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    let name: String = name
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
    response
}

fn stream_of(run: &str, machine: String) -> Result<(RunId, MachineId), ApiError> {
    let run = ops::run_id(run)?;
    let machine = MachineId::new(machine)
        .map_err(|error| ApiError::new(ErrorCode::UnknownMachine, error.to_string()))?;
    Ok((run, machine))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use saltpeter_app::output::OutputModel;
    use saltpeter_domain::search::shown;
    use saltpeter_protocol::UnixMillis;
    use saltpeter_protocol::api::{ChunkMark, OutputLength, OutputSlice};
    use saltpeter_protocol::machine::Stream;

    fn piece() -> impl Strategy<Value = &'static [u8]> {
        let pieces: Vec<&[u8]> = vec![
            b"a",
            b"bc",
            b"\t",
            b"\r",
            b"\x08",
            b"\x07",
            b"\x7f",
            b"\0",
            b"\x1b[31m",
            b"\x1b[2K",
            b"\x1b[K",
            b"\x1b[",
            b"\x1b]8;;x",
            b"\x1b\\",
            b"\x1b(B",
            b"\x1b",
            b"2",
            b";",
            b"m",
            b"K",
            "\u{e9}".as_bytes(),
            b"\xff",
            b"\xe2\x82",
            b"(",
            b"[",
            b"]",
        ];
        prop::sample::select(pieces)
    }

    proptest! {
        /// The server searches what the page shows, so that a hit is where it says.
        #[test]
        fn what_is_searched_is_what_is_shown(pieces in prop::collection::vec(piece(), 0..12)) {
            let line = pieces.concat();
            let bytes = [line.as_slice(), b"\n"].concat();
            let slice = OutputSlice {
                offset: 0,
                line: 0,
                total: OutputLength { bytes: bytes.len() as u64, lines: 1 },
                chunks: vec![ChunkMark { len: bytes.len() as u32, stream: Stream::Stdout, at: UnixMillis(0) }],
                bytes,
            };
            let page = OutputModel::new(&slice).view(0, 1).remove(0).line.unwrap();
            prop_assert_eq!(shown(&line), page.text);
        }
    }
}
