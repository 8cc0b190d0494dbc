mod attempts;
mod model;
mod recent;
mod same;
mod stderr;

use super::*;
use bytes::Bytes;
use saltpeter_protocol::machine::Stream;
use saltpeter_protocol::machine::v2::Encoding;
use saltpeter_protocol::time::UnixMillis;
use std::fmt::Write as _;
use std::path::PathBuf;
use tempfile::TempDir;

struct Fixture {
    dir: TempDir,
    log: OutputLog,
}

fn run(name: &str) -> RunId {
    RunId::new(name).unwrap()
}

fn machine(name: &str) -> MachineId {
    MachineId::new(name).unwrap()
}

fn chunk(offset: u64, bytes: &[u8]) -> Chunk {
    Chunk {
        offset,
        stream: Stream::Stdout,
        at: UnixMillis(1000),
        encoding: Encoding::Raw,
        payload: Bytes::copy_from_slice(bytes),
        raw_len: bytes.len() as u32,
    }
}

fn compressed(offset: u64, bytes: &[u8]) -> Chunk {
    Chunk {
        encoding: Encoding::Zstd,
        payload: zstd::bulk::compress(bytes, 1).unwrap().into(),
        ..chunk(offset, bytes)
    }
}

impl Fixture {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = OutputLog::open(&dir.path().join("output.db"))
            .await
            .unwrap();
        Self { dir, log }
    }

    async fn all(&self, run: &RunId, machine: &MachineId) -> Vec<u8> {
        collect(&self.log, run, machine, 0).await
    }

    /// Has the index catch up with the blocks, which a deletion does first.
    async fn enter(&self) {
        self.log.delete_run(&run("nothing_0")).await.unwrap();
    }

    /// Blocks, and those of them that are in the index.
    async fn blocks_and_places(&self) -> (i64, i64) {
        let mut connection = SqliteConnectOptions::new()
            .filename(self.dir.path().join("output.db"))
            .connect()
            .await
            .unwrap();
        sqlx::query_as(
            "SELECT (SELECT COUNT(*) FROM output_block), (SELECT COUNT(*) FROM output_block b \
             JOIN output_place p ON p.block = b.id AND p.stream = b.stream AND p.start = b.start)",
        )
        .fetch_one(&mut connection)
        .await
        .unwrap()
    }

    /// A copy of the files as they are now, as after the death of the process.
    async fn after_death(&self) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in ["output.db", "output.db-wal"] {
            let from: PathBuf = self.dir.path().join(name);
            if from.exists() {
                std::fs::copy(from, dir.path().join(name)).unwrap();
            }
        }
        let log = OutputLog::open(&dir.path().join("output.db"))
            .await
            .unwrap();
        Self { dir, log }
    }
}

async fn collect(log: &OutputLog, run: &RunId, machine: &MachineId, offset: u64) -> Vec<u8> {
    let mut reader = log.reader(run, machine, offset).await.unwrap();
    let mut all = Vec::new();
    while let Some(bytes) = reader.next().await.unwrap() {
        all.extend_from_slice(&bytes);
    }
    all
}

#[tokio::test]
async fn what_was_appended_is_read_back() {
    let f = Fixture::new().await;
    let (run, web1, web2) = (run("a_1"), machine("web1"), machine("web2"));
    assert_eq!(
        f.log.append(&run, &web1, chunk(0, b"one\n")).await.unwrap(),
        4
    );
    f.log.append(&run, &web2, chunk(0, b"other")).await.unwrap();
    let mut err = chunk(4, b"two\nth");
    err.stream = Stream::Stderr;
    f.log.append(&run, &web1, err).await.unwrap();

    let length = |bytes, lines| OutputLength { bytes, lines };
    let expected = [
        ((web1.clone(), Attempt::FIRST), length(10, 2)),
        ((web2.clone(), Attempt::FIRST), length(5, 0)),
    ];
    assert_eq!(f.log.lengths(&run).await.unwrap(), expected.into());
    let slice = f
        .log
        .read(&run, &web1, OutputFrom::Offset(0), 1000)
        .await
        .unwrap();
    assert_eq!(slice.bytes, b"one\ntwo\nth");
    assert_eq!(
        slice
            .chunks
            .iter()
            .map(|c| (c.len, c.stream))
            .collect::<Vec<_>>(),
        [(4, Stream::Stdout), (6, Stream::Stderr)]
    );
    assert_eq!(f.all(&run, &web2).await, b"other");
    assert!(f.all(&run, &machine("nobody")).await.is_empty());
}

