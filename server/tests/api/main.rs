//! The API port of a whole server, with real wrappers.

mod cli;
mod http;
mod live;
mod maintenance;
mod rest;
mod restart;
mod world;
