//! Who did what: the page, and the whole of it as a file.

use super::super::error::Refusal;
use super::super::request::Params;
use super::failure;
use super::page::Page;
use crate::audit::{Place, Wanted};
use crate::ops::Ops;
use crate::people::Caller;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use chrono::{DateTime, NaiveDate, SecondsFormat};
use futures::stream;
use maud::{Markup, html};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use saltpeter_domain::audit::{Entry, Kind};
use saltpeter_protocol::UnixMillis;
use saltpeter_protocol::api::{ApiError, ErrorCode};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Entries on a page.
const ON_A_PAGE: u32 = 100;
/// Entries that are read at a time for the file.
const AT_ONCE: u32 = 500;
/// A day.
const DAY: Duration = Duration::from_hours(24);

pub(super) fn router(ops: Ops) -> Router {
    Router::new()
        .route("/audit", get(page))
        .route("/api/v1/audit", get(export))
        .with_state(ops)
}

/// What a request asks for. An empty value is as good as none, for forms send them all.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    /// Of this person or program alone.
    who: String,
    /// Of this kind alone.
    what: String,
    /// From this day on, UTC.
    since: String,
    /// To the end of this day, UTC.
    until: String,
    /// Entries before this one.
    before: Option<i64>,
}

impl Asked {
    fn wanted(&self) -> Result<Wanted, ApiError> {
        let bad = |message: String| ApiError::new(ErrorCode::BadRequest, message);
        let day = |name: &str, text: &str| {
            if text.is_empty() {
                return Ok(None);
            }
            let day = text.parse::<NaiveDate>().ok();
            let start = day.and_then(|day| day.and_hms_opt(0, 0, 0));
            let start = start.map(|start| UnixMillis(start.and_utc().timestamp_millis()));
            match start {
                Some(start) => Ok(Some(start)),
                None => Err(bad(format!("{name} is no day such as 2026-11-27"))),
            }
        };
        let kind = match self.what.as_str() {
            "" => None,
            word => Some(Kind::parse(word).ok_or_else(|| {
                let words: Vec<&str> = Kind::ALL.into_iter().map(Kind::as_str).collect();
                bad(format!("what is none of {}", words.join(", ")))
            })?),
        };
        Ok(Wanted {
            who: Some(self.who.trim().to_owned()).filter(|who| !who.is_empty()),
            kind,
            since: day("since", &self.since)?,
            until: day("until", &self.until)?.map(|start| start + DAY),
        })
    }

    /// The same question as part of an address.
    fn query(&self, before: Option<i64>) -> String {
        let mut pairs = Vec::new();
        for (name, value) in [
            ("who", &self.who),
            ("what", &self.what),
            ("since", &self.since),
            ("until", &self.until),
        ] {
            if !value.is_empty() {
                pairs.push(format!(
                    "{name}={}",
                    utf8_percent_encode(value, NON_ALPHANUMERIC)
                ));
            }
        }
        pairs.extend(before.map(|seq| format!("before={seq}")));
        pairs.join("&")
    }
}

async fn page(State(ops): State<Ops>, caller: Caller, Params(asked): Params<Asked>) -> Response {
    match shown(&ops, &caller, &asked).await {
        Ok(page) => page,
        Err(error) => failure(&caller, error),
    }
}

async fn shown(ops: &Ops, caller: &Caller, asked: &Asked) -> Result<Response, ApiError> {
    let wanted = asked.wanted()?;
    let place = asked.before.map_or(Place::NEWEST, Place::Before);
    // One more, to know whether there are older ones.
    let mut entries = ops.audit(caller, &wanted, place, ON_A_PAGE + 1).await?;
    let more = entries.len() > ON_A_PAGE as usize;
    entries.truncate(ON_A_PAGE as usize);
    let older = entries.last().filter(|_| more).map(|(seq, _)| *seq);
    let link = |before| format!("/audit?{}", asked.query(before));
    Ok(Page::new("Audit", Some(caller)).render(&html! {
        h1 { "Audit" }
        p class="weak" { "Who did what, when and from where." }
        (filters(asked))
        section class="card audit" {
            @if entries.is_empty() {
                p class="weak" { "Nothing of that kind has been put down." }
            } @else {
                table {
                    thead { tr { th { "When" } th { "Who" } th { "From" } th { "What" } } }
                    tbody { @for (_, entry) in &entries { (row(entry)) } }
                }
            }
        }
        p class="buttons" {
            @if asked.before.is_some() { a class="button" href=(link(None)) { "Newest" } }
            @if older.is_some() { a class="button" rel="next" href=(link(older)) { "Older" } }
            a class="button" href={ "/api/v1/audit?" (asked.query(None)) } download { "Download all of this (JSON lines)" }
        }
    }))
}

fn filters(asked: &Asked) -> Markup {
    html! {
        form class="buttons" action="/audit" {
            label { "Who" input name="who" value=(asked.who) autocomplete="off"; }
            label {
                "What"
                select name="what" {
                    option value="" { "everything" }
                    @for kind in Kind::ALL {
                        option value=(kind.as_str()) selected[kind.as_str() == asked.what] { (words(kind)) }
                    }
                }
            }
            label { "From (UTC)" input type="date" name="since" value=(asked.since); }
            label { "To (UTC)" input type="date" name="until" value=(asked.until); }
            button class="primary" { "Show" }
        }
    }
}

