//! The API port of a whole server, with real wrappers.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

mod cli;
mod documents;
mod http;
mod limits;
mod live;
mod maintenance;
mod rest;
mod restart;
mod retention;
mod slow;
mod storage;
mod world;
