use super::*;
use crate::store::output::Chunk;
use bytes::Bytes;
use saltpeter_domain::maintenance::Hold;
use saltpeter_protocol::LaunchErrorKind;
use saltpeter_protocol::api::Counts;
use saltpeter_protocol::machine::Stream;
use saltpeter_protocol::machine::v2::Encoding;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

/// 2025-11-04T10:00:00Z.
const BEGIN: UnixMillis = UnixMillis(1_762_250_400_000);

fn run() -> RunId {
    RunId::new("backup_1762250400").unwrap()
}

fn machine(name: &str) -> MachineId {
    MachineId::new(name).unwrap()
}

fn entry(after: i64, event: LogEvent) -> LogEntry {
    LogEntry {
        job: JobName::new("backup").unwrap(),
        group: "night".to_owned(),
        at: UnixMillis(BEGIN.0 + after),
        event,
    }
}

fn ended(after: i64, name: &str, outcome: MachineOutcome) -> LogEntry {
    let event = LogEvent::MachineEnded {
        run: run(),
        machine: machine(name),
        attempt: Attempt::FIRST,
        outcome,
    };
    entry(after, event)
}

fn files(directory: &Path, size: Option<u64>) -> LogFiles {
    LogFiles {
        directory: directory.to_owned(),
        size,
        count: 2,
    }
}

struct Fixture {
    dir: tempfile::TempDir,
    output: OutputLog,
}

impl Fixture {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let output = OutputLog::open(&dir.path().join("output.db"))
            .await
            .unwrap();
        Self { dir, output }
    }

    async fn has_written(&self, name: &str, bytes: &[u8]) {
        let mut offset = 0;
        for part in bytes.chunks(100_000) {
            let chunk = Chunk {
                offset,
                stream: Stream::Stdout,
                at: BEGIN,
                encoding: Encoding::Raw,
                payload: Bytes::copy_from_slice(part),
                raw_len: part.len() as u32,
            };
            offset = self
                .output
                .append(&run(), &machine(name), chunk)
                .await
                .unwrap();
        }
    }

    /// Writes `entries` to the directory of that name and reads the job's file.
    async fn log(&self, directory: &str, entries: Vec<LogEntry>) -> String {
        let directory = self.dir.path().join(directory);
        let files = files(&directory, None);
        let (log, writer) = JobLog::new(files, self.output.clone());
        for entry in entries {
            log.write(entry);
        }
        let stop = CancellationToken::new();
        stop.cancel();
        writer.run(stop).await;
        std::fs::read_to_string(directory.join("backup.log")).unwrap_or_default()
    }
}

