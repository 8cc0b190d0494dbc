//! Benchmarks. Each prints a table and the machine it ran on; `docs/PERFORMANCE.md` keeps the figures.
//!
//! Only measuring happens here: what is measured are the shipped crates and binaries.

mod browser;
mod config;
mod history;
mod idle;
mod ingest;
mod log;
mod played;
mod schedule;
mod server;
mod table;
mod ui;
mod usage;
mod wire;
mod wrapper;

use anyhow::{Result, bail};

const HELP: &str = "\
cargo xtask bench NAME ...

  config     load 10,000 jobs; reload one changed file of 200
  schedule   1,000 of 10,000 jobs fire in the same second
  history    what a job's page asks of the past, with 5 million results of machines in the database (3 GB of disk)
  ingest     1,000 version 2 wrappers write lines, a browser tails one, others do not read; 200 version 1 wrappers write
             messages (release binaries needed)
  idle       5,000 wrappers with nothing to say (release binaries needed)
  wrapper    start time, memory, and 1 GB of output through a real server (release binaries needed)
  log        a log of 1 GB and 10 million lines: opened at its end and in its middle, searched (release binaries needed;
             LOG_LINES for another size)
  ui         the dashboard in Chromium: 10,000 jobs, 2,000 machines, 200 running, 500 events a second (release binaries and
             Node needed; `cargo xtask bench ui` builds and installs them)
  all        all of them
";

fn main() -> Result<()> {
    let names: Vec<String> = std::env::args().skip(1).collect();
    if names.is_empty() {
        print!("{HELP}");
    }
    for name in &names {
        match name.as_str() {
            "config" => config::run()?,
            "schedule" => schedule::run()?,
            "history" => history::run()?,
            "ingest" => ingest::run()?,
            "idle" => idle::run()?,
            "wrapper" => wrapper::run()?,
            "log" => log::run()?,
            "ui" => ui::run()?,
            "all" => {
                config::run()?;
                schedule::run()?;
                history::run()?;
                ingest::run()?;
                idle::run()?;
                wrapper::run()?;
                log::run()?;
                ui::run()?;
            }
            other => bail!("there is no benchmark {other:?}\n\n{HELP}"),
        }
    }
    Ok(())
}
