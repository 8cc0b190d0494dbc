//! Upgrades to web sockets.

pub mod live;
pub mod machines;
