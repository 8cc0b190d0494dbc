//! On a real Salt, the lab of `cargo xtask salt up`: master, three minions and salt-api. Tests that take one of
//! them away have `outage` in their names and run alone.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod access;
mod api_only;
mod cli_only;
mod cpu;
mod direct;
mod earlier;
mod executor;
mod lab;
mod link;
mod outcomes;
mod pace;
mod site;
mod transport;
mod ways;
