//! Wire types of Saltpeter: what server, wrapper and dashboard say to each other.
//!
//! Only data and its validation live here. No IO, no clock, no async: the crate compiles to WASM and
//! is the one place where a message's shape is written down. The golden files under `tests/golden/`
//! pin every message; a changed golden file means a new protocol version.

pub mod api;
pub mod attempt;
pub mod ids;
pub mod launch;
pub mod live;
pub mod machine;
pub mod status;
pub mod time;

pub use attempt::Attempt;
pub use ids::{InvalidId, JobName, MachineId, RunId, Token};
pub use status::{
    LaunchErrorKind, MachineOutcome, MachineState, MissedReason, RunCause, RunOutcome, RunState,
};
pub use time::UnixMillis;
