//! Starts the command and tells in a sentence why it could not be started.

use super::cgroup::Cgroup;
use super::exec::Order;
use super::pipes::Pipes;
use super::user::{self, Account};
use crate::settings::{EXEC_MODE, OWN_BINARY};
use rustix::process::Pid;
use saltpeter_protocol::launch::{CommandSpec, var};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// A start that takes longer (a directory on a dead file server) has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the wrapper was told and the command must not see.
const OURS: [&str; 5] = [
    var::TOKEN,
    var::URL,
    var::TLS_PIN,
    var::COMMAND,
    var::OPEN_FILES,
];

/// A command that runs.
pub(crate) struct Started {
    /// The shell, which leads its process group.
    pub(crate) shell: Pid,
    pub(crate) pipes: Pipes,
    /// The control group that it is in, where there is one.
    pub(crate) cgroup: Option<Cgroup>,
}

/// Starts `spec`. The error is a sentence for the operator.
pub(crate) async fn start(spec: &CommandSpec) -> Result<Started, String> {
    let account = match &spec.user {
        Some(name) => Some(user::account_for(name)?),
        None => None,
    };
    let internal = |e: io::Error| format!("cannot start the command: {e}");
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().map_err(internal)?;
    let mut child = Command::new(OWN_BINARY);
    child
        .arg0("saltpeter-wrapper")
        .arg(EXEC_MODE)
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    match &account {
        Some(account) => child.envs(account.variables()),
        None => child.envs(user::variables_that_lack()),
    };
    for (name, value) in spec.env.iter().chain(&spec.secrets) {
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(format!(
                "{name:?} cannot be the name of an environment variable"
            ));
        }
        if value.contains('\0') {
            return Err(format!(
                "the value of the environment variable {name} has a NUL byte, which no environment can hold"
            ));
        }
    }
    if let Some(run) = std::env::var_os(var::RUN) {
        child.env(var::RUN_FOR_COMMANDS, run);
    }
    child.envs(&spec.env).envs(&spec.secrets);
    for name in OURS {
        if !spec.env.contains_key(name) && !spec.secrets.contains_key(name) {
            child.env_remove(name);
        }
    }
    let mut process = child.spawn().map_err(internal)?;
    // The command holds the child's end of the socket, which must not be ours as well.
    drop(child);
    let shell = i32::try_from(process.id())
        .ok()
        .and_then(Pid::from_raw)
        .ok_or_else(|| "cannot start the command: it has no process id".to_owned())?;
    let (Some(stdout), Some(stderr)) = (process.stdout.take(), process.stderr.take()) else {
        return Err("cannot start the command: its output cannot be read".to_owned());
    };
    let pipes = Pipes::new(stdout.into(), stderr.into()).map_err(internal)?;
    let cgroup = Cgroup::make();
    let order = Order {
        entrance: cgroup.as_ref().map(Cgroup::entrance),
        command: spec.command.clone(),
        cwd: spec.cwd.clone(),
        account: account.filter(Account::is_another),
        open_files: std::env::var(var::OPEN_FILES)
            .ok()
            .and_then(|text| text.parse().ok()),
    };
    match tokio::time::timeout(PATIENCE, answer(ours, &order)).await {
        Ok(Ok(problem)) if problem.is_empty() => Ok(Started {
            shell,
            pipes,
            cgroup,
        }),
        Ok(Ok(problem)) => Err(String::from_utf8_lossy(&problem).into_owned()),
        Ok(Err(e)) => Err(internal(e)),
        Err(_) => {
            let _ = process.kill();
            Err(format!(
                "the command did not start within {} s; is its directory on a file server that does not answer?",
                PATIENCE.as_secs()
            ))
        }
    }
}

async fn answer(socket: std::os::unix::net::UnixStream, order: &Order) -> io::Result<Vec<u8>> {
    socket.set_nonblocking(true)?;
    let mut socket = tokio::net::UnixStream::from_std(socket)?;
    let order = serde_json::to_vec(order)?;
    socket.write_all(&order).await?;
    socket.shutdown().await?;
    let mut problem = Vec::new();
    socket.read_to_end(&mut problem).await?;
    Ok(problem)
}