fn row(entry: &Entry) -> Markup {
    let values = [("before", &entry.old), ("after", &entry.new)];
    html! {
        tr data-testid="audit-row" data-kind=(entry.kind.as_str()) {
            td { time datetime=(iso(entry.at)) { (iso(entry.at).replace('T', " ").replace('Z', " UTC")) } }
            td { (entry.who) }
            td { (entry.from.as_deref().unwrap_or("this host")) }
            td {
                (entry.deed)
                @for (title, value) in values {
                    @if let Some(value) = value.as_ref().filter(|value| !value.is_empty()) {
                        details { summary { (title) } pre { (value) } }
                    }
                }
            }
        }
    }
}

fn words(kind: Kind) -> &'static str {
    match kind {
        Kind::Login => "logins",
        Kind::LoginRefused => "refused logins",
        Kind::Logout => "logouts",
        Kind::Denied => "what was not allowed",
        Kind::Action => "what was done",
        Kind::Change => "what was changed",
        Kind::Reload => "changes of the configuration",
    }
}

/// A line of the file.
#[derive(Serialize)]
struct Line<'e> {
    seq: i64,
    time: String,
    #[serde(flatten)]
    entry: &'e Entry,
}

/// Everything that is asked for, the oldest first, a JSON object a line.
async fn export(
    State(ops): State<Ops>,
    caller: Caller,
    Params(asked): Params<Asked>,
) -> Result<Response, Refusal> {
    let wanted = asked.wanted()?;
    // The first piece now, so that what cannot be read is an error and not the end of a file.
    let first = piece(&ops, &caller, &wanted, Place::OLDEST).await?;
    let rest = stream::unfold(Some((ops, caller, wanted, first)), |next| async move {
        let (ops, caller, wanted, (lines, last)) = next?;
        let following = match last {
            None => None,
            Some(seq) => match piece(&ops, &caller, &wanted, Place::After(seq)).await {
                Ok(following) => Some((ops, caller, wanted, following)),
                Err(error) => {
                    tracing::warn!(%error, "an export of the audit trail is cut off");
                    return Some((Err(std::io::Error::other(error.to_string())), None));
                }
            },
        };
        Some((Ok(Bytes::from(lines)), following))
    });
    let headers = [
        (CONTENT_TYPE, "application/jsonl"),
        (CACHE_CONTROL, "no-store"),
        (
            CONTENT_DISPOSITION,
            "attachment; filename=\"saltpeter-audit.jsonl\"",
        ),
    ];
    Ok((headers, Body::from_stream(rest)).into_response())
}

/// Some lines, and the number of the last one if there may be more.
async fn piece(
    ops: &Ops,
    caller: &Caller,
    wanted: &Wanted,
    place: Place,
) -> Result<(String, Option<i64>), ApiError> {
    let entries = ops.audit(caller, wanted, place, AT_ONCE).await?;
    let mut lines = String::new();
    for (seq, entry) in &entries {
        let line = Line {
            seq: *seq,
            time: iso(entry.at),
            entry,
        };
        let line = serde_json::to_string(&line)
            .map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()))?;
        lines.push_str(&line);
        lines.push('\n');
    }
    let full = entries.len() == AT_ONCE as usize;
    Ok((lines, entries.last().filter(|_| full).map(|(seq, _)| *seq)))
}

fn iso(at: UnixMillis) -> String {
    DateTime::from_timestamp_millis(at.0)
        .map(|at| at.to_rfc3339_opts(SecondsFormat::Secs, true))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_read_and_written_again() {
        let asked = Asked {
            who: "token ci&x".to_owned(),
            what: "login_refused".to_owned(),
            since: "2026-11-27".to_owned(),
            until: "2026-11-27".to_owned(),
            before: Some(7),
        };
        let wanted = asked.wanted().unwrap();
        assert_eq!(wanted.who.as_deref(), Some("token ci&x"));
        assert_eq!(wanted.kind, Some(Kind::LoginRefused));
        let day = wanted.until.unwrap().since(wanted.since.unwrap());
        assert_eq!(day, DAY);
        assert_eq!(
            asked.query(Some(3)),
            "who=token%20ci%26x&what=login%5Frefused&since=2026%2D11%2D27&until=2026%2D11%2D27&before=3"
        );
        let nothing = Asked::default();
        assert_eq!(nothing.wanted(), Ok(Wanted::default()));
        assert_eq!(nothing.query(None), "");
        for wrong in [("what", "x"), ("since", "yesterday")] {
            let mut asked = Asked::default();
            match wrong.0 {
                "what" => asked.what = wrong.1.to_owned(),
                _ => asked.since = wrong.1.to_owned(),
            }
            let error = asked.wanted().unwrap_err().message;
            assert!(error.starts_with(wrong.0), "{error}");
        }
    }
}
