mod bed;
mod clocks;
mod lifetimes;
mod overlaps;
mod retries;
mod writing;
