//! What is sent, in what order, and how often.

use super::*;

#[tokio::test]
async fn two_clusters_get_every_document_in_order() {
    let es = BulkServer::start().await.unwrap();
    let os = BulkServer::start().await.unwrap();
    let bed = Bed::with(&es.url(""), |settings| {
        settings.opensearch = Some(Secret::new(os.url("")));
        settings.opensearch_index = "other".to_owned();
    })
    .await;
    for n in 0..2500 {
        bed.start(n);
    }
    for cluster in [&es, &os] {
        cluster
            .until("all", |c| c.arrived().len() == 2500)
            .await
            .unwrap();
        assert_eq!(instances(&cluster.arrived()), names(0..2500));
        assert_eq!(cluster.faults(), Vec::<String>::new());
        assert!(cluster.answered() < 1000, "{}", cluster.answered());
    }
    assert_eq!(es.arrived()[0].index, "saltpeter-2025.11.04");
    assert_eq!(os.arrived()[0].index, "other-2025.11.04");
    let row = bed
        .row_until(|row| row.sent == 2500 && row.waiting == 0)
        .await;
    assert_eq!((row.dropped, row.rejected), (0, 0));
    bed.tasks.close().await;
}

#[tokio::test]
async fn a_dead_cluster_costs_nobody_any_time_and_gets_all_of_it_later() {
    let mut es = BulkServer::start().await.unwrap();
    let bed = Bed::new(&es.url("")).await;
    bed.start(0);
    es.until("the first", |es| es.arrived().len() == 1)
        .await
        .unwrap();
    bed.row_until(|row| row.sent == 1 && row.waiting == 0).await;
    es.die();
    let begin = Instant::now();
    for n in 1..1000 {
        bed.start(n);
    }
    assert!(
        begin.elapsed() < Duration::from_millis(500),
        "{:?}",
        begin.elapsed()
    );
    let row = bed
        .row_until(|row| row.waiting == 999 && row.health != SinkHealth::Working)
        .await;
    assert!(row.waiting_bytes > 100_000, "{row:?}");
    // Twice, for what was written then must not hide what was there.
    let bed = bed.restart().await;
    bed.start(1000);
    let bed = bed.restart().await;
    bed.row_until(|row| row.waiting == 1000).await;
    es.rise().await.unwrap();
    es.until("all", |es| es.arrived().len() >= 1001)
        .await
        .unwrap();
    assert_eq!(instances(&es.arrived()), names(0..1001));
    let row = bed.row_until(|row| row.waiting == 0).await;
    assert_eq!((row.health, row.dropped), (SinkHealth::Working, 0));
    bed.tasks.close().await;
}

#[tokio::test]
async fn what_cannot_be_read_for_a_moment_is_not_given_up() {
    let es = BulkServer::start().await.unwrap();
    let bed = Bed::new(&es.url("")).await;
    es.fail_with(Some(503));
    bed.start(0);
    bed.row_until(|row| row.health != SinkHealth::Working).await;
    // The first is under way; these are on disk alone.
    for n in 1..10 {
        bed.start(n);
    }
    bed.row_until(|row| row.waiting == 10).await;
    let file = bed.spool().remove(0);
    let aside = bed.dir.path().join("aside");
    fs::rename(&file, &aside).unwrap();
    fs::create_dir(&file).unwrap();
    es.fail_with(None);
    let says_so = |row: &SinkRow| match &row.health {
        SinkHealth::Failing { reason, .. } => reason.contains("cannot be read back"),
        SinkHealth::Working => false,
    };
    bed.row_until(says_so).await;
    fs::remove_dir(&file).unwrap();
    fs::rename(&aside, &file).unwrap();
    es.until("all", |es| es.stored().len() == 10).await.unwrap();
    let row = bed.row_until(|row| row.waiting == 0).await;
    assert_eq!((row.health, row.dropped), (SinkHealth::Working, 0));
    bed.tasks.close().await;
}