#[tokio::test]
async fn a_gap_is_refused_and_a_repetition_left_out() {
    let f = Fixture::new().await;
    let (run, web1) = (run("a_1"), machine("web1"));
    let stream = f.log.stream(&run, &web1).await.unwrap();
    assert!(matches!(
        stream.submit(chunk(1, b"x")).await,
        Err(AppendError::OutOfOrder {
            expected: 0,
            received: 1
        })
    ));
    stream.submit(chunk(0, b"abc\n")).await.unwrap();
    assert_eq!(stream.submit(chunk(0, b"abc\n")).await.unwrap(), 4);
    assert_eq!(stream.submit(chunk(2, b"c\nde\n")).await.unwrap(), 7);
    // A repetition with new bytes at its end, compressed.
    let long = [b"e\n".as_slice(), &b"f\n".repeat(1000)].concat();
    stream.submit(compressed(5, &long)).await.unwrap();
    let end = 5 + long.len() as u64;
    assert_eq!(stream.wait_durable(end).await.unwrap(), end);
    let expected = [b"abc\nde\n".as_slice(), &b"f\n".repeat(1000)].concat();
    assert_eq!(f.all(&run, &web1).await, expected);
    assert_eq!(stream.durable().length.lines, 1002);
}

#[tokio::test]
async fn a_payload_that_lies_is_refused_and_harms_nothing() {
    let f = Fixture::new().await;
    let (run, web1) = (run("a_1"), machine("web1"));
    let stream = f.log.stream(&run, &web1).await.unwrap();
    let bomb = zstd::bulk::compress(&vec![0; 10_000_000], 1).unwrap();
    let lies = [
        Chunk {
            raw_len: 3,
            ..chunk(0, b"ab")
        },
        Chunk {
            raw_len: 3,
            ..compressed(0, b"ab")
        },
        Chunk {
            raw_len: 1,
            ..compressed(0, b"ab")
        },
        Chunk {
            payload: bomb.clone().into(),
            raw_len: 1000,
            ..compressed(0, b"")
        },
        Chunk {
            payload: bomb.into(),
            raw_len: 10_000_000,
            ..compressed(0, b"")
        },
        Chunk {
            payload: Bytes::from_static(b"no zstd"),
            raw_len: 7,
            ..compressed(0, b"")
        },
    ];
    for lie in lies {
        assert!(
            matches!(
                stream.submit(lie.clone()).await,
                Err(AppendError::BadPayload(_))
            ),
            "{lie:?}"
        );
    }
    assert_eq!(f.log.append(&run, &web1, chunk(0, b"ok")).await.unwrap(), 2);
}

#[tokio::test]
async fn lines_and_tails_are_found() {
    let f = Fixture::new().await;
    let (run, web1) = (run("a_1"), machine("web1"));
    let mut text = String::new();
    for n in 0..5000 {
        writeln!(text, "line {n}").unwrap();
    }
    for (n, part) in text.as_bytes().chunks(777).enumerate() {
        f.log
            .append(&run, &web1, chunk(n as u64 * 777, part))
            .await
            .unwrap();
    }
    for line in [0, 1, 2, 100, 4321, 4999] {
        let slice = f
            .log
            .read(&run, &web1, OutputFrom::Line(line), 1000)
            .await
            .unwrap();
        let skipped = usize::try_from(line - slice.line).unwrap();
        let text = String::from_utf8(slice.bytes).unwrap();
        // The slice may begin in the middle of a line, which is then `slice.line`.
        assert_eq!(
            text.split('\n').nth(skipped).unwrap(),
            format!("line {line}"),
            "from {} at {}",
            slice.line,
            slice.offset
        );
    }
    let end = f
        .log
        .read(&run, &web1, OutputFrom::Line(5000), 1000)
        .await
        .unwrap();
    assert_eq!((end.offset, end.line), (text.len() as u64, 5000));
    assert!(end.bytes.is_empty());
    let tail = f
        .log
        .read(&run, &web1, OutputFrom::Tail(1000), 1 << 20)
        .await
        .unwrap();
    assert!((1000..2000).contains(&tail.bytes.len()));
    assert!(text.as_bytes().ends_with(&tail.bytes));
    let past = f
        .log
        .read(&run, &web1, OutputFrom::Offset(1 << 40), 10)
        .await
        .unwrap();
    assert_eq!((past.offset, past.bytes.len()), (text.len() as u64, 0));
}

