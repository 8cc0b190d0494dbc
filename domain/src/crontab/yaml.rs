//! The file that is written.

use super::command;
use crate::config::quote;
use saltpeter_protocol::JobName;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A job as it is to be written.
pub(super) struct Draft<'a> {
    pub(super) name: &'a JobName,
    pub(super) schedule: &'a str,
    pub(super) timezone: Option<&'a str>,
    pub(super) command: &'a str,
    pub(super) targets: &'a str,
    pub(super) user: Option<&'a str>,
    pub(super) cwd: Option<&'a str>,
    pub(super) env: &'a BTreeMap<String, String>,
}

/// Whether YAML does not let it stand in a file, or takes it for the end of a line.
pub(super) fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
        )
}

/// A comment on a line of its own; `text` has its `#`.
pub(super) fn comment(file: &mut String, text: &str) {
    for sign in text.chars() {
        file.push(if is_unprintable(sign) { ' ' } else { sign });
    }
    file.push('\n');
}

/// A blank line, unless there is one.
pub(super) fn blank(file: &mut String) {
    if !file.is_empty() && !file.ends_with("\n\n") {
        file.push('\n');
    }
}

pub(super) fn job(file: &mut String, job: &Draft) {
    let mut key = |name: &str, value: String| {
        let space = if value.is_empty() { "" } else { " " };
        // Writing into a String cannot fail.
        let _ = writeln!(file, "{name}:{space}{value}");
    };
    key(&quote(job.name.as_str()), String::new());
    key("  schedule", format!("'{}'", job.schedule));
    if let Some(zone) = job.timezone {
        key("  timezone", quote(zone));
    }
    key("  command", command::yaml(job.command));
    key("  targets", command::yaml(job.targets));
    // Cron never ends a command; Saltpeter does after an hour unless told otherwise.
    key("  timeout", "0".to_owned());
    if let Some(user) = job.user {
        key("  user", quote(user));
    }
    if let Some(cwd) = job.cwd {
        key("  cwd", quote(cwd));
    }
    if !job.env.is_empty() {
        key("  env", String::new());
        for (name, value) in job.env {
            key(&format!("    {}", quote(name)), quote(value));
        }
    }
}
