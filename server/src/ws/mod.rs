//! Upgrades to WebSockets.

pub mod live;
pub mod machines;
