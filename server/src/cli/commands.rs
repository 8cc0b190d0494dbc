//! The commands that ask and do not serve.

use super::say::{complain, finish, say, say_json};
use super::{FAILED, MISUSED, targets};
use crate::clock::{Clock as _, SystemClock};
use crate::config_dir::ConfigDir;
use crate::settings::host_zone;
use chrono::DateTime;
use saltpeter_domain::config::{CheckReport, Loader, migration_notes};
use saltpeter_domain::schedule::{NextTimes, parse_zone};
use saltpeter_protocol::UnixMillis;
use saltpeter_protocol::api::JobPreview;
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;

/// What `saltpeter next` was asked.
pub(super) struct Next {
    pub(super) expression: String,
    pub(super) after: Option<String>,
    pub(super) count: usize,
    pub(super) timezone: Option<String>,
    pub(super) json: bool,
}

/// Prints when a schedule fires.
pub(super) fn next(ask: &Next) -> ExitCode {
    match next_times(ask) {
        Ok(times) if ask.json => finish(say_json(&times)),
        Ok(times) => {
            if times.next.is_empty() {
                // Not on standard output, where each line is a time.
                complain(format_args!(
                    "saltpeter next: {:?} never fires after that time",
                    ask.expression
                ));
            }
            finish(say(times.lines()))
        }
        Err(message) => {
            complain(format_args!("saltpeter next: {message}"));
            ExitCode::from(MISUSED)
        }
    }
}

fn next_times(ask: &Next) -> Result<NextTimes, String> {
    let zone = match &ask.timezone {
        Some(name) => parse_zone(name)?,
        None => host_zone(),
    };
    let after = after(ask.after.as_deref())?;
    NextTimes::compute(&ask.expression, after, ask.count, zone)
        .map_err(|error| format!("{:?}: {error}", ask.expression))
}

/// The time that is asked for, or this moment.
fn after(asked: Option<&str>) -> Result<UnixMillis, String> {
    let Some(text) = asked else {
        return Ok(SystemClock.now());
    };
    DateTime::parse_from_rfc3339(text)
        .map(|time| UnixMillis(time.timestamp_millis()))
        .map_err(|_| {
            format!("--after {text:?} is not an RFC 3339 time, such as 2025-11-04T10:00:00+01:00")
        })
}

/// What `saltpeter check` was asked.
pub(super) struct Check {
    pub(super) dir: PathBuf,
    pub(super) migrating: bool,
    pub(super) targets: bool,
    pub(super) after: Option<String>,
    pub(super) json: bool,
}

/// What it answers as JSON.
#[derive(Serialize)]
struct Checked {
    #[serde(flatten)]
    report: CheckReport,
    /// What each job would do, when that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    previews: Option<Vec<JobPreview>>,
}

/// Prints what is wrong with a configuration directory, and what its jobs would do.
pub(super) fn check(ask: &Check) -> ExitCode {
    let misused = |message: String| {
        complain(format_args!("saltpeter check: {message}"));
        ExitCode::from(MISUSED)
    };
    let after = match after(ask.after.as_deref()) {
        Ok(after) => after,
        Err(message) => return misused(message),
    };
    let changes = match ConfigDir::new(&ask.dir).changes() {
        Ok(changes) => changes,
        Err(error) => return misused(format!("{}: {error}", ask.dir.display())),
    };
    let now = SystemClock.now();
    let loaded = Loader::new(host_zone()).apply(changes.iter().cloned(), now);
    let mut report = CheckReport::new(&loaded);
    if ask.migrating {
        report = report.with_notes(migration_notes(&changes, &loaded, now));
    }
    let mut is_good = report.is_good();
    let previews = if ask.targets {
        match targets::previews(loaded, after) {
            Ok(previews) => Some(previews),
            Err(error) => {
                complain(format_args!("saltpeter check: {error:#}"));
                is_good = false;
                None
            }
        }
    } else {
        None
    };
    is_good &= previews
        .iter()
        .flatten()
        .all(|preview| preview.machines.is_ok());
    let said = if ask.json {
        say_json(&Checked { report, previews })
    } else {
        let jobs = targets::lines(previews.as_deref().unwrap_or_default());
        let said = say(report.lines() + &jobs);
        // Not on standard output, where each line is a problem or of a job.
        complain(report.secret_lines() + &report.summary());
        said
    };
    match said {
        Ok(()) if !is_good => ExitCode::from(FAILED),
        said => finish(said),
    }
}
