//! The last step before the command: this binary again, as the child that becomes the command. It
//! changes user and directory in plain code of its own, where other programs need unsafe calls
//! between fork and exec, and can say exactly what went wrong.

use super::user::Account;
use rustix::process::{Gid, Resource, Uid, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// What the child has to become. It comes on standard input, a socket; an answer on it is what went
/// wrong, and its end without one means that the command runs.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    /// Where to enter the command's control group.
    pub(crate) entrance: Option<PathBuf>,
    pub(crate) command: String,
    pub(crate) cwd: Option<String>,
    /// Whom to become.
    pub(crate) account: Option<Account>,
    /// The most files that it may have open at first.
    pub(crate) open_files: Option<u64>,
}

/// Becomes the command; returns only if that fails.
pub(crate) fn become_command() -> ExitCode {
    // 127 is what a shell says of a command that it could not run; nobody but the socket's other end reads more.
    let failed = ExitCode::from(127);
    let Ok(socket) = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3) else {
        return failed;
    };
    let mut socket = UnixStream::from(socket);
    let problem = match prepare(&mut socket) {
        Ok(mut command) => format!("cannot run /bin/sh: {}", command.exec()),
        Err(problem) => problem,
    };
    let _ = socket.write_all(problem.as_bytes());
    failed
}

fn prepare(socket: &mut UnixStream) -> Result<Command, String> {
    let mut order = Vec::new();
    socket
        .read_to_end(&mut order)
        .map_err(|e| format!("cannot read what to run: {e}"))?;
    let order: Order =
        serde_json::from_slice(&order).map_err(|e| format!("cannot read what to run: {e}"))?;
    let null = File::open("/dev/null").map_err(|e| format!("cannot open /dev/null: {e}"))?;
    rustix::stdio::dup2_stdin(null).map_err(|e| format!("cannot set standard input: {e}"))?;
    if let Some(entrance) = &order.entrance {
        // A command that could not enter is still found by its group and its parents.
        let _ = std::fs::write(entrance, "0");
    }
    if let Some(most) = order.open_files {
        let mut limit = getrlimit(Resource::Nofile);
        // It only gets lower; the command may raise it again as far as the wrapper could.
        limit.current = Some(limit.current.map_or(most, |now| now.min(most)));
        setrlimit(Resource::Nofile, limit)
            .map_err(|e| format!("cannot limit its open files to {most}: {e}"))?;
    }
    if let Some(account) = &order.account {
        change_user(account).map_err(|e| format!("cannot become user {:?}: {e}", account.name))?;
    }
    if let Some(cwd) = &order.cwd {
        std::env::set_current_dir(cwd)
            .map_err(|e| format!("cannot change to the directory {cwd:?}: {e}"))?;
    }
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(&order.command);
    Ok(command)
}

/// The calls are per thread, and this process has one.
fn change_user(account: &Account) -> io::Result<()> {
    let groups: Vec<Gid> = account
        .groups
        .iter()
        .map(|gid| Gid::from_raw(*gid))
        .collect();
    rustix::thread::set_thread_groups(&groups)?;
    rustix::thread::set_thread_gid(Gid::from_raw(account.gid))?;
    rustix::thread::set_thread_uid(Uid::from_raw(account.uid))?;
    Ok(())
}
