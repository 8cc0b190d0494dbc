//! Upgrades to WebSockets.

pub mod machines;
