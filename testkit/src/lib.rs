//! For tests: a whole server on ports of its own, the client that asks it, and a wrapper that says what the test
//! tells it to.

mod client;
mod salt;
mod site;
mod wrapper;

pub use client::{Answer, Client};
pub use salt::{SaltLab, Stopped};
pub use site::{Server, Site};
pub use wrapper::FakeWrapper;

use std::time::Duration;

/// How long a test waits for something before it fails.
pub const PATIENCE: Duration = Duration::from_secs(30);
