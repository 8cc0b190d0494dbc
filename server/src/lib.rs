//! The Saltpeter server.

pub mod admission;
pub mod audit;
pub mod boot;
pub mod cli;
pub mod clock;
pub mod config_dir;
pub mod config_watch;
pub mod dispatch;
pub mod executor;
pub mod fanout;
pub mod faults;
pub mod first_process;
pub mod http;
pub mod joblog;
pub mod lifecycle;
mod listen;
pub mod machines;
pub mod ops;
pub mod outbound;
pub mod outputs;
pub mod pauses;
pub mod people;
pub mod private_file;
pub mod retention;
pub mod runs;
pub mod salt;
pub mod scheduler;
pub mod secrets;
pub mod serve;
pub mod settings;
pub mod sinks;
pub mod store;
pub mod telemetry;
#[cfg(test)]
mod testbed;
pub mod tls;
pub mod view;
pub mod ws;

/// This program's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
