//! As the first process of a container. The kernel hands it every process there whose parent has ended: wrappers, which
//! detach themselves, and what commands leave behind. Whoever does not collect them when they end keeps a place in the
//! table of processes for each, until none is left.

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, getpid, kill_process, wait};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};
use tokio::signal::unix::{SignalKind, signal};

/// Whether this is the first process.
pub fn is_first() -> bool {
    getpid().is_init()
}

/// Starts this program once more, as the server, and sees to all others: passes on the signals that end it, collects what
/// ends, and ends as the server does.
pub fn stand_in() -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut ended = signal(SignalKind::child())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let mut arguments = std::env::args_os();
        let name = arguments.next().unwrap_or_else(|| "saltpeter".into());
        let server = Command::new("/proc/self/exe")
            .arg0(name)
            .args(arguments)
            // A terminal's Ctrl+C comes to us alone, so that it is passed on once.
            .process_group(0)
            .spawn()
            .context("cannot start the server's own process")?;
        let server = i32::try_from(server.id())
            .ok()
            .and_then(Pid::from_raw)
            .context("the server's own process has no number")?;
        loop {
            while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
                if pid == server
                    && let Some(code) = exit_code(status)
                {
                    return Ok(ExitCode::from(code));
                }
            }
            let pass_on = tokio::select! {
                _ = ended.recv() => continue,
                _ = terminate.recv() => Signal::TERM,
                _ = interrupt.recv() => Signal::INT,
                _ = hangup.recv() => Signal::HUP,
            };
            // It may have ended at this moment, which is then seen above.
            let _ = kill_process(server, pass_on);
        }
    })
}

/// As a shell has it; `None` when it has not ended.
fn exit_code(status: WaitStatus) -> Option<u8> {
    let signal = status.terminating_signal().map(|signal| 128 + signal);
    let code = status.exit_status().or(signal)?;
    Some(u8::try_from(code).unwrap_or(u8::MAX))
}
