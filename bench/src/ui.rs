//! The dashboard in a browser, with very much to show: 10,000 jobs with a past, 2,000 machines, 200 jobs running, and a run on every
//! machine. The server is the released one, with wrappers that this process plays; Chromium is driven by `end2end/bench/ui.spec.ts`,
//! which does what people do and says what it has seen.

use crate::history;
use crate::played::{Part, Target, on_one_thread};
use crate::server::Server;
use crate::table::{Table, mib};
use anyhow::{Context as _, Result, bail, ensure};
use saltpeter_protocol::UnixMillis;
use saltpeter_protocol::machine::HEARTBEAT_EVERY;
use saltpeter_protocol::machine::v2::{Exit, FromServer, FromWrapper};
use serde::Deserialize;
use std::fmt::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

const JOBS: usize = 10_000;

/// Jobs of a file.
const OF_FILE: usize = 50;

/// Ended runs of each job.
const PAST: usize = 5;

const MACHINES: usize = 2_000;

/// Jobs that run all the time, on as many machines each: enough for their ends to last longer than what is measured meanwhile.
const RUNNING: usize = 200;
const ON_EACH: usize = 28;

/// From one machine's end to the next, once they are to end: 520 a second.
const PACE: Duration = Duration::from_micros(1_920);

/// What the browser has seen. Times are in milliseconds.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Seen {
    first_paint: Vec<f64>,
    loading_longest: f64,
    events_per_second: f64,
    longest_with_events: f64,
    bare_frame_p95: f64,
    frame_p95: f64,
    frame_p95_with_events: f64,
    memory: u64,
    heap: u64,
    run_first_paint: Vec<f64>,
    run_events_per_second: f64,
    run_longest: f64,
    run_memory: u64,
    page_bytes: usize,
}

pub(crate) fn run() -> Result<()> {
    let machines: Vec<String> = (0..MACHINES).map(|n| format!("m{n}")).collect();
    let mut server = Server::start_with(&machines.join(", "), Some("/bin/true"), "")?;
    server.away(|dir| {
        write_jobs(&dir.join("config"))?;
        history::past(&dir.join("data/saltpeter.db"), JOBS, PAST)
    })?;
    let (bell, rung) = Bell::hang()?;
    let mut wrappers = Vec::new();
    for number in 0..RUNNING {
        let target = Arc::new(Target::start(&server, &job(number))?);
        wrappers.extend(
            machines_of(number)
                .enumerate()
                .map(|(nth, machine)| Wrapper {
                    part: Part::new(&target, machine),
                    // The jobs take turns, so that all of them run until the last round.
                    turn: nth * RUNNING + number,
                    ends: Ends::Rung(rung.clone()),
                }),
        );
    }
    let wide = Arc::new(Target::start(&server, "wide")?);
    wrappers.extend((0..MACHINES).map(|machine| Wrapper {
        part: Part::new(&wide, machine),
        turn: machine,
        ends: Ends::Killed,
    }));
    let count = wrappers.len();
    let (tell, connected) = std::sync::mpsc::channel();
    let wrappers = std::thread::spawn(move || on_one_thread(play(wrappers, tell)));
    for _ in 0..count {
        if connected.recv().is_err() {
            wrappers
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            bail!("the wrappers have ended");
        }
    }
    let seen = look(&server, wide.run.as_str(), &bell)?;
    print(&seen, &server);
    Ok(())
}

fn job(number: usize) -> String {
    format!("{}_{number}", history::JOB)
}

/// The machines of one of the jobs that run.
fn machines_of(number: usize) -> impl Iterator<Item = usize> {
    (number * ON_EACH..(number + 1) * ON_EACH).map(|machine| machine % MACHINES)
}

fn write_jobs(config: &Path) -> Result<()> {
    let mut text = "wide: {schedule: '@yearly', targets: '*', command: 'true'}\n".to_owned();
    for number in 0..JOBS {
        let targets: Vec<String> = if number < RUNNING {
            machines_of(number).map(|n| format!("m{n}")).collect()
        } else {
            vec![format!("m{}", number % MACHINES)]
        };
        let (hour, minute) = (number / 60 % 24, number % 60);
        writeln!(
            text,
            "{}:\n  schedule: '{minute} {hour} 1 1 *'\n  targets: [{}]\n  command: /usr/local/bin/task --number {number}",
            job(number),
            targets.join(", ")
        )?;
        if (number + 1).is_multiple_of(OF_FILE) {
            let file = config.join(format!("group{:03}.yaml", number / OF_FILE));
            std::fs::write(file, std::mem::take(&mut text))?;
        }
    }
    Ok(())
}

/// What the browser's part rings, by connecting to its port, when machines are to end.
struct Bell {
    port: u16,
}

impl Bell {
    fn hang() -> Result<(Self, watch::Receiver<bool>)> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let port = listener.local_addr()?.port();
        let (ring, rung) = watch::channel(false);
        std::thread::spawn(move || {
            if listener.accept().is_ok() {
                ring.send_replace(true);
            }
            // Kept: wrappers wait at it until the process ends.
            std::thread::park();
        });
        Ok((Self { port }, rung))
    }
}

struct Wrapper {
    part: Part,
    /// How many machines end before this one.
    turn: usize,
    ends: Ends,
}

