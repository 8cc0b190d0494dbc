//! `saltpeter-wrapper`: runs one command on one machine and reports it to the Saltpeter server.
//!
//! Started without arguments it reads its orders from the environment, starts a detached process that
//! does the work, prints one line and returns.

mod detach;
mod dirs;
mod link;
mod lock;
mod log;
mod process;
mod runner;
mod settings;
mod signals;
mod spool;
mod tls;

use crate::log::Log;
use lock::{Lock, LockError};
use saltpeter_wrapper::core;
use settings::{Attachment, Mode, Settings};
use std::process::ExitCode;

const HELP: &str = "\
saltpeter-wrapper runs one command on this machine and reports it to a Saltpeter server.

It is started by the server, with its orders in the environment: SP_WEBSOCKET_URL, SP_JOB_NAME,
SP_JOB_INSTANCE and SP_TOKEN; the command itself comes from the server. It prints one line, returns
at once, and works on in the background.

Options:
  --foreground   stay in the foreground and log to standard error
  --version      print the version
  --help         print this text

By hand:
  SP_WEBSOCKET_URL=wss://server:8889 SP_TLS_PIN=... SP_JOB_NAME=test SP_JOB_INSTANCE=test_1 SP_TOKEN=... \\
  SP_COMMAND='echo hello' saltpeter-wrapper --foreground

Exit status: 0 started, or done; 1 it could not be started; 2 wrong arguments or environment.
";

fn main() -> ExitCode {
    let mode = match Mode::from_args(std::env::args_os().skip(1)) {
        Ok(mode) => mode,
        Err(problem) => return fail(2, &problem),
    };
    match mode {
        Mode::Exec => process::exec::become_command(),
        Mode::Version => {
            detach::say(concat!(
                "saltpeter-wrapper ",
                env!("CARGO_PKG_VERSION"),
                "\n"
            ));
            ExitCode::SUCCESS
        }
        Mode::Help => {
            detach::say(HELP);
            ExitCode::SUCCESS
        }
        Mode::Launch | Mode::Foreground | Mode::Detached => {
            detach::close_inherited();
            match Settings::from_env() {
                Ok(settings) => act(mode, settings),
                Err(problem) => fail(2, &problem),
            }
        }
    }
}

fn act(mode: Mode, settings: Settings) -> ExitCode {
    match mode {
        Mode::Detached => match detach::let_go(&settings) {
            Ok(Some(lock)) => work(settings, lock, Attachment::Detached),
            Ok(None) => ExitCode::SUCCESS,
            Err(problem) => {
                detach::say(&problem);
                ExitCode::FAILURE
            }
        },
        Mode::Foreground => match lock::launch(&settings.launch) {
            Ok(lock) => work(settings, lock, Attachment::Foreground),
            Err(e @ LockError::Held { .. }) => fail(
                1,
                &format!("this machine's part of the run has been started before: {e}"),
            ),
            Err(e) => fail(1, &e.to_string()),
        },
        _ => match detach::launch() {
            Ok(()) => ExitCode::SUCCESS,
            Err(problem) => fail(1, &problem),
        },
    }
}

/// The work itself. The launch lock is held to its end.
fn work(settings: Settings, _launch: Lock, attachment: Attachment) -> ExitCode {
    let log = Log::open(&settings.launch, attachment);
    // The token stands in our environment: nobody else of this user may read that, or our memory.
    let hidden = rustix::process::DumpableBehavior::NotDumpable;
    if let Err(e) = rustix::process::set_dumpable_behavior(hidden) {
        log.event(format_args!("the environment cannot be hidden: {e}"));
    }
    if let Err(e) = process::tree::adopt_orphans() {
        log.event(format_args!(
            "orphans of the command cannot be adopted: {e}"
        ));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => {
            runtime.block_on(runner::run(settings, &log));
            // A name that is still being looked up must not hold us.
            runtime.shutdown_background();
            ExitCode::SUCCESS
        }
        Err(e) => {
            log.event(format_args!("cannot start: {e}"));
            ExitCode::FAILURE
        }
    }
}

fn fail(status: u8, problem: &str) -> ExitCode {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "saltpeter-wrapper: {problem}");
    ExitCode::from(status)
}
