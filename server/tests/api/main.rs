//! The API port of a whole server, with real wrappers.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

mod audit;
mod cli;
mod documents;
mod editor;
mod http;
mod import;
mod limits;
mod live;
mod maintenance;
mod output;
mod pages;
mod people;
mod preview;
mod process;
mod rest;
mod restart;
mod retention;
mod secrets;
mod slow;
mod status;
mod storage;
mod timeline;
mod tls;
mod world;
