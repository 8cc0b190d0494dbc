//! What the server says in the end: from its database, and from its API.

use crate::checker::{Output, Place, Row, Told};
use crate::content::Channel;
use crate::watcher::overview;
use anyhow::{Context as _, Result, ensure};
use saltpeter_protocol::api::{OutputSlice, RunDetail};
use saltpeter_protocol::machine::Stream;
use saltpeter_protocol::{Attempt, MachineOutcome, MachineState};
use saltpeter_testkit::Client;
use serde_json::Value;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection as _, Row as _};
use std::collections::BTreeMap;
use std::path::Path;

/// Bytes of output that are asked for at a time.
const SLICE: usize = 1024 * 1024;

/// What a server says.
#[derive(Debug, Default)]
pub struct Said {
    /// The runs.
    pub rows: Vec<Row>,
    /// Their machines.
    pub machines: BTreeMap<Place, Told>,
    /// Where the API and the database do not agree.
    pub disagreements: Vec<String>,
}

/// Reads the database and asks the API for everything in it.
pub async fn collect(database: &Path, client: Client) -> Result<Said> {
    let (rows, states) = read(database).await?;
    let mut told = Said {
        rows,
        ..Said::default()
    };
    for row in &told.rows {
        let answer = client.get(&format!("/api/v1/runs/{}", row.run)).await?;
        if answer.status != 200 {
            let detail = format!(
                "{} is in the database, and the API answers {}",
                row.run, answer.status
            );
            told.disagreements.push(detail);
            continue;
        }
        let detail: RunDetail = answer.json()?;
        compare(row, &detail, &states, &mut told.disagreements);
        for machine in detail.machines {
            let place = (row.run.clone(), machine.machine.to_string());
            let mut outputs = Vec::new();
            for attempt in machine.attempts() {
                let output = output(client, &place, attempt).await.with_context(|| {
                    format!(
                        "the output of {} on {}, attempt {attempt}",
                        place.0, place.1
                    )
                })?;
                let length: usize = output.values().map(Vec::len).sum();
                let past = machine.earlier.get(outputs.len());
                let said = past.map_or(machine.output, |past| past.output).bytes;
                if length as u64 != said {
                    told.disagreements.push(format!(
                        "{} on {}, attempt {attempt}: {length} bytes where the API says {said}",
                        place.0, place.1
                    ));
                }
                outputs.push(output);
            }
            let earlier = machine.earlier.iter();
            let machine = Told {
                state: machine.state.clone(),
                earlier: earlier.map(|past| past.outcome.clone()).collect(),
                came_back: machine.replaced.is_some(),
                outputs,
            };
            told.machines.insert(place, machine);
        }
    }
    pages(client, &told.rows, &states, &mut told.disagreements).await?;
    Ok(told)
}

type States = BTreeMap<Place, MachineState>;

async fn read(database: &Path) -> Result<(Vec<Row>, States)> {
    let options = SqliteConnectOptions::new()
        .filename(database)
        .read_only(true);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    let mut rows = Vec::new();
    for row in sqlx::query("SELECT id, job, instant, state FROM runs ORDER BY seq")
        .fetch_all(&mut connection)
        .await?
    {
        rows.push(Row {
            run: row.try_get(0)?,
            job: row.try_get(1)?,
            instant: row.try_get(2)?,
            state: serde_json::from_str(row.try_get(3)?)?,
        });
    }
    let mut states = States::new();
    for row in sqlx::query(
        "SELECT id, machine, run_machines.state FROM run_machines JOIN runs ON run_seq = seq",
    )
    .fetch_all(&mut connection)
    .await?
    {
        let state = serde_json::from_str(row.try_get(2)?)?;
        states.insert((row.try_get(0)?, row.try_get(1)?), state);
    }
    connection.close().await?;
    Ok((rows, states))
}

fn compare(row: &Row, detail: &RunDetail, states: &States, disagreements: &mut Vec<String>) {
    let run = &row.run;
    if detail.summary.state != row.state {
        disagreements.push(format!(
            "{run} is {:?} in the database and {:?} in the API",
            row.state, detail.summary.state
        ));
    }
    let of_run = states.range((run.clone(), String::new())..);
    let stored: Vec<(&String, &MachineState)> = of_run
        .take_while(|((of, _), _)| of == run)
        .map(|((_, machine), state)| (machine, state))
        .collect();
    let shown: Vec<(String, &MachineState)> = detail
        .machines
        .iter()
        .map(|row| (row.machine.to_string(), &row.state))
        .collect();
    let same = stored.len() == shown.len()
        && stored
            .iter()
            .zip(&shown)
            .all(|(stored, shown)| *stored.0 == shown.0 && stored.1 == shown.1);
    if !same {
        disagreements.push(format!(
            "the machines of {run} are {stored:?} in the database and {shown:?} in the API"
        ));
    }
}