#[tokio::test]
async fn attempts_stops_and_what_did_not_hold_are_told() {
    let f = Fixture::new().await;
    f.has_written("web1", b"first\n").await;
    let second = Attempt::after(1);
    let chunk = Chunk {
        offset: 0,
        stream: Stream::Stdout,
        at: BEGIN,
        encoding: Encoding::Raw,
        payload: Bytes::from_static(b"second\n"),
        raw_len: 7,
    };
    let web1 = machine("web1");
    let written = f.output.append(&run(), (&web1, second), chunk).await;
    written.unwrap();
    let code = |code| MachineOutcome::Failed { code };
    let events = [
        LogEvent::AttemptEnded {
            run: run(),
            machine: web1.clone(),
            attempt: Attempt::FIRST,
            last: Attempt::after(2),
            outcome: code(3),
            next: UnixMillis(BEGIN.0 + 10_000),
        },
        LogEvent::MachineEnded {
            run: run(),
            machine: web1.clone(),
            attempt: second,
            outcome: code(4),
        },
        LogEvent::RunStopped {
            run: run(),
            failures: 1,
            not_attempted: 12,
        },
        LogEvent::RetriesGivenUp {
            run: run(),
            machine: machine("web2"),
            outcome: code(5),
        },
        LogEvent::KillUnconfirmed {
            run: run(),
            machine: machine("web3"),
            by: "anna".to_owned(),
        },
        LogEvent::MachineReturned {
            run: run(),
            machine: machine("web4"),
            replaced: MachineOutcome::Lost,
        },
    ];
    let entries = events.into_iter().map(|event| entry(0, event)).collect();
    let text = f.log("logs", entries).await;
    insta::assert_snapshot!(text, @r"
    ########## web1 from backup_1762250400 ################
    **** Exit Code 3 ******
    first
    Attempt 1 of 3. The next begins at 2025-11-04 10:00:10.000000+00:00
    ####### END web1 from backup_1762250400 at 2025-11-04 10:00:00.000000+00:00 #########
    ########## web1 from backup_1762250400 ################
    **** Exit Code 4 ******
    second
    Attempt 2
    ####### END web1 from backup_1762250400 at 2025-11-04 10:00:00.000000+00:00 #########
    !!!!!! backup_1762250400 stopped after 1 failure at 2025-11-04 10:00:00.000000+00:00; 12 not attempted !!!!!!
    !!!!!! web2 from backup_1762250400 is not tried again, since the run has stopped !!!!!!
    !!!!!! Kill of web3 from backup_1762250400 by anna not confirmed after 30 s, at 2025-11-04 10:00:00.000000+00:00 !!!!!!
    !!!!!! web4 from backup_1762250400 is back at 2025-11-04 10:00:00.000000+00:00: it was given up as lost (exit code 253), and its real outcome follows !!!!!!
    ");
}

#[tokio::test]
async fn a_run_is_told_from_start_to_finish() {
    let f = Fixture::new().await;
    f.has_written("web1", b"10%\r50%\r100%\ndone\n").await;
    f.has_written("web2", "kein Zeilenende: \u{fc}".as_bytes())
        .await;
    let never = MachineOutcome::StartFailed {
        kind_of: LaunchErrorKind::NoContact,
        message: "The wrapper did not connect within 30 s of its launch.".to_owned(),
    };
    let under = MaintenanceScope::Machines {
        run: run(),
        machines: vec![machine("db1"), machine("db2")],
    };
    let text = f
        .log(
            "logs/deep",
            vec![
                entry(0, LogEvent::RunStarted { run: run() }),
                entry(1, LogEvent::Maintenance { scope: under }),
                ended(7000, "web1", MachineOutcome::Succeeded),
                ended(7123, "web2", MachineOutcome::Failed { code: 3 }),
                ended(30_000, "web3", never),
                entry(
                    30_000,
                    LogEvent::RunFinished {
                        run: run(),
                        outcome: RunOutcome::Failed,
                        counts: Counts::default(),
                    },
                ),
            ],
        )
        .await;
    insta::assert_snapshot!(text, @r"
    ###### Starting backup_1762250400 at 2025-11-04 10:00:00.000000+00:00 ################
    ###### Maintenance detected on backup_1762250400 at 2025-11-04 10:00:00.001000+00:00 ################
    db1: Target under maintenance
    db2: Target under maintenance
    ########## web1 from backup_1762250400 ################
    **** Exit Code 0 ******
    100%
    done
    ####### END web1 from backup_1762250400 at 2025-11-04 10:00:07.000000+00:00 #########
    ########## web2 from backup_1762250400 ################
    **** Exit Code 3 ******
    kein Zeilenende: ü
    ####### END web2 from backup_1762250400 at 2025-11-04 10:00:07.123000+00:00 #########
    ########## web3 from backup_1762250400 ################
    **** Exit Code 254 ******
    The wrapper did not connect within 30 s of its launch.
    ####### END web3 from backup_1762250400 at 2025-11-04 10:00:30.000000+00:00 #########
    ###### Finished backup_1762250400 at 2025-11-04 10:00:30.000000+00:00 ################
    ");
}

#[tokio::test]
async fn what_did_not_run_is_told_too_and_the_file_grows() {
    let f = Fixture::new().await;
    let global = LogEvent::Maintenance {
        scope: MaintenanceScope::Job(Hold::Everything),
    };
    f.log("logs", vec![entry(0, LogEvent::NoTargets { run: run() })])
        .await;
    let text = f
        .log(
            "logs",
            vec![
                entry(1000, LogEvent::Overlap { active: run() }),
                entry(2000, global),
            ],
        )
        .await;
    insta::assert_snapshot!(text, @r"
    !!!!!! No targets matched for backup_1762250400 !!!!!!
    ###### Overlap detected on backup_1762250400 at 2025-11-04 10:00:01.000000+00:00 ################
    ###### Maintenance detected on backup at 2025-11-04 10:00:02.000000+00:00 ################
    Global maintenance mode active
    ");
}

#[tokio::test]
async fn why_the_machines_could_not_be_found_is_told() {
    let f = Fixture::new().await;
    let finished = LogEvent::RunFinished {
        run: run(),
        outcome: RunOutcome::ResolveFailed {
            message: "The master does not answer.".to_owned(),
        },
        counts: Counts::default(),
    };
    let text = f.log("logs", vec![entry(0, finished)]).await;
    insta::assert_snapshot!(text, @r"
    !!!!!! Targets not resolved for backup_1762250400 at 2025-11-04 10:00:00.000000+00:00 !!!!!!
    The master does not answer.
    ###### Finished backup_1762250400 at 2025-11-04 10:00:00.000000+00:00 ################
    ");
}

#[tokio::test]
async fn long_output_is_whole() {
    let f = Fixture::new().await;
    let mut long = String::new();
    for n in 0..100_000 {
        writeln!(long, "line {n}").unwrap();
    }
    f.has_written("web1", long.as_bytes()).await;
    let text = f
        .log("logs", vec![ended(0, "web1", MachineOutcome::Succeeded)])
        .await;
    let (_, rest) = text.split_once("**** Exit Code 0 ******\n").unwrap();
    let (body, _) = rest.split_once("####### END").unwrap();
    assert!(body == long);
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_harms_nothing() {
    let f = Fixture::new().await;
    std::fs::write(f.dir.path().join("file"), "in the way").unwrap();
    let started = entry(0, LogEvent::RunStarted { run: run() });
    assert_eq!(f.log("file/logs", vec![started]).await, "");
}

#[tokio::test]
async fn a_file_that_is_large_enough_is_put_aside_and_the_oldest_goes() {
    let f = Fixture::new().await;
    let directory = f.dir.path().join("rotated");
    let written = |number: i64| {
        let at = UnixMillis(BEGIN.0 + number * 1000);
        format::started(&run(), at)
    };
    // Room for two entries before a file is large enough.
    let size = written(0).len() as u64 + 1;
    let (log, writer) = JobLog::new(files(&directory, Some(size)), f.output.clone());
    for number in 0..7 {
        log.write(entry(number * 1000, LogEvent::RunStarted { run: run() }));
    }
    let stop = CancellationToken::new();
    stop.cancel();
    writer.run(stop).await;
    let read = |name: &str| std::fs::read_to_string(directory.join(name)).unwrap();
    assert_eq!(read("backup.log"), written(6));
    assert_eq!(read("backup.log.1"), written(4) + &written(5));
    assert_eq!(read("backup.log.2"), written(2) + &written(3));
    assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 3);
}

/// A disk of 64 KiB.
struct TinyDisk<'d>(&'d Path);

impl<'d> TinyDisk<'d> {
    fn mount(at: &'d Path) -> Self {
        std::fs::create_dir(at).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]);
        assert!(
            mount.arg(at).status().unwrap().success(),
            "this test mounts a small disk, which takes root"
        );
        Self(at)
    }
}

impl Drop for TinyDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[tokio::test]
async fn while_the_disk_is_full_entries_wait_up_to_a_bound_and_are_written_whole() {
    let f = Fixture::new().await;
    let mut output = String::new();
    for number in 0..2000 {
        writeln!(output, "line {number:05} of web1").unwrap();
    }
    f.has_written("web1", output.as_bytes()).await;
    let directory = f.dir.path().join("tiny");
    let _disk = TinyDisk::mount(&directory);
    // What is left is too little for the machine's block, of which some can be written.
    std::fs::write(directory.join("ballast"), vec![0; 32 * 1024]).unwrap();
    let (log, writer) = JobLog::with_room(2, files(&directory, None), f.output.clone());
    let stop = CancellationToken::new();
    let writing = tokio::spawn(writer.run(stop.clone()));
    let all_taken = async || {
        let taken = async {
            while log.entries.capacity() < 2 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), taken)
            .await
            .unwrap();
    };
    log.write(ended(0, "web1", MachineOutcome::Succeeded));
    all_taken().await;
    for number in 1..=3 {
        log.write(entry(number * 1000, LogEvent::RunStarted { run: run() }));
    }
    assert_eq!(log.dropped.load(Ordering::Relaxed), 1);
    std::fs::remove_file(directory.join("ballast")).unwrap();
    all_taken().await;
    stop.cancel();
    writing.await.unwrap();
    let written = std::fs::read_to_string(directory.join("backup.log")).unwrap();
    let started = |number: i64| format::started(&run(), UnixMillis(BEGIN.0 + number * 1000));
    assert_eq!(written.matches("line 00000 of web1").count(), 1);
    assert!(written.contains("line 01999 of web1"));
    assert!(written.ends_with(&(started(1) + &started(2))), "{written}");
    assert_eq!(log.dropped.load(Ordering::Relaxed), 0, "it was told");
}
