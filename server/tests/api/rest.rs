//! The REST interface and the routes of the earlier implementation.

use crate::world::{Heard, World, within};
use saltpeter_protocol::api::{OutputSlice, RunDetail};
use saltpeter_protocol::live::ClientMessage;
use saltpeter_protocol::{MachineOutcome, MachineState};
use serde_json::json;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;
use std::time::Duration;

const JOBS: &str = "
hello~:
  schedule: '@yearly'
  command: 'echo hello from $SP_MACHINE_ID; echo trouble >&2'
  targets: 'web*'
  env: {PASSWORD: hunter2}
half~:
  schedule: '@yearly'
  command: '[ $SP_MACHINE_ID = web1 ] || exit 7'
  targets: '*'
long~:
  schedule: '@yearly'
  command: 'echo begun; sleep 600'
  targets: web1
";

#[tokio::test(flavor = "multi_thread")]
async fn a_job_runs_now_and_its_output_is_there_byte_for_byte() {
    let world = World::new(&[("jobs.yaml", JOBS)]).await;
    let run = world.run("hello~").await;
    let detail = world.ended(&run).await;
    let machines: Vec<&str> = detail
        .machines
        .iter()
        .map(|row| row.machine.as_str())
        .collect();
    assert_eq!(machines, ["web1", "web2"]);
    assert!(
        detail
            .machines
            .iter()
            .all(|row| row.state.outcome() == Some(&MachineOutcome::Succeeded))
    );
    assert!(detail.machines.iter().all(|row| row.output.lines == 2));
    let output = world.output(&run, "web2").await;
    assert!(
        output.contains("hello from web2\n") && output.contains("trouble\n"),
        "{output}"
    );

    let path = format!("/api/v1/runs/{run}/machines/web2/output");
    let answer = world.get(&format!("{path}?line=0&limit=1000")).await;
    let slice = OutputSlice::decode(&answer.body).unwrap();
    assert_eq!(slice.bytes, output.as_bytes());
    assert_eq!(
        slice
            .chunks
            .iter()
            .map(|chunk| chunk.len as usize)
            .sum::<usize>(),
        output.len()
    );
    let download = world.get(&format!("{path}/raw")).await;
    let name = format!("attachment; filename=\"{run}_web2.log\"");
    assert_eq!(download.header("content-disposition"), Some(name.as_str()));
    assert_eq!(download.header("x-content-type-options"), Some("nosniff"));
    let both = world.get(&format!("{path}?line=0&tail=5")).await;
    assert_eq!((both.status, both.error().0.as_str()), (400, "bad_request"));

    // The job's text log is written too.
    let log = std::fs::read_to_string(world.path().join(world.own("log/hello~.log"))).unwrap();
    assert!(log.contains(&format!("###### Starting {run} at ")), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn run_again_takes_the_machines_that_failed() {
    let world = World::new(&[("jobs.yaml", JOBS)]).await;
    let run = world.run("half~").await;
    let outcomes = world.outcome(&run).await;
    let failed = MachineOutcome::Failed { code: 7 };
    assert_eq!(
        outcomes,
        [
            ("db1".to_owned(), failed.clone()),
            ("web1".to_owned(), MachineOutcome::Succeeded),
            ("web2".to_owned(), failed),
        ]
    );
    let answer = world.post(&format!("/api/v1/runs/{run}/again"), "").await;
    assert_eq!(answer.status, 201);
    let again = answer.json()["run"].as_str().unwrap().parse().unwrap();
    let machines: Vec<String> = world
        .outcome(&again)
        .await
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(machines, ["db1", "web2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_ends_with_143_and_overlaps_are_refused() {
    let world = World::new(&[("jobs.yaml", JOBS)]).await;
    let run = world.run("long~").await;
    let mut socket = world.socket().await;
    let watch = ClientMessage::WatchOutput {
        sub: 1,
        run: run.clone(),
        machine: "web1".parse().unwrap(),
        attempt: saltpeter_protocol::Attempt::FIRST,
        from: 0,
    };
    socket.say(&watch).await;
    within(async { while !matches!(socket.next().await, Heard::Output(_)) {} }).await;
    let again = world.post("/api/v1/jobs/long~/run", "").await;
    assert_eq!((again.status, again.error().0.as_str()), (409, "overlap"));
    let early = world.post(&format!("/api/v1/runs/{run}/again"), "").await;
    assert_eq!((early.status, early.error().0.as_str()), (409, "conflict"));

    let kill = format!("/api/v1/runs/{run}/kill");
    let nobody = world.post(&kill, r#"{"machine":"web9"}"#).await;
    assert_eq!(
        (nobody.status, nobody.error().0.as_str()),
        (404, "unknown_machine")
    );
    let legacy = world.post("/kill", r#"{"job":"long~"}"#).await;
    assert_eq!(legacy.status, 200, "{legacy:?}");
    let outcomes = world.outcome(&run).await;
    assert_eq!(outcomes, [("web1".to_owned(), MachineOutcome::Killed)]);
    let late = world.post(&kill, "").await;
    assert_eq!((late.status, late.error().0.as_str()), (409, "not_running"));
    let idle = world.post("/api/v1/jobs/long~/kill", "").await;
    assert_eq!((idle.status, idle.error().0.as_str()), (409, "not_running"));

    let status = world.get("/status").await.json();
    let result = &status["state"][world.own("long~")]["results"]["web1"];
    assert_eq!(result["retcode"], 143, "{status}");
    assert!(result["starttime"].is_string() && result["endtime"].is_string());
    assert_eq!(status["running"], json!({}));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_or_not_understood_says_so() {
    let world = World::new(&[("jobs.yaml", JOBS)]).await;
    let cases = [
        ("GET", "/api/v1/jobs/nope", "", 404, "unknown_job"),
        ("GET", "/api/v1/jobs/a%2Fb", "", 404, "unknown_job"),
        ("GET", "/api/v1/jobs/%FF", "", 400, "bad_request"),
        ("GET", "/api/v1/runs/%FF/archive", "", 404, "not_found"),
        (
            "GET",
            "/api/v1/runs/%FF/output/archive",
            "",
            400,
            "bad_request",
        ),
        ("POST", "/runnow/%FF", "", 400, "bad_request"),
        ("GET", "/runnow/hello~", "", 405, "bad_request"),
        ("POST", "/runnow/", "", 400, "bad_request"),
        ("POST", "/runnow", "", 400, "bad_request"),
        ("GET", "/runnow/", "", 405, "bad_request"),
        ("POST", "/runnow/hello~/", "", 404, "not_found"),
        ("POST", "/runnow/%20", "", 404, "unknown_job"),
        ("POST", "/kill/", "{}", 404, "not_found"),
        ("POST", "/kill/hello~", "", 404, "not_found"),
        ("POST", "/kill", "", 400, "bad_request"),
        ("POST", "/status", "", 405, "bad_request"),
        ("POST", "/status/", "", 404, "not_found"),
        ("POST", "/timeline", "", 405, "bad_request"),
        ("DELETE", "/runs/nope_1", "", 405, "bad_request"),
        ("POST", "/nope", "", 404, "not_found"),
        ("PUT", "/kill", "", 405, "bad_request"),
        ("POST", "/api/v1/jobs/nope/run", "", 404, "unknown_job"),
        ("POST", "/runnow/nope", "", 404, "unknown_job"),
        ("POST", "/kill", r#"{"job":"nope"}"#, 404, "unknown_job"),
        ("POST", "/kill", "[", 400, "bad_request"),
        ("GET", "/api/v1/runs/nope_1", "", 404, "unknown_run"),
        ("POST", "/api/v1/runs/nope_1/kill", "", 404, "unknown_run"),
        ("POST", "/api/v1/runs/nope_1/again", "", 404, "unknown_run"),
        (
            "GET",
            "/api/v1/runs/nope_1/machines/web1/output",
            "",
            404,
            "unknown_run",
        ),
        (
            "GET",
            "/api/v1/runs/nope_1/machines/web1/output?offset=x",
            "",
            400,
            "bad_request",
        ),
        (
            "GET",
            "/api/v1/runs/nope_1/machines/web1/output/raw?attempt=x",
            "",
            400,
            "bad_request",
        ),
        ("GET", "/api/v1/audit?before=x", "", 400, "bad_request"),
        ("GET", "/api/v1/nope", "", 404, "not_found"),
        ("GET", "/api/v2/overview", "", 404, "not_found"),
        ("DELETE", "/api/v1/overview", "", 405, "bad_request"),
        (
            "POST",
            "/api/v1/jobs/hello~/pause",
            r#"{"paused":3}"#,
            400,
            "bad_request",
        ),
    ];
    for (method, path, body, status, code) in cases {
        let answer = world.request(method, path, &[], body).await;
        assert_eq!(
            (answer.status, answer.error().0.as_str()),
            (status, code),
            "{method} {path}"
        );
    }
    let long = "x".repeat(2 * 1024 * 1024);
    let answer = world.post("/kill", &long).await;
    assert_eq!(answer.status, 400);
    let (_, message) = world.post("/runnow/", "").await.error();
    assert!(message.contains("POST /runnow/backup_db"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_is_told_also_when_its_job_is_in_no_file_any_more() {
    let world = World::new(&[("more.yaml", JOBS)]).await;
    let run = world.run("long~").await;
    within(async {
        let running = |detail: &RunDetail| {
            let mut rows = detail.machines.iter();
            rows.any(|row| matches!(row.state, MachineState::Running { .. }))
        };
        while !running(&world.detail(&run).await) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    // A command that runs gives signs of life, however long ago it was started.
    world.pass(Duration::from_secs(5));
    let asked = world.now();
    let machines = world.get("/api/v1/machines?q=web1").await.json();
    let seen = machines["machines"][0]["seen"].as_i64();
    assert!(seen >= Some(asked.0), "{machines}");

    world.remove("more.yaml");
    within(async {
        let gone = world.own("/api/v1/jobs/long~");
        while world.get(&gone).await.status != 404 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    let running = world.get("/running").await.json();
    assert_eq!(
        running[run.as_str()]["machines"],
        json!(["web1"]),
        "{running}"
    );
    let status = world.get("/status").await.json();
    assert!(status["running"][run.as_str()].is_object(), "{status}");
    let killed = world.post("/kill", r#"{"job":"long~"}"#).await;
    assert_eq!(killed.status, 200, "{killed:?}");
    // Its end is looked for in the job's row.
    world.write("more.yaml", JOBS);
    world.ended(&run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_success_is_told_however_often_the_job_has_failed_since() {
    let job = |command: &str, targets: &str| {
        format!("once~:\n  schedule: '@yearly'\n  command: '{command}'\n  targets: {targets}\n")
    };
    let world = World::new(&[("jobs.yaml", &job("true", "web1"))]).await;
    let good = world.run("once~").await;
    world.ended(&good).await;
    let success = async || {
        let status = world.get("/status").await.json();
        status["state"][world.own("once~")]["last_success"].clone()
    };
    let at = success().await;
    assert!(at.is_string(), "{at}");
    // No machine has this name, which makes many runs that are no success at little cost.
    world.write("jobs.yaml", &job("false", "nobody"));
    within(async {
        let row = world.own("/api/v1/jobs/once~");
        while world.get(&row).await.json()["row"]["command"] != "false" {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    for _ in 0..saltpeter_server::fanout::RECENT {
        let run = world.run("once~").await;
        world.ended(&run).await;
    }
    assert_eq!(success().await, at);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_deleted_under_it_does_not_end_the_status() {
    let world = World::new(&[("jobs.yaml", JOBS)]).await;
    let run = world.run("hello~").await;
    world.ended(&run).await;
    // As the deletion of old runs does, just before it tells the board.
    let options = SqliteConnectOptions::new().filename(world.path().join("data/saltpeter.db"));
    let mut database = options.connect().await.unwrap();
    for rows in ["DELETE FROM run_machines", "DELETE FROM runs"] {
        let gone = sqlx::query(rows).execute(&mut database).await;
        assert!(gone.unwrap().rows_affected() > 0, "{rows}");
    }
    let answer = world.get("/status").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let job = &answer.json()["state"][world.own("hello~")];
    assert_eq!(job["results"], json!({}));
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_other_sites_can_change_nothing() {
    let world = World::new(&[("jobs.yaml", JOBS)]).await;
    let own = format!("http://{}", world.addr());
    for (origin, status) in [("https://evil.example", 400), (own.as_str(), 201)] {
        let headers = [("Origin", origin)];
        let path = "/api/v1/jobs/hello~/run";
        let answer = world.request("POST", path, &headers, "").await;
        assert_eq!(answer.status, status, "{origin}");
        if status == 201 {
            // No wrapper is left behind that looks for this server.
            let run = answer.json()["run"].as_str().unwrap().parse().unwrap();
            world.ended(&run).await;
        }
    }
    let page = world.get("/").await;
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.contains("frame-ancestors 'none'") && policy.contains("'nonce-"),
        "{policy}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_job_has_no_next_time_and_runs_by_hand() {
    let world = World::new(&[("jobs.yaml", JOBS)]).await;
    let row = world
        .post("/api/v1/jobs/hello~/pause", r#"{"paused":true}"#)
        .await
        .json();
    assert!(
        row["next"].is_null() && row["paused"]["by"].is_string(),
        "{row}"
    );
    let run = world.run("hello~").await;
    world.ended(&run).await;
    let row = world
        .post("/api/v1/jobs/hello~/pause", r#"{"paused":false}"#)
        .await
        .json();
    assert!(row["next"].is_number() && row["paused"].is_null(), "{row}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_shows_a_secret() {
    let world = World::new(&[("jobs.yaml", JOBS)]).await;
    let run = world.run("hello~").await;
    world.ended(&run).await;
    let paths = [
        "/config".to_owned(),
        "/status".to_owned(),
        "/api/v1/overview".to_owned(),
        "/api/v1/config".to_owned(),
        "/api/v1/jobs/hello~".to_owned(),
        format!("/api/v1/runs/{run}"),
        "/jobs/hello~".to_owned(),
    ];
    for path in paths {
        let body = String::from_utf8(world.get(&path).await.body).unwrap();
        assert!(!body.contains("hunter2"), "{path}: {body}");
    }
    let config = world.get("/config").await.json();
    assert_eq!(
        config["maintenance"],
        json!({"global": false, "groups": [], "machines": []})
    );
    let detail = world.get("/api/v1/jobs/hello~").await.json();
    assert_eq!(detail["upcoming"].as_array().unwrap().len(), 20);
    let preview = detail["preview"]["Ok"].as_array().unwrap();
    let verdicts: Vec<&str> = preview
        .iter()
        .map(|row| row["verdict"].as_str().unwrap())
        .collect();
    assert_eq!(verdicts, ["not_matched", "included", "included"]);
    let reason = preview[0]["reason"].as_str().unwrap();
    assert!(reason.contains("does not match"), "{reason}");
    assert!(preview[1].get("reason").is_none(), "{}", preview[1]);
    assert_eq!(detail["source"], "jobs.yaml:2");
    let config = world.get("/api/v1/config").await.json();
    let executor = config["executor"].as_str().unwrap();
    assert!(
        executor.starts_with("local")
            && executor.ends_with("because the settings say executor: local"),
        "{executor}"
    );
    let settings = config["settings"].as_array().unwrap();
    let source = |key: &str| {
        let row = settings.iter().find(|row| row["key"] == key).unwrap();
        row["source"].as_str().unwrap().to_owned()
    };
    assert_eq!(source("executor"), "settings.yaml:2");
    assert_eq!(source("logdir"), "flag");
    assert_eq!(source("debug"), "default");
}
