mod attempts;
mod commits;
mod damage;
mod disk;
mod index;
mod model;
mod recent;
mod same;
mod stderr;

use super::*;
use bytes::Bytes;
use saltpeter_protocol::machine::Stream;
use saltpeter_protocol::machine::v2::Encoding;
use saltpeter_protocol::time::UnixMillis;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteConnectOptions;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;
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

    /// A connection of another's to the file.
    async fn connect(&self) -> SqliteConnection {
        SqliteConnectOptions::new()
            .filename(self.dir.path().join("output.db"))
            .busy_timeout(open::BUSY)
            .connect()
            .await
            .unwrap()
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
        let mut connection = self.connect().await;
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
async fn the_end_of_the_writer_is_told() {
    let fixture = Fixture::new().await;
    let mut ended = Box::pin(fixture.log.writer_ended());
    assert!(futures::poll!(&mut ended).is_pending());
    fixture.log.close().await;
    ended.await;
}
