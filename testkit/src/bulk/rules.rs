//! The rules of a `_bulk` request, and those of Saltpeter's documents.

use super::Sent;
use super::http::Request;
use anyhow::{Context, Result, bail, ensure};
use chrono::DateTime;
use serde_json::{Map, Value};

/// The fields of a document.
const FIELDS: [&str; 8] = [
    "@timestamp",
    "group",
    "job_instance",
    "job_name",
    "machine",
    "msg_type",
    "output",
    "return_code",
];

const TYPES: [&str; 7] = [
    "start",
    "machine_start",
    "machine_result",
    "end",
    "overlap",
    "maintenance",
    "no_machines",
];

/// The documents of a request. The error says which rule it breaks.
pub(super) fn read(request: &Request) -> Result<Vec<Sent>> {
    let kind = request.header("content-type");
    ensure!(
        kind == Some("application/x-ndjson"),
        "content type {kind:?}"
    );
    let body = std::str::from_utf8(&request.body).context("not UTF-8")?;
    let body = body
        .strip_suffix('\n')
        .context("the last line has no end")?;
    let lines: Vec<&str> = body.split('\n').collect();
    ensure!(
        lines.len().is_multiple_of(2),
        "{} lines are no pairs",
        lines.len()
    );
    lines
        .chunks(2)
        .map(|pair| document(pair[0], pair[1]))
        .collect()
}

fn document(action: &str, fields: &str) -> Result<Sent> {
    let action: Map<String, Value> = serde_json::from_str(action).context("the action")?;
    ensure!(action.len() == 1, "an action has one key");
    let place = action["index"]
        .as_object()
        .context("the action is not index")?;
    let known = ["_index", "_id", "version", "version_type"];
    ensure!(
        place.keys().all(|key| known.contains(&key.as_str())),
        "unknown keys in {place:?}"
    );
    ensure!(place["version_type"] == "external_gte", "{place:?}");
    let version = place["version"].as_i64().context("no version")?;
    ensure!(version > 0, "version {version}");
    let id = place["_id"].as_str().context("no _id")?;
    ensure!(!id.is_empty() && id.len() <= 512, "_id {id:?}");
    let index = place["_index"].as_str().context("no _index")?;
    let fields: Value = serde_json::from_str(fields).context("the document")?;
    let map = fields.as_object().context("the document is no object")?;
    let mut names: Vec<&str> = map.keys().map(String::as_str).collect();
    names.sort_unstable();
    ensure!(names == FIELDS, "the fields {names:?}");
    for (name, value) in map {
        let fits = match name.as_str() {
            "return_code" => value.is_i64(),
            "msg_type" => value.as_str().is_some_and(|word| TYPES.contains(&word)),
            _ => value.is_string(),
        };
        ensure!(fits, "{name}: {value}");
    }
    let at = map["@timestamp"].as_str().unwrap_or_default();
    let at = DateTime::parse_from_rfc3339(at).context("@timestamp")?;
    let day = at.to_utc().format("-%Y.%m.%d").to_string();
    match index.strip_suffix(&day) {
        Some(prefix) if is_prefix(prefix) => {}
        _ => bail!("the index {index:?} for a document of {day}"),
    }
    Ok(Sent {
        index: index.to_owned(),
        id: id.to_owned(),
        version,
        fields,
    })
}

fn is_prefix(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
    text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(plain)
}
