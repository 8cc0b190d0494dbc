//! What many wrappers cost that have nothing to say: connected, with a heartbeat each.

use crate::played::{Part, Target, play};
use crate::server::Server;
use crate::table::{Table, mib};
use anyhow::Result;
use saltpeter_protocol::machine::HEARTBEAT_EVERY;
use saltpeter_protocol::machine::v2::FromWrapper;
use std::time::{Duration, Instant};

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
    let (connected, told) = std::sync::mpsc::channel();
    let (share, memory) = std::thread::scope(|scope| {
        let server = &server;
        let measured = scope.spawn(move || {
            // The first to pass the barrier says so.
            let _ = told.recv();
            std::thread::sleep(SETTLE);
            let (before, begun) = (server.processor_time(), Instant::now());
            std::thread::sleep(LASTS);
            let spent = server.processor_time() - before;
            let share = spent.as_secs_f64() / begun.elapsed().as_secs_f64();
            (share, server.memory())
        });
        play(target, WRAPPERS, move |part| {
            wrapper(part, connected.clone())
        })?;
        match measured.join() {
            Ok(figures) => anyhow::Ok(figures),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })?;
    let mut table = Table::new(format!("{WRAPPERS} idle version 2 wrappers"));
    let percent = format!("{:.1} %", share * 100.0);
    table.row(
        "processor time of the server, of one core",
        percent,
        "< 5 %",
    );
    table.row("memory of the server", mib(memory), "< 150 MB");
    table.print();
    Ok(())
}

async fn wrapper(part: Part, connected: std::sync::mpsc::Sender<()>) -> Result<()> {
    let mut wire = part.connect_v2().await?;
    let spread = HEARTBEAT_EVERY * part.number as u32 / WRAPPERS as u32;
    let mut beat = tokio::time::interval_at(tokio::time::Instant::now() + spread, HEARTBEAT_EVERY);
    let mut all = std::pin::pin!(part.start.wait());
    loop {
        tokio::select! {
            _ = beat.tick() => wire.say(&FromWrapper::Heartbeat).await?,
            _ = &mut all => break,
        }
    }
    // Nobody listens any more once it is measured.
    let _ = connected.send(());
    let end = Instant::now() + SETTLE + LASTS + Duration::from_secs(1);
    while Instant::now() < end {
        beat.tick().await;
        wire.say(&FromWrapper::Heartbeat).await?;
    }
    Ok(())
}
