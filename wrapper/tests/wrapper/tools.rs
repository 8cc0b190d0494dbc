//! Starting the binary, and looking at processes.

use crate::server::{Server, within};
use saltpeter_protocol::launch::{CommandSpec, LockRule, TimeLimit, var};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_saltpeter-wrapper");
pub(crate) const TOKEN: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// A name that no other test and no other run of the tests uses.
pub(crate) fn unique(name: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{name}-{}-{number}", std::process::id())
}

/// A place for the wrapper's own files where tests run without root.
fn home() -> &'static str {
    static HOME: OnceLock<tempfile::TempDir> = OnceLock::new();
    HOME.get_or_init(|| tempfile::tempdir().unwrap())
        .path()
        .to_str()
        .unwrap()
}

/// The binary with an empty environment but for what every shell needs.
pub(crate) fn binary() -> Command {
    let mut command = Command::new(BINARY);
    command
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("HOME", home())
        .env("XDG_RUNTIME_DIR", home())
        .stdin(Stdio::null());
    command
}

/// The binary with a launch for run 1 of `job` on machine `m1`.
pub(crate) fn wrapper(server: &Server, job: &str) -> Command {
    wrapper_for(server, job, 1)
}

pub(crate) fn wrapper_for(server: &Server, job: &str, run: u32) -> Command {
    launch_of(binary(), server, job, run)
}

/// The binary run by a user who may do nothing special, from a copy that it can read.
pub(crate) fn binary_as_nobody(home: &Path) -> Command {
    let copy = home.join("saltpeter-wrapper");
    fs::copy(BINARY, &copy).unwrap();
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(copy)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("HOME", home)
        .env("XDG_RUNTIME_DIR", home)
        .stdin(Stdio::null());
    command
}

/// `command`, which is the binary, with a launch.
pub(crate) fn launch_of(mut command: Command, server: &Server, job: &str, run: u32) -> Command {
    command
        .env(var::URL, server.url())
        .env(var::JOB, job)
        .env(var::RUN, format!("{job}_{run}"))
        .env(var::MACHINE, "m1")
        .env(var::TOKEN, TOKEN)
        // A failed test leaves no wrapper behind for long.
        .env(var::RETAIN, "60");
    command
}

pub(crate) fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout == b"0\n"
}

/// Runs the launcher to its end, which follows at once.
pub(crate) fn launch(mut command: Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output
}

pub(crate) fn spec(command: &str) -> CommandSpec {
    CommandSpec {
        command: command.to_owned(),
        cwd: None,
        user: None,
        env: BTreeMap::new(),
        secrets: BTreeMap::new(),
        time_limit: None,
        overlap: LockRule::Exclusive,
    }
}

pub(crate) fn limited(command: &str, soft: Duration, hard: Duration) -> CommandSpec {
    CommandSpec {
        time_limit: Some(TimeLimit { soft, hard }),
        ..spec(command)
    }
}

/// Fields of `/proc/<pid>/stat` after the name: state, parent, group, session.
pub(crate) fn stat(pid: u32) -> Option<(char, u32, u32, u32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?.chars().next()?;
    let mut number = || fields.next()?.parse().ok();
    Some((state, number()?, number()?, number()?))
}

/// Living processes with `NAME=value` of `mark` in their environment.
pub(crate) fn marked(mark: &str) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse().ok()) else {
            continue;
        };
        let environ = fs::read(entry.path().join("environ")).unwrap_or_default();
        let carries = environ.split(|b| *b == 0).any(|v| v == mark.as_bytes());
        if carries && stat(pid).is_some_and(|(state, ..)| state != 'Z') {
            found.push(pid);
        }
    }
    found
}

/// Waits until at least `count` processes are [`marked`]: one that has just been forked is so only once it is another program.
pub(crate) async fn marks(mark: &str, count: usize) -> Vec<u32> {
    within("the marked processes", async {
        loop {
            let found = marked(mark);
            if found.len() >= count {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
}

/// Waits for a process to be gone.
pub(crate) async fn gone(pid: u32) {
    within("the process's end", async {
        while stat(pid).is_some_and(|(state, ..)| state != 'Z') {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}
