//! Proofs with real processes: a real server and real wrappers under faults, and a checker that knows what really happened.
//!
//! [`plan`], [`content`], [`ledger`], [`checker`] and [`report`] are pure; the rest runs processes and breaks links.
//! `docs/RELIABILITY.md` says what is injected, what is checked, and how to call it.

pub mod checker;
pub mod collect;
pub mod content;
pub mod files;
pub mod ledger;
pub mod page;
pub mod plan;
pub mod processes;
pub mod proxy;
pub mod report;
pub mod scenario;
pub mod soak;
pub mod stage;
pub mod storm;
pub mod trial;
pub mod watcher;
