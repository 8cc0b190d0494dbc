//! The rules of Saltpeter: what a configuration means, when a job is due, which machines it is for,
//! and how a run unfolds.
//!
//! Everything here is pure. No IO, no clock, no async: bytes and the time come in as arguments, values
//! go out. That is what makes every rule testable without waiting for anything.

pub mod access;
pub mod audit;
pub mod config;
pub mod crontab;
pub mod failures;
pub mod job;
pub mod machines;
pub mod maintenance;
pub mod network;
pub mod past;
pub mod planner;
pub mod retention;
pub mod retry;
pub mod run;
pub mod schedule;
pub mod search;
pub mod secret;
pub mod share;
pub mod storage;
pub mod targeting;
pub mod timeline;

pub use config::{JobSet, Loader, Plaintext, Problem, Settings, Severity};
pub use job::{Job, RunSpec};
pub use maintenance::Maintenance;
pub use planner::Planner;
pub use schedule::Schedule;
pub use secret::Secret;
pub use targeting::{TargetExpr, TargetType};
