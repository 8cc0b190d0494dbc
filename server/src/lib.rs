//! The Saltpeter server.

pub mod boot;
pub mod cli;
pub mod clock;
pub mod config_dir;
pub mod config_watch;
pub mod http;
pub mod lifecycle;
pub mod settings;
pub mod telemetry;

/// This program's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
