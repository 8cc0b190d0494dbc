//! For tests: a whole server on ports of its own, the client that asks it, and a wrapper that says what the test
//! tells it to; a cluster that takes documents by the letter of the `_bulk` interface; a front of any HTTP service;
//! and settings of a run.

mod bulk;
mod client;
mod front;
mod salt;
mod site;
mod spec;
mod tls;
mod wrapper;

pub use bulk::{BulkServer, Sent};
pub use client::{Answer, Client};
pub use front::{Exchange, Front};
pub use salt::{SaltLab, Stopped};
pub use site::{Server, Site};
pub use spec::run_spec;
pub use tls::{client_trusting, renew_certificate};
pub use wrapper::FakeWrapper;

use std::time::Duration;

/// How long a test waits for something before it fails.
pub const PATIENCE: Duration = Duration::from_secs(30);