#[tokio::test]
async fn what_is_sent_twice_is_there_once_and_nothing_stays_on_disk() {
    let es = BulkServer::start().await.unwrap();
    es.delay(PATIENCE);
    let bed = Bed::new(&es.url("")).await;
    for n in 0..10 {
        bed.start(n);
    }
    bed.row_until(|row| row.waiting == 10).await;
    // Killed while a request is under way, which the cluster takes all the same.
    es.delay(Duration::ZERO);
    let bed = bed.restart().await;
    es.until("all", |es| es.stored().len() == 10).await.unwrap();
    bed.row_until(|row| row.waiting == 0).await;
    // What had come to the disk before it was sent is on it again, as after a power cut.
    let copied = {
        es.fail_with(Some(503));
        bed.start(10);
        bed.row_until(|row| row.waiting == 1 && row.health != SinkHealth::Working)
            .await;
        fs::read(&bed.spool()[0]).unwrap()
    };
    es.fail_with(None);
    es.until("the last", |es| es.stored().len() == 11)
        .await
        .unwrap();
    bed.row_until(|row| row.waiting == 0).await;
    assert_eq!(bed.spool(), Vec::<PathBuf>::new());
    fs::write(
        bed.dir
            .path()
            .join("documents/elasticsearch/000000000001.ndjson"),
        copied,
    )
    .unwrap();
    let before = es.arrived().len();
    let bed = bed.restart().await;
    es.until("once more", |es| es.arrived().len() == before + 1)
        .await
        .unwrap();
    assert_eq!(es.stored().len(), 11);
    bed.tasks.close().await;
}

#[tokio::test]
async fn a_stop_sends_what_is_left_when_the_cluster_is_well() {
    let es = BulkServer::start().await.unwrap();
    let bed = Bed::new(&es.url("")).await;
    for n in 0..100 {
        bed.start(n);
    }
    bed.tasks.close().await;
    assert_eq!(es.stored().len(), 100);
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_cluster_that_is_not() {
    let es = BulkServer::start().await.unwrap();
    es.delay(PATIENCE);
    let bed = Bed::new(&es.url("")).await;
    bed.start(0);
    bed.row_until(|row| row.waiting == 1).await;
    let begin = Instant::now();
    bed.tasks.close().await;
    assert!(
        begin.elapsed() < Duration::from_secs(2),
        "{:?}",
        begin.elapsed()
    );
}

#[tokio::test]
async fn a_result_has_the_end_of_the_output_and_the_last_word_counts() {
    let es = BulkServer::start().await.unwrap();
    let bed = Bed::new(&es.url("")).await;
    let lost = MachineOutcome::Unreachable {
        message: "It does not answer.".to_owned(),
    };
    bed.sinks.write(&machine_ended(1, lost));
    es.until("the first", |es| es.stored().len() == 1)
        .await
        .unwrap();
    assert_eq!(es.stored()[0].text("output"), "It does not answer.\n");
    let mut text = "x".repeat(99_999).into_bytes();
    text.push(b'\n');
    let mut offset = 0;
    for _ in 0..12 {
        let chunk = Chunk {
            offset,
            stream: Stream::Stdout,
            at: BEGIN,
            encoding: Encoding::Raw,
            payload: Bytes::from(text.clone()),
            raw_len: text.len() as u32,
        };
        let web1 = MachineId::new("web1").unwrap();
        offset = bed.output.append(&run(0), &web1, chunk).await.unwrap();
    }
    bed.sinks
        .write(&machine_ended(2, MachineOutcome::Succeeded));
    es.until("the second", |es| es.arrived().len() == 2)
        .await
        .unwrap();
    let stored = es.stored();
    assert_eq!(stored.len(), 1);
    assert_eq!(stored[0].fields["return_code"], 0);
    let output = stored[0].text("output");
    let cut = 1_200_000 - recorder::MAX_OUTPUT;
    assert!(output.starts_with(&format!("[cut: the first {cut} bytes are left out]\n")));
    assert!(output.len() as u64 > recorder::MAX_OUTPUT && output.ends_with("xxx\n"));
    bed.tasks.close().await;
}
