//! The machines' side of the server: wrappers connect here, in either version of the protocol.
//!
//! A connection is one task with its own buffers: what it does badly, slowly or not at all is its own affair. It talks
//! to its run through the run's handle and to the output log; nothing is acknowledged that is not durable there.

pub mod auth;
mod bind_v1;
mod counters;
mod find;
mod handout;
mod hub;
mod incoming;
mod outgoing;
mod output;
mod session_v1;
mod session_v2;
mod wire;
mod wrappers;
mod writer_v1;
mod writer_v2;

pub use auth::{KeyError, RunKey};
pub use counters::{Counter, Counters};
pub use hub::{Door, Hub, Limits, Seat};
pub use output::{MachineOutput, Output};
pub use wire::Wire;
pub use wrappers::Wrappers;
