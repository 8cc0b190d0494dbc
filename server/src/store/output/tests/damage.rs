//! A bit that has flipped on the disk is an error, and never other bytes.

use super::*;
use sqlx::sqlite::SqliteConnection;

/// Lines that no two blocks have alike, and that zstd makes smaller.
fn text(of: &str) -> Vec<u8> {
    let mut text = String::new();
    for n in 0..300 {
        writeln!(text, "line {} of {of}, the {n}th", n * 7919 % 300).unwrap();
    }
    text.into_bytes()
}

/// Writes what is to be damaged and another machine's output, and ends.
async fn written(path: &Path, damaged: Chunk) {
    let log = OutputLog::open(path).await.unwrap();
    let run = run("a_1");
    log.append(&run, &machine("damaged"), damaged)
        .await
        .unwrap();
    log.append(&run, &machine("whole"), chunk(0, &text("whole")))
        .await
        .unwrap();
    log.close().await;
}

async fn read(path: &Path, name: &str) -> Result<OutputSlice, OutputError> {
    let log = OutputLog::open(path).await.unwrap();
    let from = OutputFrom::Offset(0);
    let slice = log.read(&run("a_1"), &machine(name), from, 1 << 20).await;
    log.close().await;
    slice
}

/// What is said instead of the damaged output.
async fn error(path: &Path) -> String {
    let read = read(path, "damaged").await;
    read.map(|slice| slice.offset).unwrap_err().to_string()
}

/// Where `of` is, in the row and in what the database has left behind of it elsewhere.
fn places(of: &[u8], within: &[u8]) -> Vec<usize> {
    let places = within.windows(of.len()).enumerate();
    places
        .filter(|(_, window)| *window == of)
        .map(|(place, _)| place)
        .collect()
}

#[tokio::test]
async fn a_bit_that_has_flipped_is_an_error() {
    let raw = text("damaged");
    for (what, chunk) in [("raw", chunk(0, &raw)), ("zstd", compressed(0, &raw))] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("output.db");
        written(&path, chunk.clone()).await;
        let file = std::fs::read(&path).unwrap();
        // What fits into a page is in one piece.
        let payloads = places(&chunk.payload, &file);
        assert!(!payloads.is_empty());
        let last = chunk.payload.len() as isize - 1;
        // At its beginning, at its end and in between; and in the marks before it, the time of its only one.
        let offsets = (0..8).map(|n| n * last / 7).chain([-4]);
        for (n, offset) in offsets.enumerate() {
            let mut file = file.clone();
            for payload in &payloads {
                file[payload.checked_add_signed(offset).unwrap()] ^= 1 << (n % 8);
            }
            std::fs::write(&path, &file).unwrap();
            let error = error(&path).await;
            assert!(error.contains("output.db"), "{what} {n}: {error}");
            assert!(error.contains("damaged"), "{what} {n}: {error}");
            let whole = read(&path, "whole").await.unwrap();
            assert!(whole.bytes == text("whole"), "{what} {n}");
        }
        std::fs::write(&path, &file).unwrap();
        assert!(read(&path, "damaged").await.unwrap().bytes == raw);
    }
}

async fn change(path: &Path, statement: &'static str) {
    let options = SqliteConnectOptions::new().filename(path);
    let mut connection: SqliteConnection = options.connect().await.unwrap();
    sqlx::raw_sql(statement)
        .execute(&mut connection)
        .await
        .unwrap();
    sqlx::Connection::close(connection).await.unwrap();
}

#[tokio::test]
async fn numbers_that_say_where_a_block_belongs_are_checked_too() {
    for statement in [
        "UPDATE output_block SET first_line = 1 WHERE stream = 1",
        "UPDATE output_block SET marks = x'01' || substr(marks, 2) WHERE stream = 1",
        "UPDATE output_block SET checksum = checksum + 1 WHERE stream = 1",
    ] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("output.db");
        written(&path, chunk(0, b"one\ntwo\n")).await;
        change(&path, statement).await;
        let error = error(&path).await;
        assert!(error.contains("checksum"), "{statement}: {error}");
    }
}

#[tokio::test]
async fn what_was_written_before_there_were_checksums_is_read_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("output.db");
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    MIGRATIONS.run_to(6, &mut connection).await.unwrap();
    sqlx::Connection::close(connection).await.unwrap();
    change(
        &path,
        "INSERT INTO output_stream (id, run, machine, attempt) VALUES (1, 'a_1', 'damaged', 1); \
         INSERT INTO output_block (stream, start, raw_len, first_line, line_feeds, encoding, marks, payload) \
         VALUES (1, 0, 4, 0, 1, 0, x'0004000000e803000000000000', x'6f6e650a')",
    )
    .await;
    assert_eq!(read(&path, "damaged").await.unwrap().bytes, b"one\n");
    written(&path, chunk(4, b"two\n")).await;
    assert_eq!(read(&path, "damaged").await.unwrap().bytes, b"one\ntwo\n");
    change(&path, "UPDATE output_block SET payload = x'6f6e650b' WHERE start = 0; UPDATE output_block SET payload = x'74776f0b' WHERE start = 4").await;
    let error = error(&path).await;
    assert!(error.contains("offset 4"), "{error}");
}
