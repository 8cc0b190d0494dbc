//! What became of a crontab, for a terminal.

use saltpeter_protocol::api::{ImportOutcome, ImportResult};
use std::fmt::Write as _;

/// What is to be known of a conversion, a line each: `NAME:line:column: not converted: why`. `name` is the crontab's. The
/// last line sums it up.
pub fn report(name: &str, result: &ImportResult) -> String {
    let mut text = String::new();
    for line in &result.lines {
        let place = match line.column {
            Some(column) => format!("{name}:{}:{column}", line.line),
            None => format!("{name}:{}", line.line),
        };
        let word = match line.outcome {
            ImportOutcome::Refused => "not converted",
            ImportOutcome::Converted | ImportOutcome::Remarked => "note",
        };
        for remark in &line.remarks {
            say(&mut text, &format!("{place}: {word}: {remark}"));
        }
    }
    for note in &result.notes {
        say(&mut text, &format!("{name}: note: {note}"));
    }
    let jobs = match result.jobs {
        1 => "1 job".to_owned(),
        jobs => format!("{jobs} jobs"),
    };
    let refused = match result.refused() {
        0 => "all lines converted".to_owned(),
        1 => "1 line not converted".to_owned(),
        lines => format!("{lines} lines not converted"),
    };
    say(&mut text, &format!("{name}: {jobs}, {refused}"));
    text
}

/// A terminal obeys signs that a crontab may have in it.
fn say(text: &mut String, line: &str) {
    let line = line.replace(char::is_control, "\u{fffd}");
    // Writing into a String cannot fail.
    let _ = writeln!(text, "{line}");
}
