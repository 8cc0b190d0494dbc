//! The wrapper's rules, without IO and without a clock: time is an argument everywhere.

pub mod backoff;
pub mod batch;
pub mod buffer;
pub mod chunk;
pub mod kill;
pub mod mask;
pub mod session;
