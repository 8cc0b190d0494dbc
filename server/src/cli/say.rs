//! What commands say. Unlike `print!` and `eprint!` it does not panic when nobody reads any more, as with `| head`, or when
//! the disk is full.

use super::FAILED;
use anyhow::{Context as _, Result};
use serde::Serialize;
use std::fmt::Display;
use std::io::{self, Write as _};
use std::process::ExitCode;

/// Writes to standard output. A reader that has gone had enough, which is no error.
pub(super) fn say(text: impl Display) -> Result<()> {
    let mut stdout = io::stdout().lock();
    let said = write!(stdout, "{text}").and_then(|()| stdout.flush());
    match said {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        said => said.context("cannot write to standard output"),
    }
}

/// Writes a value to standard output as JSON.
pub(super) fn say_json<T: Serialize + ?Sized>(value: &T) -> Result<()> {
    let text = serde_json::to_string_pretty(value).context("cannot write that as JSON")?;
    say(text + "\n")
}

/// Writes a line to standard error. Where that fails there is nobody to tell.
pub(super) fn complain(text: impl Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// The exit code of a command that could do what it was to, or not; and in a sentence why not.
pub(super) fn finish(outcome: Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(format_args!("saltpeter: {error:#}"));
            ExitCode::from(FAILED)
        }
    }
}