async fn output(client: Client, (run, machine): &Place, attempt: Attempt) -> Result<Output> {
    let mut output = Output::new();
    let mut from = 0;
    loop {
        let path = format!(
            "/api/v1/runs/{run}/machines/{machine}/output?attempt={attempt}&offset={from}&limit={SLICE}"
        );
        let answer = client.get(&path).await?;
        ensure!(answer.status == 200, "{path} is answered {}", answer.status);
        let slice = OutputSlice::decode(&answer.body)?;
        if slice.chunks.is_empty() {
            return Ok(output);
        }
        ensure!(
            slice.offset == from,
            "asked for {from}, given {}",
            slice.offset
        );
        let mut rest: &[u8] = &slice.bytes;
        for chunk in &slice.chunks {
            let channel = match chunk.stream {
                Stream::Stdout => Channel::Out,
                Stream::Stderr => Channel::Err,
            };
            let (bytes, after) = rest
                .split_at_checked(chunk.len as usize)
                .context("a short slice")?;
            output.entry(channel).or_default().extend_from_slice(bytes);
            rest = after;
        }
        from += slice.bytes.len() as u64;
    }
}

/// The table of jobs, from which every browser's socket is served, and `/status`, which old scripts read.
async fn pages(
    client: Client,
    rows: &[Row],
    states: &States,
    disagreements: &mut Vec<String>,
) -> Result<()> {
    let by_name: BTreeMap<&str, &Row> = rows.iter().map(|row| (row.run.as_str(), row)).collect();
    let status: Value = client.get("/status").await?.json()?;
    let active: Vec<&str> = rows
        .iter()
        .filter(|row| !row.state.is_ended())
        .map(|row| row.run.as_str())
        .collect();
    let running = status["running"]
        .as_object()
        .context("/status without running")?;
    if running.len() != active.len() || !active.iter().all(|run| running.contains_key(*run)) {
        let shown: Vec<&String> = running.keys().collect();
        disagreements.push(format!(
            "{active:?} run in the database and {shown:?} in /status"
        ));
    }
    for job in overview(client).await?.jobs {
        let of_job: Vec<&Row> = rows
            .iter()
            .filter(|row| row.job == job.name.as_str())
            .collect();
        let ended = of_job.iter().filter(|row| row.state.is_ended()).count();
        if job.recent.len() != ended.min(30) {
            let shown = job.recent.len();
            disagreements.push(format!(
                "{} has {ended} runs behind it and shows {shown}",
                job.name
            ));
        }
        for recent in &job.recent {
            let stored = by_name.get(recent.run.as_str()).map(|row| &row.state);
            if stored != Some(&recent.state) {
                disagreements.push(format!(
                    "{} is {stored:?} in the database and {:?} in the table of jobs",
                    recent.run, recent.state
                ));
            }
        }
        // Which one is last is not compared: several may have ended in the same moment, and the clock may have been set back.
        if job.last.is_some() != (ended > 0) {
            let shown = job.last.as_ref().map(|run| &run.id);
            disagreements.push(format!(
                "{} has {ended} runs behind it, and {shown:?} is its last",
                job.name
            ));
        }
        if let Some(last) = &job.last {
            results(
                &status,
                job.name.as_str(),
                last.id.as_str(),
                states,
                disagreements,
            );
        }
    }
    Ok(())
}

fn results(status: &Value, job: &str, run: &str, states: &States, disagreements: &mut Vec<String>) {
    let results = &status["state"][job]["results"];
    let of_run = states.range((run.to_owned(), String::new())..);
    for ((_, machine), state) in of_run.take_while(|((of, _), _)| of == run) {
        let code = state.outcome().and_then(MachineOutcome::exit_code);
        let shown = results[machine]["retcode"].as_i64();
        if shown != code.map(i64::from) {
            disagreements.push(format!(
                "{run} on {machine} has {code:?}, and {shown:?} in /status"
            ));
        }
    }
}
