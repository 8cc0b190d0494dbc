//! The wrapper's rules, without IO and without a clock: time is an argument everywhere.

pub(crate) mod backoff;
pub(crate) mod batch;
pub(crate) mod buffer;
pub(crate) mod chunk;
pub(crate) mod kill;
pub(crate) mod session;
