//! The server's own log.

use std::io::IsTerminal as _;
use tracing_subscriber::EnvFilter;

/// Begins logging to standard error. `RUST_LOG` beats `debug`.
pub fn init(debug: bool) {
    let default = if debug {
        "info,saltpeter_server=debug"
    } else {
        "info,sqlx=warn,hyper=warn"
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    // A second call (tests in one process) changes nothing.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .try_init();
}
