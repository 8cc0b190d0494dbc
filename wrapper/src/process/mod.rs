//! The command as a process: its start, its output, its tree, its end.

pub(crate) mod cgroup;
pub(crate) mod exec;
pub(crate) mod pipes;
pub(crate) mod running;
pub(crate) mod start;
pub(crate) mod tree;
pub(crate) mod user;
