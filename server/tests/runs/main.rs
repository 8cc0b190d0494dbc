//! Runs from end to end: a server in this process, wrappers as processes, commands that run.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod choice;
mod overlaps;
mod restarts;
mod returned;
mod rolling;
mod strangers;
mod tls;
