//! The run state machine: one job, fired once, on its machines.
//!
//! [`Run::apply`] takes an [`Input`] and the time and answers with a [`Step`]: what has changed and what is
//! to be done about it. Nothing else changes a run. `docs/RUN-STATES.md` draws the states.

mod apply;
mod attempts;
mod effect;
mod hello;
mod input;
mod kill;
mod late;
mod outcome;
mod proceed;
mod state;
mod stop;
mod timers;

#[cfg(test)]
mod proptests;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;

pub use attempts::Earlier;
pub use effect::{Changed, Effect, LogEntry, LogEvent, MaintenanceScope, Refused, Step};
pub use hello::ANSWERED_AFTER_END;
pub use input::{Input, Late, MachineExit, Resolution};
pub use late::AWAITED_LIMIT;
pub use state::{Bound, MachineRun, Run, RunHead, Speaker};
pub use timers::{KILL_CONFIRM, KILL_GRACE, KILL_REPEAT, SILENCE, START_WINDOW};