#[tokio::test]
async fn the_index_follows_the_blocks_by_itself() {
    let f = Fixture::new().await;
    let run = run("a_1");
    let machines = ["web1", "web2"].map(machine);
    for machine in &machines {
        for n in 0..20 {
            f.log.append(&run, machine, chunk(n, b"x")).await.unwrap();
        }
    }
    let (blocks, places) = f.blocks_and_places().await;
    assert_eq!(blocks, 40);
    assert!(places < blocks, "each was entered at once, which is slow");
    let followed = async {
        while f.blocks_and_places().await != (40, 40) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let followed = tokio::time::timeout(Duration::from_secs(10), followed);
    followed.await.expect("the index does not follow");
    assert_eq!(f.all(&run, &machines[1]).await, [b'x'; 20]);
}

#[tokio::test]
async fn what_the_index_lacked_at_the_servers_death_is_entered_at_its_start() {
    let f = Fixture::new().await;
    let (run, web1) = (run("a_1"), machine("web1"));
    for n in 0..10 {
        f.log.append(&run, &web1, chunk(n, b"x")).await.unwrap();
    }
    f.enter().await;
    for n in 10..20 {
        f.log.append(&run, &web1, chunk(n, b"x")).await.unwrap();
    }
    let again = f.after_death().await;
    assert_eq!(again.blocks_and_places().await, (20, 20));
    assert_eq!(again.all(&run, &web1).await, [b'x'; 20]);
    // And not in one that is closed as it should be.
    again
        .log
        .append(&run, &web1, chunk(20, b"x"))
        .await
        .unwrap();
    again.log.close().await;
    assert_eq!(again.blocks_and_places().await, (21, 21));
}

#[tokio::test]
async fn acknowledged_output_survives_the_death_of_the_server() {
    let f = Fixture::new().await;
    let (run, web1) = (run("a_1"), machine("web1"));
    let stream = f.log.stream(&run, &web1).await.unwrap();
    for n in 0..100_u64 {
        stream.submit(chunk(n * 4, b"abc\n")).await.unwrap();
    }
    stream.wait_durable(400).await.unwrap();
    stream.submit_v1(Some(0), chunk(0, b"v1\n")).await.unwrap();
    stream.wait_durable(403).await.unwrap();

    let again = f.after_death().await;
    assert_eq!(again.all(&run, &web1).await, f.all(&run, &web1).await);
    let stream = again.log.stream(&run, &web1).await.unwrap();
    let durable = stream.durable();
    assert_eq!(
        durable.length,
        OutputLength {
            bytes: 403,
            lines: 101
        }
    );
    assert_eq!(durable.v1_seq, Some(0));
    assert_eq!(
        again
            .log
            .append(&run, &web1, chunk(403, b"on"))
            .await
            .unwrap(),
        405
    );
}

#[tokio::test]
async fn version_1_counts_messages() {
    let f = Fixture::new().await;
    let (run, web1) = (run("a_1"), machine("web1"));
    let stream = f.log.stream(&run, &web1).await.unwrap();
    assert!(stream.submit_v1(Some(0), chunk(0, b"a\n")).await.unwrap());
    assert!(stream.submit_v1(Some(1), chunk(0, b"")).await.unwrap());
    assert!(!stream.submit_v1(Some(0), chunk(0, b"a\n")).await.unwrap());
    assert!(matches!(
        stream.submit_v1(Some(3), chunk(0, b"b\n")).await,
        Err(AppendError::OutOfOrder {
            expected: 2,
            received: 3
        })
    ));
    assert!(stream.submit_v1(None, chunk(0, b"old\n")).await.unwrap());
    let mut watch = stream.watch();
    let durable = *watch.wait_for(|d| d.length.bytes == 6).await.unwrap();
    assert_eq!(durable.v1_seq, Some(1));
    assert_eq!(f.all(&run, &web1).await, b"a\nold\n");
}

#[tokio::test]
async fn a_deleted_run_is_gone_and_others_are_not() {
    let f = Fixture::new().await;
    let (old, new, web1) = (run("a_1"), run("a_2"), machine("web1"));
    // More blocks than one step deletes: compressed ones are not joined.
    let line = b"a line\n".repeat(100);
    for n in 0..600_u64 {
        let stream = f.log.stream(&old, &web1).await.unwrap();
        stream.submit(compressed(n * 700, &line)).await.unwrap();
    }
    f.log.append(&new, &web1, chunk(0, b"new\n")).await.unwrap();
    assert_eq!(f.log.stored(&run("nobody_1")).await.unwrap(), 0);
    // Whoever reads it keeps it.
    let reader = f.log.reader(&old, &web1, 0).await.unwrap();
    assert!(f.log.delete_run(&old).await.unwrap().is_none());
    assert_eq!(f.log.stored(&old).await.unwrap(), 600 * 700);
    drop(reader);
    let sealed = f.log.delete_run(&old).await.unwrap().unwrap();
    let refused = f.log.stream(&old, &web1).await.err();
    assert!(matches!(refused, Some(OutputError::Deleted)), "{refused:?}");
    drop(sealed);
    assert_eq!(f.log.stored(&old).await.unwrap(), 0);
    assert!(f.log.lengths(&old).await.unwrap().is_empty());
    assert_eq!(f.all(&new, &web1).await, b"new\n");
    let left = f.after_death().await;
    assert!(left.log.lengths(&old).await.unwrap().is_empty());
}

#[tokio::test]
async fn closing_writes_what_was_submitted() {
    let f = Fixture::new().await;
    let (run, web1) = (run("a_1"), machine("web1"));
    let stream = f.log.stream(&run, &web1).await.unwrap();
    for n in 0..50_u64 {
        stream.submit(chunk(n, b"x")).await.unwrap();
    }
    f.log.close().await;
    assert_eq!(stream.durable().length.bytes, 50);
    assert!(stream.submit(chunk(50, b"x")).await.is_err());
    let again = f.after_death().await;
    assert_eq!(again.all(&run, &web1).await, [b'x'; 50]);
}

#[tokio::test]
async fn what_cannot_be_written_is_held_and_written_later() {
    let f = Fixture::new().await;
    let (run, web1) = (run("a_1"), machine("web1"));
    let stream = f.log.stream(&run, &web1).await.unwrap();
    let mut saboteur = SqliteConnectOptions::new()
        .filename(f.dir.path().join("output.db"))
        .busy_timeout(BUSY_TIMEOUT)
        .connect()
        .await
        .unwrap();
    let mut rename = async |from: &str, to: &str| {
        let statement = format!("ALTER TABLE {from} RENAME TO {to}");
        sqlx::query(sqlx::AssertSqlSafe(statement))
            .execute(&mut saboteur)
            .await
            .unwrap();
    };
    stream.submit(chunk(0, b"before\n")).await.unwrap();
    stream.wait_durable(7).await.unwrap();
    rename("output_block", "away").await;
    stream.submit(chunk(7, b"while\n")).await.unwrap();
    // The commit fails; nothing is acknowledged meanwhile.
    let held = tokio::time::timeout(Duration::from_millis(300), stream.wait_durable(13)).await;
    assert!(held.is_err(), "{held:?}");
    rename("away", "output_block").await;
    stream.submit(chunk(13, b"after\n")).await.unwrap();
    stream.wait_durable(19).await.unwrap();
    assert_eq!(f.all(&run, &web1).await, b"before\nwhile\nafter\n");

    // Without this, set before the first table, the file could not shrink later.
    let vacuum: i64 = sqlx::query_scalar("PRAGMA auto_vacuum")
        .fetch_one(&mut saboteur)
        .await
        .unwrap();
    assert_eq!(vacuum, 2);
}

#[tokio::test]
async fn closing_does_not_wait_for_a_disk_that_is_full() {
    let f = Fixture::new().await;
    let stream = f.log.stream(&run("a_1"), &machine("web1")).await.unwrap();
    let mut saboteur = SqliteConnectOptions::new()
        .filename(f.dir.path().join("output.db"))
        .connect()
        .await
        .unwrap();
    sqlx::query("DROP TABLE output_block")
        .execute(&mut saboteur)
        .await
        .unwrap();
    stream
        .submit(chunk(0, b"lost, and not acknowledged"))
        .await
        .unwrap();
    tokio::time::timeout(Duration::from_secs(10), f.log.close())
        .await
        .unwrap();
    assert_eq!(stream.durable().length.bytes, 0);
}

#[tokio::test]
async fn no_question_reads_a_whole_table() {
    let f = Fixture::new().await;
    let mut connection = SqliteConnectOptions::new()
        .filename(f.dir.path().join("output.db"))
        .connect()
        .await
        .unwrap();
    for question in [
        read::BLOCKS,
        read::BLOCK,
        read::HOLDER,
        read::HOLDER_IN_TAIL,
        ends::ENDS,
        spans::MARKS_AFTER,
        spans::MARKS_BEFORE,
        read::LENGTHS,
        writer::DELETE_BLOCKS,
        writer::DELETE_PLACES,
        read::STORED,
    ] {
        let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {question}"));
        let plan: Vec<(i64, i64, i64, String)> = sqlx::query_as(explain)
            .fetch_all(&mut connection)
            .await
            .unwrap();
        for (.., step) in &plan {
            assert!(!step.starts_with("SCAN"), "{question}: {step}");
        }
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_opened_is_named() {
    let error = OutputLog::open(Path::new("/nonexistent/output.db"))
        .await
        .err()
        .unwrap();
    assert!(
        error.to_string().contains("/nonexistent/output.db"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn appends_go_on_while_much_is_deleted_and_the_file_gets_smaller() {
    let mib: u64 = std::env::var("DELETE_MIB").map_or(48, |mib| mib.parse().unwrap());
    let f = Fixture::new().await;
    let file = f.dir.path().join("output.db");
    let web1 = machine("web1");
    let noise: Vec<u8> = (0..64 * 1024).map(|_| rand::random::<u8>()).collect();
    let olds: Vec<RunId> = (0..mib.div_ceil(16))
        .map(|n| run(&format!("old_{n}")))
        .collect();
    for old in &olds {
        let stream = f.log.stream(old, &web1).await.unwrap();
        for n in 0..256 {
            let end = stream.submit(chunk(n * 64 * 1024, &noise)).await.unwrap();
            if n == 255 {
                stream.wait_durable(end).await.unwrap();
            }
        }
    }
    f.enter().await;
    let full = std::fs::metadata(&file).unwrap().len();

    let log = f.log.clone();
    let begun = std::time::Instant::now();
    let deleting = tokio::spawn(async move {
        for old in olds {
            assert!(log.delete_run(&old).await.unwrap().is_some());
        }
        log.shrink().await.unwrap();
    });
    let new = run("new_1");
    let stream = f.log.stream(&new, &web1).await.unwrap();
    let mut waits = Vec::new();
    while !deleting.is_finished() {
        let begun = std::time::Instant::now();
        let end = stream
            .submit(chunk(waits.len() as u64 * 5, b"line\n"))
            .await
            .unwrap();
        stream.wait_durable(end).await.unwrap();
        waits.push(begun.elapsed());
    }
    deleting.await.unwrap();
    let took = begun.elapsed();
    waits.sort_unstable();
    let (appends, p99, worst) = (
        waits.len(),
        waits[waits.len() * 99 / 100],
        waits[waits.len() - 1],
    );
    println!(
        "{mib} MiB deleted in {took:?}; {appends} appends meanwhile: p99 {p99:?}, worst {worst:?}"
    );
    assert!(p99 < Duration::from_millis(500), "{p99:?}");
    let smaller = async {
        while std::fs::metadata(&file).unwrap().len() > full / 4 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), smaller)
        .await
        .expect("the file gets smaller");
    assert_eq!(f.all(&new, &web1).await, b"line\n".repeat(appends));
}

#[tokio::test]
async fn what_is_published_is_committed_and_a_commit_is_no_larger_than_its_bound() {
    let dir = tempfile::tempdir().unwrap();
    let faults = Faults::default();
    let path = dir.path().join("output.db");
    let log = OutputLog::open_with(&path, Health::default(), faults.clone())
        .await
        .unwrap();
    let (run, web1) = (run("a_1"), machine("web1"));
    let stream = log.stream(&run, &web1).await.unwrap();
    let mut durable = stream.watch();
    faults.set_commit_delay(Duration::from_millis(50));
    // A task of its own: it is woken at each commit and runs before the next one.
    let mut each = stream.watch();
    let groups = tokio::spawn(async move {
        let (mut groups, mut last) = (Vec::new(), 0);
        while last < 4 * 1024 * 1024 {
            each.changed().await.unwrap();
            let bytes = each.borrow_and_update().length.bytes;
            groups.push(bytes - last);
            last = bytes;
        }
        groups
    });
    let part = vec![b'x'; 64 * 1024];
    for n in 0..64 {
        stream.submit(chunk(n * 64 * 1024, &part)).await.unwrap();
        // Commits may come in between.
        tokio::task::yield_now().await;
    }
    let mut reader = SqliteConnectOptions::new()
        .filename(&path)
        .read_only(true)
        .connect()
        .await
        .unwrap();
    let mut bytes = 0;
    while bytes < 4 * 1024 * 1024 {
        durable.changed().await.unwrap();
        bytes = durable.borrow_and_update().length.bytes;
        // Another connection sees what is committed, and nothing else.
        let committed: i64 =
            sqlx::query_scalar("SELECT COALESCE(SUM(raw_len), 0) FROM output_block")
                .fetch_one(&mut reader)
                .await
                .unwrap();
        assert!(committed as u64 >= bytes, "{committed} of {bytes}");
    }
    let most = (writer::GROUP_BYTES + part.len()) as u64;
    let groups = groups.await.unwrap();
    assert!(groups.iter().all(|group| *group <= most), "{groups:?}");
}

#[tokio::test]
async fn a_commit_waits_for_others_to_join_it_but_not_for_long() {
    let f = Fixture::new().await;
    let stream = f.log.stream(&run("a_1"), &machine("web1")).await.unwrap();
    let mut fastest = Duration::MAX;
    for n in 0..60 {
        let begun = std::time::Instant::now();
        let end = stream.submit(chunk(n, b"x")).await.unwrap();
        stream.wait_durable(end).await.unwrap();
        if n > 0 {
            fastest = fastest.min(begun.elapsed());
        }
    }
    // The bound and a commit; the machine may be busy most of the time, but not each time.
    assert!(fastest <= Duration::from_millis(25), "{fastest:?}");
}

#[tokio::test]
async fn a_damaged_file_is_named_and_left_as_it_is() {
    for (at, what) in [(0, "header"), (4096 * 3, "page")] {
        let f = Fixture::new().await;
        let path = f.dir.path().join("output.db");
        f.log
            .append(
                &run("a_1"),
                &machine("web1"),
                chunk(0, &b"x".repeat(60_000)),
            )
            .await
            .unwrap();
        f.log.close().await;
        // All of it in the file itself.
        let mut connection = SqliteConnectOptions::new()
            .filename(&path)
            .connect()
            .await
            .unwrap();
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
            .execute(&mut connection)
            .await
            .unwrap();
        sqlx::Connection::close(connection).await.unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        // Of the page and what follows: the block lies in many.
        let end = if at == 0 { 100 } else { bytes.len() };
        bytes[at..end].fill(0xff);
        std::fs::write(&path, &bytes).unwrap();
        let error = OutputLog::open(&path).await.err().unwrap().to_string();
        assert!(error.contains("damaged"), "{what}: {error}");
        assert!(error.contains(path.to_str().unwrap()), "{what}: {error}");
        assert!(std::fs::read(&path).unwrap() == bytes, "{what} was touched");
    }
}

#[tokio::test]
async fn a_deletion_that_failed_is_not_held_against_the_disk_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let (health, faults) = (Health::default(), Faults::default());
    let path = dir.path().join("output.db");
    let log = OutputLog::open_with(&path, health.clone(), faults.clone())
        .await
        .unwrap();
    faults.set_failure(Some(crate::store::faults::CommitFailure::Io));
    assert!(log.delete_run(&run("a_1")).await.is_err());
    assert_eq!(health.troubles().len(), 1);
    faults.set_failure(None);
    let mut troubles = health.subscribe();
    let well = troubles.wait_for(Vec::is_empty);
    let well = tokio::time::timeout(Duration::from_secs(20), well).await;
    well.expect("nobody else writes").unwrap();
}
