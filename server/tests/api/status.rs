//! `/status` shows some of what the machines have written, and says how much it does not show.

use crate::world::World;
use bytes::Bytes;
use saltpeter_protocol::machine::Stream;
use saltpeter_protocol::machine::v2::Encoding;
use saltpeter_protocol::{MachineId, RunId, UnixMillis};
use saltpeter_server::store::output::{Chunk, OutputLog};
use serde_json::{Map, Value};
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

const JOBS: &str = "one~: {schedule: '@yearly', targets: web1, command: 'echo hello'}\n\
                    two~: {schedule: '@yearly', targets: web1, command: 'echo hello'}\n";
const KIB: usize = 1024;
/// What is shown of a machine, and of all together.
const OF_A_MACHINE: usize = 64 * KIB;
const OF_ALL: usize = 16 * 1024 * KIB;

/// So many bytes that end with `end`.
fn ending_with(end: &str, length: usize) -> String {
    format!("{}{end}", "x".repeat(length - end.len()))
}

/// Writes what a machine has written, in pieces of 40 KiB.
async fn append(log: &OutputLog, run: &RunId, machine: &MachineId, text: &str) {
    let stream = log.stream(run, machine).await.unwrap();
    let mut offset = 0;
    for piece in text.as_bytes().chunks(40 * KIB) {
        let chunk = Chunk {
            offset,
            stream: Stream::Stdout,
            at: UnixMillis(1_700_000_000_000 + offset as i64),
            encoding: Encoding::Raw,
            payload: Bytes::copy_from_slice(piece),
            raw_len: piece.len() as u32,
        };
        offset = stream.submit(chunk).await.unwrap();
    }
    stream.wait_durable(offset).await.unwrap();
}

/// Has `run` have been on further machines, `outputs` by their names.
async fn widen(world: &World, run: &RunId, outputs: &[(String, String)]) {
    let options = SqliteConnectOptions::new().filename(world.path().join("data/saltpeter.db"));
    let mut database = options.connect().await.unwrap();
    let log = OutputLog::open(&world.path().join("data/output.db"))
        .await
        .unwrap();
    for (machine, text) in outputs {
        let added = sqlx::query(
            "INSERT INTO run_machines (run_seq, machine, state) SELECT run_seq, ?, run_machines.state FROM run_machines \
             JOIN runs ON seq = run_seq WHERE id = ? AND machine = 'web1'",
        )
        .bind(machine)
        .bind(run.as_str())
        .execute(&mut database)
        .await;
        assert_eq!(added.unwrap().rows_affected(), 1);
        append(&log, run, &machine.parse().unwrap(), text).await;
    }
    log.close().await;
}

async fn results(world: &World, job: &str) -> Map<String, Value> {
    let answer = world.get("/status").await;
    assert_eq!(answer.status, 200);
    let results = &answer.json()["state"][world.own(job)]["results"];
    results.as_object().unwrap().clone()
}

fn shown(result: &Value) -> &str {
    result["ret"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_machine_the_end_is_shown() {
    let mut world = World::new(&[("jobs.yaml", JOBS)]).await;
    let run = world.run("one~").await;
    world.ended(&run).await;
    world.stop().await;
    let exact = ending_with("the end", OF_A_MACHINE);
    let long = ending_with("the end", 100 * KIB);
    // Of a character that is cut nothing is shown.
    let cut = format!("€{}", "x".repeat(OF_A_MACHINE - 1));
    let outputs = [("exact", &exact), ("long", &long), ("cut", &cut)];
    let outputs = outputs.map(|(name, text)| (name.to_owned(), text.clone()));
    widen(&world, &run, &outputs).await;
    world.start().await;
    let results = results(&world, "one~").await;
    assert_eq!(shown(&results["web1"]), "hello\n");
    assert_eq!(results["web1"]["retcode"], 0);
    assert_eq!(results["exact"].get("ret_skipped"), None);
    assert!(shown(&results["exact"]) == exact);
    assert_eq!(results["long"]["ret_skipped"], 100 * KIB - OF_A_MACHINE);
    assert!(shown(&results["long"]) == &long[100 * KIB - OF_A_MACHINE..]);
    assert_eq!(results["cut"]["ret_skipped"], 3);
    assert!(shown(&results["cut"]) == &cut[3..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_machines_together_have_their_bound_and_share_it() {
    let mut world = World::new(&[("jobs.yaml", JOBS)]).await;
    let runs = [world.run("one~").await, world.run("two~").await];
    for run in &runs {
        world.ended(run).await;
    }
    world.stop().await;
    // 17 MiB of one job, and a little less than its share of each machine of the other.
    let long: Vec<_> = (0..272)
        .map(|n| (format!("long{n:03}"), ending_with(&n.to_string(), 70 * KIB)))
        .collect();
    let short: Vec<_> = (0..30)
        .map(|n| {
            (
                format!("short{n:02}"),
                ending_with(&n.to_string(), 40 * KIB),
            )
        })
        .collect();
    widen(&world, &runs[0], &long).await;
    widen(&world, &runs[1], &short).await;
    world.start().await;

    let short_ones = results(&world, "two~").await;
    for (name, text) in &short {
        assert!(shown(&short_ones[name]) == text, "{name} is not whole");
        assert_eq!(short_ones[name].get("ret_skipped"), None);
    }
    let long_ones = results(&world, "one~").await;
    let share = shown(&long_ones["long000"]).len();
    for (name, text) in &long {
        let shown = shown(&long_ones[name]);
        assert_eq!(shown.len(), share, "{name}");
        assert!(text.ends_with(shown), "{name} does not show its end");
        assert_eq!(long_ones[name]["ret_skipped"], 70 * KIB - share);
    }
    let all: usize = [&short_ones, &long_ones]
        .iter()
        .flat_map(|results| results.values())
        .map(|result| shown(result).len())
        .sum();
    // All of it but what does not divide.
    assert!(all <= OF_ALL && all > OF_ALL - long.len(), "{all}");
}