/// What a wrapper's command waits for before it ends in its turn.
enum Ends {
    Killed,
    Rung(watch::Receiver<bool>),
}

impl Ends {
    async fn rung(&mut self) -> Result<()> {
        match self {
            Self::Killed => std::future::pending().await,
            Self::Rung(rung) => {
                rung.wait_for(|rung| *rung).await?;
                Ok(())
            }
        }
    }
}

/// Plays all wrappers until the process ends.
async fn play(all: Vec<Wrapper>, connected: Sender<()>) -> Result<()> {
    let mut wrappers = JoinSet::new();
    for wrapper in all {
        wrappers.spawn(wrapper.play(connected.clone()));
    }
    while let Some(ended) = wrappers.join_next().await {
        ended??;
    }
    Ok(())
}

impl Wrapper {
    /// Beats until it is told to end, and does so when it is its turn.
    async fn play(mut self, connected: Sender<()>) -> Result<()> {
        let (mut to, mut from) = self.part.connect_v2().await?;
        connected.send(()).context("nobody listens any more")?;
        let spread = HEARTBEAT_EVERY * self.part.number as u32 / MACHINES as u32;
        let first = Instant::now() + spread;
        let mut beat = tokio::time::interval_at(first, HEARTBEAT_EVERY);
        let mut ends = None::<Instant>;
        let exit = loop {
            let turn = async {
                match ends {
                    None => std::future::pending().await,
                    Some(at) => tokio::time::sleep_until(at).await,
                }
            };
            tokio::select! {
                _ = beat.tick() => to.say(&FromWrapper::Heartbeat).await?,
                heard = from.hear(|said: FromServer| said == FromServer::Kill), if ends.is_none() => {
                    heard?;
                    ends = Some(self.turn());
                }
                rung = self.ends.rung(), if ends.is_none() => {
                    rung?;
                    ends = Some(self.turn());
                }
                () = turn => break Exit::Exited { code: 0 },
            }
        };
        let at = UnixMillis(0);
        to.say(&FromWrapper::Ended {
            exit,
            length: 0,
            at,
        })
        .await?;
        from.hear(|said: FromServer| said == FromServer::Done).await
    }

    fn turn(&self) -> Instant {
        Instant::now() + PACE * self.turn as u32
    }
}

/// Has the browser look.
fn look(server: &Server, run: &str, bell: &Bell) -> Result<Seen> {
    let end2end = Path::new(env!("CARGO_MANIFEST_DIR")).join("../end2end");
    let result = server.dir().join("seen.json");
    let status = Command::new("npx")
        .args(["playwright", "test", "--config", "bench.config.ts", "ui"])
        .current_dir(end2end)
        .env("BENCH_URL", format!("http://127.0.0.1:{}", server.port()))
        .env("BENCH_RUN", run)
        .env("BENCH_BELL", bell.port.to_string())
        .env("BENCH_RESULT", &result)
        .status()
        .context("cannot start Node's npx")?;
    ensure!(status.success(), "the browser's part has failed");
    let text = std::fs::read(&result).context("the browser's part has left no figures")?;
    Ok(serde_json::from_slice(&text)?)
}

fn print(seen: &Seen, server: &Server) {
    let ms = |time: f64| format!("{time:.0} ms");
    let most = |times: &[f64]| ms(times.iter().copied().fold(0.0, f64::max));
    let mut table = Table::new(format!(
        "The dashboard: {JOBS} jobs, {MACHINES} machines, {RUNNING} running"
    ));
    let kib = format!("{} KiB", seen.page_bytes / 1024);
    table.row("the page of all jobs, as the server makes it", kib, "");
    table.row(
        "first contentful paint, the slowest of five",
        most(&seen.first_paint),
        "< 1 s",
    );
    table.row(
        "longest task while a page is loaded",
        ms(seen.loading_longest),
        "",
    );
    let rate = |per_second: f64| format!("{per_second:.0}");
    table.row(
        "events that arrive in a second",
        rate(seen.events_per_second),
        "≥ 500",
    );
    table.row(
        "longest task meanwhile",
        ms(seen.longest_with_events),
        "< 50 ms",
    );
    let frame = |time: f64| format!("{time:.1} ms");
    table.row(
        "a frame while a bare table scrolls, p95",
        frame(seen.bare_frame_p95),
        "",
    );
    table.row(
        "a frame while scrolling, p95",
        frame(seen.frame_p95),
        "< 20 ms",
    );
    table.row(
        "the same while events arrive, p95",
        frame(seen.frame_p95_with_events),
        "< 20 ms",
    );
    table.row(
        "memory of the tab: its process alone",
        mib(seen.memory),
        "< 150 MB",
    );
    table.row("of this the JavaScript's", mib(seen.heap), "");
    table.row(
        format!("a run on {MACHINES} machines: first contentful paint"),
        most(&seen.run_first_paint),
        "< 1 s",
    );
    table.row(
        "its machines end: events in a second",
        rate(seen.run_events_per_second),
        "",
    );
    table.row("longest task meanwhile", ms(seen.run_longest), "< 50 ms");
    table.row("memory of the tab", mib(seen.run_memory), "< 150 MB");
    table.row("memory of the server", mib(server.memory()), "");
    table.print();
}
