//! The real binary against a small server that speaks version 2.
#![allow(
    clippy::unwrap_used,
    reason = "what fails in a test's helper fails the test"
)]

mod budget;
mod end;
mod launch;
mod output;
mod secrets;
mod server;
mod start;
mod tls;
mod tools;
