//! The live state of a tab: what the server says over the socket, and what pages read of it.

mod reducer;

pub use reducer::{Change, State};
