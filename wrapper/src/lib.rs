//! The part of `saltpeter-wrapper` that has neither IO nor a clock, for those who drive it otherwise than the program does:
//! the deterministic twin of the chaos test.

pub mod core;
