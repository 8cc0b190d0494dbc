//! The live state of a tab: what the server says over the socket, and what pages read of it.

mod cell;
mod feed;
mod jobs;
mod reducer;
#[cfg(target_arch = "wasm32")]
mod socket;
mod store;

pub(crate) use feed::{Delivery, Subscription};
pub use jobs::{Changed, Jobs};
pub use reducer::{Change, State};
pub(crate) use store::{Link, Live, Picture, Zone, use_live};

/// Opens the tab's one socket, and keeps it open.
#[cfg(target_arch = "wasm32")]
pub(crate) use socket::connect;

/// There is no socket but in a browser.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn connect(_: Live) {}
