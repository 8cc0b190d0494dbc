mod bed;
mod clocks;
mod lifetimes;
mod memory;
mod overlaps;
mod retries;
mod writing;
