//! Output of machines that are tried again.

use super::*;

#[tokio::test]
async fn each_attempt_of_a_machine_has_a_stream_of_its_own() {
    let f = Fixture::new().await;
    let (run, web1) = (run("a_1"), machine("web1"));
    let second = Attempt::after(1);
    f.log.append(&run, &web1, chunk(0, b"one\n")).await.unwrap();
    let again = f.log.append(&run, (&web1, second), chunk(0, b"two\n"));
    assert_eq!(again.await.unwrap(), 4, "it begins anew");
    let seq = f.log.stream(&run, (&web1, second)).await.unwrap();
    assert!(seq.submit_v1(Some(0), chunk(4, b"three\n")).await.unwrap());
    seq.wait_durable(10).await.unwrap();

    let f = f.after_death().await;
    let length = |bytes, lines| OutputLength { bytes, lines };
    let expected = [
        ((web1.clone(), Attempt::FIRST), length(4, 1)),
        ((web1.clone(), second), length(10, 2)),
    ];
    assert_eq!(f.log.lengths(&run).await.unwrap(), expected.into());
    let stream = f.log.stream(&run, (&web1, second)).await.unwrap();
    assert_eq!(stream.durable().v1_seq, Some(0));
    let first = f.log.stream(&run, &web1).await.unwrap();
    assert_eq!(first.durable().v1_seq, None);
    let from = OutputFrom::Offset(0);
    let slice = f.log.read(&run, (&web1, second), from, 1000).await.unwrap();
    assert_eq!(slice.bytes, b"two\nthree\n");
    f.log.delete_run(&run).await.unwrap();
    assert!(f.log.lengths(&run).await.unwrap().is_empty());
}

#[tokio::test]
async fn output_from_before_there_were_attempts_is_that_of_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("output.db");
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    let first = MIGRATIONS.migrations[..1].to_vec();
    let before = sqlx::migrate::Migrator {
        migrations: first.into(),
        ..sqlx::migrate::Migrator::DEFAULT
    };
    before.run(&mut connection).await.unwrap();
    sqlx::raw_sql(
        "INSERT INTO output_stream (id, run, machine, v1_seq) VALUES (7, 'a_1', 'web1', 4); \
         INSERT INTO output_block (stream, start, raw_len, first_line, line_feeds, encoding, marks, payload) \
         VALUES (7, 0, 4, 0, 1, 0, x'', x'6f6e650a')",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    sqlx::Connection::close(connection).await.unwrap();

    let log = OutputLog::open(&path).await.unwrap();
    let (run, web1) = (run("a_1"), machine("web1"));
    let stream = log.stream(&run, &web1).await.unwrap();
    assert_eq!(stream.durable().v1_seq, Some(4));
    assert_eq!(stream.durable().length.bytes, 4);
    assert_eq!(log.append(&run, &web1, chunk(4, b"two")).await.unwrap(), 7);
}
