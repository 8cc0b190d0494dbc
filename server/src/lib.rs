//! The Saltpeter server.

pub mod http;
