//! A long log: how long it takes to open it at its end, to show a line in its middle, and to search all of it; and what that
//! costs the server in memory. The log is written by the store itself, as fast as that goes.

use crate::server::Server;
use crate::table::{Table, mib, ms};
use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use saltpeter_protocol::api::SearchStep;
use saltpeter_protocol::machine::Stream;
use saltpeter_protocol::machine::v2::Encoding;
use saltpeter_protocol::{MachineId, RunId, UnixMillis};
use saltpeter_server::store::output::{Chunk, OutputLog};
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// Lines of the log, 100 bytes each; `LOG_LINES` says otherwise.
const LINES: u64 = 10_000_000;

/// Lines that are written at once: about 64 KB.
const LINES_OF_A_CHUNK: u64 = 650;

/// How often a short answer is measured; the median counts.
const TIMES: usize = 15;

/// How long the run that the log belongs to may take.
const ENDS_WITHIN: Duration = Duration::from_secs(20);

const JOB: &str = "log:\n  schedule: '0 0 1 1 *'\n  command: 'true'\n  targets: alpha\n";

pub(crate) fn run() -> Result<()> {
    let lines: u64 = match std::env::var("LOG_LINES") {
        Ok(text) => text.parse().context("LOG_LINES is not a number")?,
        Err(_) => LINES,
    };
    let mut server = Server::start(JOB)?;
    let run = server.run_now("log")?;
    let deadline = Instant::now() + ENDS_WITHIN;
    loop {
        let detail: serde_json::Value =
            serde_json::from_slice(&server.get(&format!("/api/v1/runs/{run}"))?)?;
        if detail["summary"]["counts"]["succeeded"] == 1 {
            break;
        }
        ensure!(Instant::now() < deadline, "the run does not end: {detail}");
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut written = Duration::ZERO;
    server.away(|dir| {
        let begun = Instant::now();
        tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?
            .block_on(write(&dir.join("data/output.db"), &run, lines))?;
        written = begun.elapsed();
        Ok(())
    })?;

    let output = format!("/api/v1/runs/{run}/machines/alpha/output");
    let before = server.memory();
    let mut table = Table::new(format!("A log of {lines} lines"));
    table.row("written in", ms(written), "");
    let page = median(|| server.get(&format!("/runs/{run}")))?;
    table.row("its page, with the end of it", ms(page), "< 1 s");
    let end = median(|| server.get(&format!("{output}?tail=65536&limit=131072")))?;
    table.row("the end of it", ms(end), "< 1 s");
    let middle = lines / 2;
    let line = median(|| server.get(&format!("{output}?line={middle}&limit=262144")))?;
    table.row(format!("from line {middle} on"), ms(line), "");
    let stderr = median(|| {
        server.get(&format!(
            "/api/v1/runs/{run}/output/lines?machines=alpha&stderr=true"
        ))
    })?;
    table.row("the last lines on standard error", ms(stderr), "");
    for (what, query, hits) in [
        ("what is in every line", "q=request&case=true", lines),
        (
            "what is in one line of a million",
            "q=out%20of%20memory&case=true",
            rare(lines),
        ),
        (
            "the same whatever its capitals",
            "q=OUT%20of%20memory",
            rare(lines),
        ),
        (
            "a regular expression",
            "q=out%20of%20%5Ba-z%5D%2By&regex=true&case=true",
            rare(lines),
        ),
        ("what is not there", "q=no%20such%20words&case=true", 0),
    ] {
        let search = search(&server, &format!("{output}/search?limit=200&{query}"))?;
        ensure!(
            search.count == hits,
            "{what}: {} hits, not {hits}",
            search.count
        );
        if let Some(first) = search.first {
            table.row(format!("{what}: first hits after"), ms(first), "< 2 s");
        }
        table.row(format!("{what}: all of it after"), ms(search.whole), "");
    }
    table.row("server before, resident", mib(before), "");
    table.row("server after, resident", mib(server.memory()), "");
    table.row("server, most", mib(server.most_memory()), "flat");
    table.print();
    Ok(())
}

/// Lines that say what is rare: one of a million, and the last but nine.
fn rare(lines: u64) -> u64 {
    (0..lines).step_by(1_000_000).count() as u64 + 1
}

async fn write(path: &Path, run: &str, lines: u64) -> Result<()> {
    let log = OutputLog::open(path).await?;
    let stream = log
        .stream(&RunId::new(run)?, &MachineId::new("alpha")?)
        .await?;
    let (mut line, mut offset, mut at) = (0, 0, UnixMillis(1_800_000_000_000));
    while line < lines {
        let until = lines.min(line + LINES_OF_A_CHUNK);
        let mut text = String::with_capacity(LINES_OF_A_CHUNK as usize * 100);
        let mut stderr = false;
        for number in line..until {
            let begun = text.len();
            let is_rare = number.is_multiple_of(1_000_000) || number + 10 == lines;
            let what = if is_rare {
                "failed: out of memory"
            } else {
                "took 12 ms, answered 200"
            };
            stderr |= is_rare;
            write!(
                text,
                "2026-11-28T00:00:00Z INFO worker-{:02} request {number:09} {what}",
                number % 64
            )?;
            let padding = 99 - (text.len() - begun);
            text.extend(std::iter::repeat_n('.', padding));
            text.push('\n');
        }
        let chunk = Chunk {
            offset,
            stream: if stderr {
                Stream::Stderr
            } else {
                Stream::Stdout
            },
            at,
            encoding: Encoding::Raw,
            raw_len: u32::try_from(text.len())?,
            payload: Bytes::from(text),
        };
        offset = stream.submit(chunk).await?;
        line = until;
        at = at + Duration::from_millis(50);
    }
    stream.wait_durable(offset).await?;
    log.close().await;
    Ok(())
}

fn median(mut get: impl FnMut() -> Result<Vec<u8>>) -> Result<Duration> {
    let mut times = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        let begun = Instant::now();
        get()?;
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    Ok(times[TIMES / 2])
}

struct Searched {
    /// Until there was a hit.
    first: Option<Duration>,
    whole: Duration,
    count: u64,
}

/// Searches as the page does, step by step.
fn search(server: &Server, query: &str) -> Result<Searched> {
    let begun = Instant::now();
    let mut searched = Searched {
        first: None,
        whole: Duration::ZERO,
        count: 0,
    };
    let mut line = Some(0);
    while let Some(from) = line {
        let step = server.get(&format!("{query}&line={from}"))?;
        let step: SearchStep = serde_json::from_slice(&step)?;
        searched.count += step.count;
        if step.count > 0 {
            searched.first.get_or_insert_with(|| begun.elapsed());
        }
        line = step.next;
    }
    searched.whole = begun.elapsed();
    Ok(searched)
}
