//! What becomes of output when its file cannot be written or read.

use super::*;

async fn execute(connection: &mut SqliteConnection, statement: &str) {
    sqlx::query(sqlx::AssertSqlSafe(statement.to_owned()))
        .execute(connection)
        .await
        .unwrap();
}

#[tokio::test]
async fn what_cannot_be_written_is_held_and_written_later() {
    let f = Fixture::new().await;
    let (run, web1) = (run("a_1"), machine("web1"));
    let stream = f.log.stream(&run, &web1).await.unwrap();
    let mut saboteur = f.connect().await;
    let mut rename = async |from: &str, to: &str| {
        let statement = format!("ALTER TABLE {from} RENAME TO {to}");
        execute(&mut saboteur, &statement).await;
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
async fn what_the_database_takes_back_by_itself_is_written_later_and_committed() {
    let f = Fixture::new().await;
    let (run, web1) = (run("a_1"), machine("web1"));
    let stream = f.log.stream(&run, &web1).await.unwrap();
    let mut saboteur = f.connect().await;
    let mut text = Vec::new();
    // A full disk has the database roll the transaction back by itself; other errors end the statement alone.
    for how in ["ROLLBACK", "ABORT", "ROLLBACK"] {
        let sabotage = format!(
            "CREATE TRIGGER sabotage BEFORE INSERT ON output_block BEGIN SELECT RAISE({how}, 'full'); END"
        );
        execute(&mut saboteur, &sabotage).await;
        let line = format!("{how}\n");
        let piece = chunk(text.len() as u64, line.as_bytes());
        stream.submit(piece).await.unwrap();
        text.extend(line.into_bytes());
        let durable = stream.wait_durable(text.len() as u64);
        let held = tokio::time::timeout(Duration::from_millis(300), durable).await;
        assert!(held.is_err(), "{how}: {held:?}");
        execute(&mut saboteur, "DROP TRIGGER sabotage").await;
        stream.wait_durable(text.len() as u64).await.unwrap();
        // By other connections than the writer's: committed, and not merely written.
        assert_eq!(f.all(&run, &web1).await, text, "{how}");
    }
}

#[tokio::test]
async fn closing_does_not_wait_for_a_disk_that_is_full() {
    let f = Fixture::new().await;
    let stream = f.log.stream(&run("a_1"), &machine("web1")).await.unwrap();
    let mut saboteur = f.connect().await;
    execute(&mut saboteur, "DROP TABLE output_block").await;
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
        let mut connection = f.connect().await;
        execute(&mut connection, "PRAGMA wal_checkpoint(TRUNCATE)").await;
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
