//! The machines port as wrappers see it: real sockets, the real runs, the real stores.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod acks;
mod attempts;
mod bad_input;
mod golden_v1;
mod limits;
mod tokens;
mod v2;
mod world;
