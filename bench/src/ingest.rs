//! How much output the server makes durable, and how soon: many wrappers played by one process, against the release
//! server; with a browser that tails one of them, and with browsers that have stopped reading.

mod v1;
mod v2;

use crate::browser::{self, Stalled};
use crate::played::Target;
use crate::server::Server;
use crate::table::{Table, mib, ms, percentile};
use crate::usage::{Spent, Usage};
use anyhow::Result;
use std::time::Duration;

/// For how long each measurement writes.
const LASTS: Duration = Duration::from_secs(10);

/// Browsers that have stopped reading, in the measurement with them.
const STALLED: usize = 10;

const JOBS: &str = "new:\n  schedule: '@yearly'\n  targets: '*'\n  command: 'true'\n\
                    old:\n  schedule: '@yearly'\n  targets: '*'\n  command: 'true'\n";

pub(crate) fn run() -> Result<()> {
    for (burst, stalled) in [(1, 0), (1, STALLED), (v2::BURST, STALLED)] {
        new_wrappers(&server()?, burst, stalled)?;
    }
    old_wrappers(&server()?)
}

/// A new one for each measurement: after a run its server has the run's output to write to the job's log.
fn server() -> Result<Server> {
    let machines: Vec<String> = (0..v2::WRITERS).map(|n| format!("m{n}")).collect();
    Server::start_with(&machines.join(", "), Some("/bin/true"), JOBS)
}

fn new_wrappers(server: &Server, burst: u32, stalled: usize) -> Result<()> {
    let target = Target::start(server, "new")?;
    let tail = browser::tail(
        server.port(),
        target.run.clone(),
        "m0",
        v2::LINE,
        v2::LINES as usize,
    )?;
    let stuck = Stalled::start(server.port(), target.run.clone(), stalled)?;
    let usage = Usage::of(server);
    let figures = v2::play(target, burst)?;
    let spent = usage.until_now(server);
    let mut latencies = browser::joined(tail)?.split_off(v2::WARM_UP as usize);
    stuck.stop()?;
    latencies.sort_unstable();

    let frame = match burst {
        1 => "each a frame".to_owned(),
        _ => format!("{burst} to a frame"),
    };
    let with = match stalled {
        0 => String::new(),
        _ => format!(", {stalled} browsers that do not read"),
    };
    let title = format!(
        "{} version 2 wrappers, 1 KB lines, {frame}{with}",
        v2::WRITERS
    );
    let mut table = Table::new(title);
    figures.print(&mut table, "lines", "≥ 50,000", spent);
    for (share, budget) in [(0.5, ""), (0.99, "< 100 ms")] {
        let what = format!(
            "from a line to the browser that tails, p{:.0}",
            share * 100.0
        );
        table.row(what, ms(percentile(&latencies, share)), budget);
    }
    table.row(
        "memory of the server at its most",
        mib(server.most_memory()),
        "< 400 MB",
    );
    table.print();
    Ok(())
}

fn old_wrappers(server: &Server) -> Result<()> {
    let target = Target::start(server, "old")?;
    let usage = Usage::of(server);
    let figures = v1::play(target)?;
    let spent = usage.until_now(server);
    let mut table = Table::new(format!("{} version 1 wrappers", v1::WRITERS));
    figures.print(&mut table, "messages", "≥ 10,000", spent);
    table.print();
    Ok(())
}

/// What wrappers have seen.
#[derive(Default)]
struct Figures {
    acknowledged: u64,
    /// From sending to the ack.
    latencies: Vec<Duration>,
    took: Duration,
}

impl Figures {
    fn add(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.latencies.extend(other.latencies);
        self.took = self.took.max(other.took);
    }

    fn print(mut self, table: &mut Table, what: &str, rate: &str, spent: Spent) {
        self.latencies.sort_unstable();
        let per_second = self.acknowledged as f64 / self.took.as_secs_f64();
        table.row(
            format!("{what} durable a second"),
            format!("{per_second:.0}"),
            rate,
        );
        // Those of version 1 keep as many on their way as they can, so theirs says little.
        let p99 = if what == "lines" { "< 50 ms" } else { "" };
        for (share, name, budget) in [(0.5, "p50", ""), (0.99, "p99", p99), (1.0, "most", "")] {
            let latency = percentile(&self.latencies, share);
            table.row(
                format!("from sending to the ack, {name}"),
                ms(latency),
                budget,
            );
        }
        let each = spent.server.as_secs_f64() * 1e6 / self.acknowledged.max(1) as f64;
        table.row(
            format!("processor time of the server for each of the {what}"),
            format!("{each:.1} µs"),
            "",
        );
        let percent = format!("{:.0} %", spent.others * 100.0);
        table.row("of the processors for anything else meanwhile", percent, "");
    }
}
