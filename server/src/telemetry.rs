//! The server's own log.

use std::io::IsTerminal as _;
use std::sync::OnceLock;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

const NORMAL: &str = "info,sqlx=warn,hyper=warn";
const DETAILED: &str = "info,saltpeter_server=debug";

static FILTER: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

/// Begins logging to standard error. `RUST_LOG` says how much, where it is set.
pub fn init() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(NORMAL));
    let (filter, handle) = reload::Layer::new(filter);
    let lines = fmt::layer()
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let begun = tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .try_init();
    // A second call (tests in one process) changes nothing.
    if begun.is_ok() {
        let _ = FILTER.set(handle);
    }
}

/// Logs in detail, or not, unless `RUST_LOG` has decided that.
pub fn set_debug(debug: bool) {
    if std::env::var_os(EnvFilter::DEFAULT_ENV).is_some() {
        return;
    }
    if let Some(handle) = FILTER.get() {
        let filter = EnvFilter::new(if debug { DETAILED } else { NORMAL });
        // It fails only once the subscriber is gone, and nobody logs then.
        let _ = handle.reload(filter);
    }
}
