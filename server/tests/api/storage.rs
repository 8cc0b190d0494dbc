//! A disk that is full, fails or is slow: what is told, what waits, and that all goes on when it is well again.

use crate::http;
use crate::world::{Socket, World, within};
use saltpeter_protocol::api::{ErrorBody, ErrorCode, OutputSlice, StorageTrouble};
use saltpeter_protocol::live::{Event, ServerMessage};
use saltpeter_protocol::{MachineOutcome, MissedReason, RunId, RunOutcome};
use saltpeter_server::store::faults::CommitFailure;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Waits until the dashboard says what is wrong, or that nothing is.
async fn until_troubles(socket: &mut Socket, wanted: impl Fn(&[StorageTrouble]) -> bool) {
    socket
        .until(|message| match message {
            ServerMessage::Snapshot { overview, .. } => wanted(&overview.troubles),
            ServerMessage::Event {
                event: Event::Storage { troubles },
                ..
            } => wanted(troubles),
            _ => false,
        })
        .await;
}

fn says_full(troubles: &[StorageTrouble]) -> bool {
    troubles
        .iter()
        .any(|trouble| trouble.message.contains("is full"))
}

#[tokio::test(flavor = "multi_thread")]
async fn while_nothing_can_be_written_that_is_said_and_afterwards_all_goes_on() {
    let jobs = "
slow~: {schedule: '@yearly', targets: web1, command: 'echo one; while [ ! -e $GO ]; do sleep 0.05; done; echo two', env: {GO: GO_FILE}}
other~: {schedule: '@yearly', targets: web1, command: 'true'}
";
    let go = tempfile::tempdir().unwrap();
    let go_file = go.path().join("go");
    let jobs = jobs.replace("GO_FILE", go_file.to_str().unwrap());
    let world = World::new(&[("jobs.yaml", &jobs)]).await;
    let run = world.run("slow~").await;
    let first = world
        .socket()
        .await
        .until_output(&run, "web1", b"one\n")
        .await;
    assert_eq!(first, b"one\n");
    assert_eq!(world.get("/healthz").await.status, 200);

    world.faults.set_failure(Some(CommitFailure::Full));
    // The start is what notices it.
    let refused = world.post("/api/v1/jobs/other~/run", "").await;
    assert_eq!(refused.status, 503, "{refused:?}");
    let mut socket = world.socket().await;
    until_troubles(&mut socket, says_full).await;
    let refused = world.post("/api/v1/jobs/other~/run", "").await;
    assert_eq!(refused.status, 503, "{refused:?}");
    let error = serde_json::from_slice::<ErrorBody>(&refused.body)
        .unwrap()
        .error;
    assert_eq!(error.code, ErrorCode::Unavailable);
    assert!(error.message.contains("is full"), "{error:?}");
    let health = world.get("/healthz").await;
    assert_eq!(health.status, 503);
    assert!(
        String::from_utf8(health.body)
            .unwrap()
            .contains("nothing new starts")
    );
    // The command ends, and cannot be written down.
    std::fs::write(&go_file, "").unwrap();
    until_troubles(&mut socket, |troubles| {
        troubles
            .iter()
            .any(|trouble| trouble.message.contains("output waits"))
    })
    .await;
    assert!(!world.detail(&run).await.summary.state.is_ended());
    assert_eq!(world.output(&run, "web1").await, "one\n");

    world.faults.set_failure(None);
    until_troubles(&mut socket, <[_]>::is_empty).await;
    let outcome = world.outcome(&run).await;
    assert_eq!(outcome[0].1, MachineOutcome::Succeeded);
    assert_eq!(world.output(&run, "web1").await, "one\ntwo\n");
    assert_eq!(world.get("/healthz").await.status, 200);
    let run = world.run("other~").await;
    world.ended(&run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_taken_away_are_missed_and_used_again_when_they_are_back() {
    let jobs = "other~: {schedule: '@yearly', targets: web1, command: 'echo here'}\n";
    let world = World::new(&[("jobs.yaml", jobs)]).await;
    let run = world.run("other~").await;
    world.ended(&run).await;
    let (data, away) = (world.path().join("data"), world.path().join("away"));
    std::fs::rename(&data, &away).unwrap();
    let refused = world.post("/api/v1/jobs/other~/run", "").await;
    assert_eq!(refused.status, 503, "{refused:?}");
    let health = world.get("/healthz").await;
    assert_eq!(health.status, 503);
    let health = String::from_utf8(health.body).unwrap();
    assert!(health.contains("it is not there any more"), "{health}");

    let mut socket = world.socket().await;
    std::fs::rename(&away, &data).unwrap();
    until_troubles(&mut socket, <[_]>::is_empty).await;
    let run = world.run("other~").await;
    world.ended(&run).await;
    assert_eq!(world.output(&run, "web1").await, "here\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_could_not_be_written_down_is_a_row_with_its_reason() {
    let jobs = "hour~: {schedule: '@hourly', targets: web1, command: 'true', timezone: UTC}\nother~: {schedule: '@yearly', targets: web1, command: 'true'}\n";
    let world = World::new(&[("jobs.yaml", jobs)]).await;
    let mut socket = world.socket().await;
    world.faults.set_failure(Some(CommitFailure::Io));
    world.post("/api/v1/jobs/other~/run", "").await;
    until_troubles(&mut socket, |troubles| !troubles.is_empty()).await;
    // Two of its hours come while nothing can be written.
    world.pass(Duration::from_hours(2) + Duration::from_mins(1));
    world.faults.set_failure(None);
    until_troubles(&mut socket, <[_]>::is_empty).await;
    let reasons = |message: &ServerMessage| match message {
        ServerMessage::Event {
            event: Event::Job { job },
            ..
        } if job.name.as_str() == world.own("hour~") => job.recent.iter().any(|run| {
            matches!(
                run.state.outcome(),
                Some(RunOutcome::Missed {
                    reason: MissedReason::StorageFailed
                })
            )
        }),
        _ => false,
    };
    socket.until(reasons).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_goes_on_when_its_client_leaves_before_it_is_written_down() {
    let jobs = "a~: {schedule: '@yearly', targets: web1, command: 'true', overlap: allow}\n";
    let world = World::new(&[("jobs.yaml", jobs)]).await;
    world.faults.set_commit_delay(Duration::from_millis(300));
    let begun_and_over = async {
        loop {
            // A client that leaves before its request is looked at has asked for nothing; one that stays for a moment is
            // gone when the start is being written down.
            let run = world.own("/api/v1/jobs/a~/run");
            http::ask_and_leave(world.addr(), "POST", &run, Duration::from_millis(100)).await;
            let runs = world.get("/api/v1/runs").await.json();
            let runs = runs["runs"].as_array().unwrap();
            if runs.iter().any(|run| run["state"]["state"] == "ended") {
                return;
            }
        }
    };
    within(begun_and_over).await;
}

/// Has `long~` run, and kills it while nothing can be written: the answer comes before the kill has landed.
async fn killed_in_vain(world: &World) -> RunId {
    let run = world.run("long~").await;
    world
        .socket()
        .await
        .until_output(&run, "web1", b"on\n")
        .await;
    world.faults.set_failure(Some(CommitFailure::Full));
    let answer = world.post(&format!("/api/v1/runs/{run}/kill"), "{}").await;
    assert_eq!(answer.status, 503, "{answer:?}");
    let error = serde_json::from_slice::<ErrorBody>(&answer.body)
        .unwrap()
        .error;
    assert!(
        error.message.contains("carried out as soon as"),
        "{error:?}"
    );
    run
}

const LONG: &str = "long~: {schedule: '@yearly', targets: web1, command: 'echo on; sleep 600'}\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_while_nothing_can_be_written_lands_when_it_can() {
    let world = World::new(&[("jobs.yaml", LONG)]).await;
    let run = killed_in_vain(&world).await;
    world.faults.set_failure(None);
    let outcome = world.outcome(&run).await;
    assert_eq!(outcome[0].1, MachineOutcome::Killed);
    let put_down = format!("\"killed {run}\"");
    let in_the_trail = async {
        while !world.get("/api/v1/audit").await.text().contains(&put_down) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    within(in_the_trail).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_the_server_waits_for_a_kill_that_was_promised() {
    let mut world = World::new(&[("jobs.yaml", LONG)]).await;
    let run = killed_in_vain(&world).await;
    // Slow enough that what nobody waits for is not written.
    world.faults.set_commit_delay(Duration::from_secs(1));
    world.faults.set_failure(None);
    world.stop().await;
    let options = SqliteConnectOptions::new()
        .filename(world.path().join("data/saltpeter.db"))
        .read_only(true);
    let mut database = options.connect().await.unwrap();
    let put_down: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM audit WHERE deed = ?")
        .bind(format!("killed {run}"))
        .fetch_one(&mut database)
        .await
        .unwrap();
    assert_eq!(put_down, 1);
    world.faults.set_commit_delay(Duration::ZERO);
    world.start().await;
    let outcome = world.outcome(&run).await;
    assert_eq!(outcome[0].1, MachineOutcome::Killed);
}

/// A small disk in a file system of its own.
struct SmallDisk {
    dir: PathBuf,
}

impl SmallDisk {
    fn mount(dir: &Path, size: &str) -> Self {
        let done = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(dir)
            .status()
            .unwrap();
        assert!(
            done.success(),
            "this test mounts a small disk, which takes root"
        );
        Self {
            dir: dir.to_owned(),
        }
    }

    fn resize(&self, size: &str) {
        let done = Command::new("mount")
            .args(["-o", &format!("remount,size={size}")])
            .arg(&self.dir)
            .status();
        assert!(done.unwrap().success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the server may still have its files open.
        let _ = Command::new("umount").arg("-l").arg(&self.dir).status();
    }
}

/// A server on a small disk, and a job `much~` that writes more than there is room for: noise, which does not get smaller on
/// the way. What it has written is put aside, in `written`.
async fn on_small_disk(written: &Path) -> (World, SmallDisk) {
    let jobs = format!(
        "much~: {{schedule: '@yearly', targets: web1, command: 'head -c 20M /dev/urandom | tee {}'}}\n",
        written.display()
    );
    let mut world = World::new(&[("jobs.yaml", &jobs)]).await;
    world.stop().await;
    let data = world.path().join("data");
    std::fs::remove_dir_all(&data).unwrap();
    std::fs::create_dir(&data).unwrap();
    let disk = SmallDisk::mount(&data, "8m");
    world.start().await;
    (world, disk)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_really_full_holds_the_output_and_loses_none() {
    let aside = tempfile::tempdir().unwrap();
    let written = aside.path().join("written");
    let (mut world, disk) = on_small_disk(&written).await;

    let run: RunId = world.run("much~").await;
    let mut socket = world.socket().await;
    until_troubles(&mut socket, says_full).await;
    assert_eq!(world.get("/healthz").await.status, 503);

    disk.resize("256m");
    until_troubles(&mut socket, <[_]>::is_empty).await;
    let outcome = world.outcome(&run).await;
    assert_eq!(outcome[0].1, MachineOutcome::Succeeded);
    let path = format!("/api/v1/runs/{run}/machines/web1/output/raw");
    let output = world.get(&path).await.body;
    let written = std::fs::read(written).unwrap();
    assert!(
        output == written,
        "{} of {} bytes",
        output.len(),
        written.len()
    );
    within(world.stop()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_said_to_be_full_while_some_writes_go_through() {
    let aside = tempfile::tempdir().unwrap();
    let (mut world, disk) = on_small_disk(&aside.path().join("written")).await;
    let run: RunId = world.run("much~").await;
    let mut socket = world.socket().await;
    until_troubles(&mut socket, says_full).await;
    let well = tokio::spawn(async move { until_troubles(&mut socket, <[_]>::is_empty).await });

    let written = async || world.detail(&run).await.machines[0].output.bytes;
    // Room for a commit or two, each of a MiB and something.
    for size in ["10m", "12m"] {
        let before = written().await;
        disk.resize(size);
        within(async {
            while written().await == before {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
        assert_eq!(world.get("/healthz").await.status, 503, "{size}");
        assert!(!well.is_finished(), "{size}");
    }
    disk.resize("256m");
    within(well).await.unwrap();
    assert_eq!(world.get("/healthz").await.status, 200);
    let outcome = world.outcome(&run).await;
    assert_eq!(outcome[0].1, MachineOutcome::Succeeded);
    within(world.stop()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_damaged_under_the_server_is_an_error_and_never_wrong_bytes() {
    let aside = tempfile::tempdir().unwrap();
    let (written, copy) = (aside.path().join("written"), aside.path().join("copy"));
    let jobs = format!(
        "much~: {{schedule: '@yearly', targets: web1, command: 'head -c 12M /dev/urandom | tee {}'}}\n\
         other~: {{schedule: '@yearly', targets: web1, command: 'echo still here'}}\n",
        written.display()
    );
    let mut world = World::new(&[("jobs.yaml", &jobs)]).await;
    let run = world.run("much~").await;
    world.ended(&run).await;
    let written = std::fs::read(written).unwrap();
    world.stop().await;
    let file = world.path().join("data/output.db");
    let log = world.path().join("data/output.db-wal");
    let bytes = std::fs::metadata(&log).map_or(0, |log| log.len());
    assert_eq!(bytes, 0, "after a clean end all is in the file itself");
    std::fs::copy(&file, &copy).unwrap();
    world.start().await;

    let damaged = std::fs::OpenOptions::new().write(true).open(&file).unwrap();
    let middle = damaged.metadata().unwrap().len() / 2;
    damaged
        .write_all_at(&vec![0xff; 256 * 1024], middle)
        .unwrap();

    let (mut offset, mut right, mut errors) = (0, 0, 0);
    while offset < written.len() {
        let path = format!("/api/v1/runs/{run}/machines/web1/output?offset={offset}&limit=100000");
        let answer = world.get(&path).await;
        if answer.status == 200 {
            let slice = OutputSlice::decode(&answer.body).unwrap();
            let begin = slice.offset as usize;
            let end = begin + slice.bytes.len();
            assert!(begin <= offset && offset < end, "{begin} {offset} {end}");
            assert!(slice.bytes == written[begin..end], "{begin} to {end}");
            right += end - offset;
            offset = end;
        } else {
            let (_, message) = answer.error();
            assert!(message.contains("damaged"), "{message}");
            errors += 1;
            offset += 100_000;
        }
    }
    assert!(errors > 0, "nothing was noticed");
    assert!(right > written.len() / 2, "{right} of {}", written.len());
    // The rest goes on.
    let other = world.run("other~").await;
    world.ended(&other).await;
    assert_eq!(world.output(&other, "web1").await, "still here\n");

    world.stop().await;
    // What was written to the damaged file goes with it.
    for of_it in [log, world.path().join("data/output.db-shm")] {
        let _ = std::fs::remove_file(of_it);
    }
    std::fs::copy(&copy, &file).unwrap();
    world.start().await;
    let path = format!("/api/v1/runs/{run}/machines/web1/output/raw");
    assert!(world.get(&path).await.body == written);
}
