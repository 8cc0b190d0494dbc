//! What many wrappers cost that have nothing to say: connected, with a heartbeat each.

use crate::played::{Part, Target, on_one_thread};
use crate::server::Server;
use crate::table::{Table, mib};
use crate::usage::Usage;
use anyhow::{Result, ensure};
use saltpeter_protocol::machine::HEARTBEAT_EVERY;
use saltpeter_protocol::machine::v2::FromWrapper;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// How many there are.
const WRAPPERS: usize = 5000;

/// Until all have settled after connecting.
const SETTLE: Duration = Duration::from_secs(10);

/// For how long is measured.
const LASTS: Duration = Duration::from_secs(30);

pub(crate) fn run() -> Result<()> {
    let machines: Vec<String> = (0..WRAPPERS).map(|n| format!("m{n}")).collect();
    let yaml = "idle:\n  schedule: '@yearly'\n  targets: '*'\n  command: 'true'\n";
    let server = Server::start_with(&machines.join(", "), Some("/bin/true"), yaml)?;
    let target = Target::start(&server, "idle")?;
    let (share, others, memory) = on_one_thread(async {
        let target = Arc::new(target);
        let mut wrappers = JoinSet::new();
        let (connected, mut told) = mpsc::channel(WRAPPERS);
        for number in 0..WRAPPERS {
            wrappers.spawn(wrapper(Part::new(&target, number), connected.clone()));
        }
        for _ in 0..WRAPPERS {
            tokio::select! {
                _ = told.recv() => {}
                Some(ended) = wrappers.join_next() => ended??,
            }
        }
        tokio::time::sleep(SETTLE).await;
        let (usage, begun) = (Usage::of(&server), Instant::now());
        tokio::time::sleep(LASTS).await;
        let spent = usage.until_now(&server);
        let share = spent.server.as_secs_f64() / begun.elapsed().as_secs_f64();
        ensure!(wrappers.len() == WRAPPERS, "a wrapper has been cut off");
        Ok((share, spent.others, server.memory()))
    })?;
    let mut table = Table::new(format!("{WRAPPERS} idle version 2 wrappers"));
    let percent = format!("{:.1} %", share * 100.0);
    table.row(
        "processor time of the server, of one core",
        percent,
        "< 5 %",
    );
    table.row("memory of the server", mib(memory), "< 150 MB");
    let percent = format!("{:.0} %", others * 100.0);
    table.row("of the processors for anything else meanwhile", percent, "");
    table.print();
    Ok(())
}

/// Connects, says so, and beats for ever.
async fn wrapper(part: Part, connected: mpsc::Sender<()>) -> Result<()> {
    let (mut to, _from) = part.connect_v2().await?;
    connected.send(()).await?;
    let spread = HEARTBEAT_EVERY * part.number as u32 / WRAPPERS as u32;
    let first = tokio::time::Instant::now() + spread;
    let mut beat = tokio::time::interval_at(first, HEARTBEAT_EVERY);
    loop {
        beat.tick().await;
        to.say(&FromWrapper::Heartbeat).await?;
    }
}
