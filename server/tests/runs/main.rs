//! Runs from end to end: a server in this process, wrappers as processes, commands that run.

mod choice;
mod overlaps;
mod restarts;
mod strangers;
