mod bed;
mod lifetimes;
mod overlaps;
mod retries;
mod writing;
