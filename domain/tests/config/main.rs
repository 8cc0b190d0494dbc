//! The configuration directory: what is in force, and what people are told.

mod jobs;
mod messages;
mod reload;
mod secrets;
mod settings;

use chrono_tz::Tz;
use saltpeter_domain::config::{CheckReport, FileChange, JobSet, Loader};
use saltpeter_protocol::UnixMillis;

/// 2026-06-01T00:00:00Z.
const NOW: UnixMillis = UnixMillis(1_780_272_000_000);

const GOOD: &str = "a:\n  schedule: '@hourly'\n  command: echo a\n  targets: '*'\n";

fn content(name: &str, text: &str) -> (String, FileChange) {
    (
        name.to_owned(),
        FileChange::Content(text.as_bytes().to_vec()),
    )
}

fn load(files: &[(&str, &str)]) -> JobSet {
    Loader::new(Tz::UTC).apply(files.iter().map(|(name, text)| content(name, text)), NOW)
}

fn job(name: &str, extra: &str) -> String {
    format!("{name}:\n  schedule: '@hourly'\n  command: echo {name}\n  targets: '*'\n{extra}")
}

fn problems(set: &JobSet) -> String {
    CheckReport::new(set).lines()
}
