mod bed;
mod lifetimes;
mod overlaps;
mod writing;
