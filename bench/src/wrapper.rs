//! The wrapper's budgets, with the release binaries: size, start, memory, and a gigabyte of output through a
//! real server.

use crate::server::{Server, wrapper_memory};
use crate::table::{Table, mib, ms, percentile};
use anyhow::{Context as _, Result, ensure};
use sha2::{Digest as _, Sha256};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

const STARTS: usize = 30;
const OUTPUT: u64 = 1024 * 1024 * 1024;
const DEADLINE: Duration = Duration::from_mins(2);

pub(crate) fn run() -> Result<()> {
    let server = Server::start(&format!(
        "gigabyte:\n  schedule: '@yearly'\n  targets: alpha\n  command: yes | head -c {OUTPUT}\n"
    ))?;
    let mut table = Table::new("Wrapper");
    let size = std::fs::metadata(&server.wrapper)?.len();
    table.row("release binary", mib(size), "< 4 MB");

    let mut starts = (0..STARTS)
        .map(|number| start(&server.wrapper, server.dir(), number))
        .collect::<Result<Vec<_>>>()?;
    starts.sort_unstable();
    table.row(
        "its exec → the command's exec, median",
        ms(percentile(&starts, 0.5)),
        "< 10 ms",
    );
    table.row(
        "its exec → the command's exec, p95",
        ms(percentile(&starts, 0.95)),
        "",
    );

    let began = Instant::now();
    let run = server.run_now("gigabyte")?;
    let mut peak = 0;
    let seconds = loop {
        peak = peak.max(wrapper_memory(&run));
        let state = server.get(&format!("/api/v1/runs/{run}"))?;
        let state: serde_json::Value = serde_json::from_slice(&state)?;
        let state = &state["summary"]["state"];
        if state["state"] == "ended" {
            ensure!(
                state["outcome"]["kind"] == "succeeded",
                "the run ended: {state}"
            );
            break began.elapsed();
        }
        ensure!(began.elapsed() < DEADLINE, "the run does not end: {state}");
        std::thread::sleep(Duration::from_millis(20));
    };
    table.row(
        "`yes | head -c 1G`, start to durable end",
        format!("{:.2} s", seconds.as_secs_f64()),
        "< 10 s",
    );
    table.row("wrapper's peak memory while streaming", mib(peak), "< 8 MB");
    table.row("server's memory at the end", mib(server.memory()), "");

    let output = server.get(&format!("/api/v1/runs/{run}/machines/alpha/output/raw"))?;
    ensure!(
        output.len() as u64 == OUTPUT,
        "{} bytes arrived",
        output.len()
    );
    let same = Sha256::digest(&output) == expected();
    table.row(
        "bytes at the server",
        if same { "identical" } else { "DIFFERENT" },
        "identical",
    );
    table.print();
    ensure!(same, "the output differs from what was written");
    Ok(())
}

/// What `yes` writes.
fn expected() -> sha2::digest::Output<Sha256> {
    let piece = b"y\n".repeat(512 * 1024);
    let mut hasher = Sha256::new();
    for _ in 0..OUTPUT / piece.len() as u64 {
        hasher.update(&piece);
    }
    hasher.finalize()
}

/// Time from starting the wrapper by hand to the moment its command notes; without a server, so that only
/// the wrapper's own share counts.
fn start(wrapper: &Path, dir: &Path, number: usize) -> Result<Duration> {
    let note = dir.join(format!("start-{number}"));
    let nobody = "ws://127.0.0.1:9";
    let began = SystemTime::now();
    let status = Command::new(wrapper)
        .env("SP_WEBSOCKET_URL", nobody)
        .env("SP_JOB_NAME", "start")
        .env(
            "SP_JOB_INSTANCE",
            format!("start_{}_{number}", std::process::id()),
        )
        .env("SP_MACHINE_ID", "alpha")
        .env("SP_ALLOW_OVERLAP", "1")
        .env("SP_RETAIN", "0")
        .env(
            "SP_COMMAND",
            format!("date +%s%N > {0}.new && mv {0}.new {0}", note.display()),
        )
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .status()
        .context("cannot start the wrapper")?;
    ensure!(status.success(), "the wrapper exited with {status}");
    let deadline = Instant::now() + Duration::from_secs(5);
    let noted = loop {
        match std::fs::read_to_string(&note) {
            Ok(text) => break text,
            Err(_) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(1)),
            Err(e) => return Err(e).context("the command did not run"),
        }
    };
    std::io::stdout().flush()?;
    let at = SystemTime::UNIX_EPOCH + Duration::from_nanos(noted.trim().parse()?);
    Ok(at.duration_since(began)?)
}
