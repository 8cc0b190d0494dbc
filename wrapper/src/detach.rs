//! The detached process: this binary again, in a session of its own, with nothing open towards whoever
//! started it.

use crate::lock::{self, Lock, LockError};
use crate::settings::{DETACHED_MODE, OWN_BINARY, Settings};
use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

/// What the detached process says before it lets go of its launcher.
const READY: &str = "ready";
/// The line that launchers have always looked for.
const STARTED: &str = "Wrapper started successfully";

/// Closes what whoever started this process has left open in it: a lock that belongs to an open file would be held as long as
/// the command runs, and a reader at the other end of a pipe would wait for it. Called first of all; later some files are ours.
pub(crate) fn close_inherited() {
    let numbers: Vec<i32> = fs::read_dir("/proc/self/fd")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    for number in numbers.into_iter().filter(|number| *number > 2) {
        // One of them was the directory's, and is closed.
        let _ = nix::unistd::close(number);
    }
}

/// Starts the detached process and waits until it stands on its own.
pub(crate) fn launch() -> Result<(), String> {
    let failed = |e: io::Error| format!("cannot start the wrapper's process: {e}");
    let mut child = Command::new(OWN_BINARY)
        .arg0("saltpeter-wrapper")
        .arg(DETACHED_MODE)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(failed)?;
    let mut said = String::new();
    if let Some(mut stdout) = child.stdout.take() {
        stdout.read_to_string(&mut said).map_err(failed)?;
    }
    let line = match said.trim() {
        READY => STARTED.to_owned(),
        other => match other.strip_prefix(READY) {
            Some(note) => format!("{STARTED}: {}", note.trim()),
            None if other.is_empty() => {
                return Err("the wrapper's process ended before it was ready".to_owned());
            }
            None => return Err(other.to_owned()),
        },
    };
    // A launcher that does not listen is no reason to fail.
    let _ = writeln!(io::stdout(), "{line}");
    Ok(())
}

/// Lets go of the launcher. `None`: another wrapper already has this machine's part of the run, so
/// there is nothing to do.
pub(crate) fn let_go(settings: &Settings) -> Result<Option<Lock>, String> {
    let _ = rustix::process::setsid();
    let (lock, answer) = match lock::launch(&settings.launch) {
        Ok(lock) => (Some(lock), READY.to_owned()),
        Err(LockError::Held { holder, .. }) => (
            None,
            format!("{READY} this machine's part has been started before, by {holder}"),
        ),
        Err(e) => return Err(e.to_string()),
    };
    say(&answer);
    let null = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")
        .map_err(|e| format!("cannot open /dev/null: {e}"))?;
    // Its end is what the launcher waits for.
    rustix::stdio::dup2_stdout(&null)
        .map_err(|e| format!("cannot let go of standard output: {e}"))?;
    Ok(lock)
}

/// Tells the launcher something before [`let_go`] is through.
pub(crate) fn say(text: &str) {
    let mut stdout = io::stdout();
    let _ = stdout.write_all(text.as_bytes());
    let _ = stdout.flush();
}
