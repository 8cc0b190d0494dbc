//! What a cluster does not take, or not yet, or not all at once; and what there is no room for.

use super::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

#[tokio::test]
async fn only_the_documents_that_were_not_taken_are_sent_again() {
    let es = BulkServer::start().await.unwrap();
    let busy = |sent: &Sent| {
        let odd = sent
            .text("job_instance")
            .ends_with(['1', '3', '5', '7', '9']);
        odd.then_some((429, "es_rejected_execution_exception"))
    };
    es.fail_with(Some(503));
    let bed = Bed::new(&es.url("")).await;
    for n in 0..10 {
        bed.start(n);
    }
    bed.row_until(|row| row.waiting == 10).await;
    es.judge(busy);
    es.fail_with(None);
    es.until("the even ones", |es| es.arrived().len() == 5)
        .await
        .unwrap();
    let row = bed
        .row_until(|row| matches!(&row.health, SinkHealth::Failing { reason, .. } if reason.starts_with("429")))
        .await;
    assert_eq!(row.rejected, 0);
    es.judge_no_more();
    es.until("the odd ones", |es| es.arrived().len() == 10)
        .await
        .unwrap();
    let odd: Vec<String> = names(0..10).into_iter().skip(1).step_by(2).collect();
    assert_eq!(instances(&es.arrived())[5..], odd);
    let row = bed.row_until(|row| row.waiting == 0).await;
    assert_eq!((row.sent, row.health), (10, SinkHealth::Working));
    bed.tasks.close().await;
}

#[tokio::test]
async fn a_document_that_does_not_fit_the_mapping_is_dropped_and_counted() {
    let es = BulkServer::start().await.unwrap();
    es.judge(|sent| {
        let bad = sent.text("job_instance") == "backup_3";
        bad.then_some((400, "mapper_parsing_exception"))
    });
    let bed = Bed::new(&es.url("")).await;
    for n in 0..10 {
        bed.start(n);
    }
    es.until("the others", |es| es.arrived().len() == 9)
        .await
        .unwrap();
    let row = bed.row_until(|row| row.waiting == 0).await;
    assert_eq!((row.sent, row.rejected, row.dropped), (9, 1, 0));
    bed.tasks.close().await;
}

#[tokio::test]
async fn a_request_that_is_too_large_is_sent_in_parts() {
    let es = BulkServer::start().await.unwrap();
    es.fail_with(Some(503));
    es.limit(2000);
    let bed = Bed::new(&es.url("")).await;
    for n in 0..100 {
        bed.start(n);
    }
    // The machine has the longest name there is, and 2000 bytes of it besides.
    let message = "m".repeat(2000);
    bed.sinks
        .write(&machine_ended(100, MachineOutcome::Unreachable { message }));
    bed.start(101);
    bed.row_until(|row| row.waiting == 102).await;
    es.fail_with(None);
    let row = bed.row_until(|row| row.waiting == 0).await;
    assert_eq!((row.sent, row.rejected), (101, 1));
    assert_eq!(es.stored().len(), 101);
    assert_eq!(es.faults(), Vec::<String>::new());
    bed.tasks.close().await;
}

#[tokio::test]
async fn what_there_is_no_room_for_is_counted_and_the_rest_arrives() {
    let mut es = BulkServer::start().await.unwrap();
    es.die();
    let bed = Bed::with(&es.url(""), |settings| settings.documents_spool = 10_000).await;
    for n in 0..100 {
        bed.start(n);
    }
    let row = bed.row_until(|row| row.waiting + row.dropped == 100).await;
    assert!(row.waiting > 10 && row.dropped > 10, "{row:?}");
    assert!(row.waiting_bytes <= 10_000, "{row:?}");
    es.rise().await.unwrap();
    let rest = row.waiting as i64;
    es.until("the rest", |es| es.arrived().len() as i64 == rest)
        .await
        .unwrap();
    assert_eq!(instances(&es.arrived()), names(0..rest));
    bed.tasks.close().await;
}

/// Answers the first request with 64 MiB, and does not end the answer.
async fn talk(listener: TcpListener) -> std::io::Result<()> {
    let (mut stream, _) = listener.accept().await?;
    let mut request = [0; 4096];
    let _ = stream.read(&mut request).await?;
    stream
        .write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        .await?;
    let mut mebibyte = b"100000\r\n".to_vec();
    mebibyte.resize(mebibyte.len() + 0x10_0000, b'x');
    mebibyte.extend_from_slice(b"\r\n");
    for _ in 0..64 {
        stream.write_all(&mebibyte).await?;
    }
    std::future::pending().await
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_to_its_end() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let bed = Bed::new(&format!("http://{}", listener.local_addr().unwrap())).await;
    let talking = tokio::spawn(talk(listener));
    bed.start(0);
    let row = bed.row_until(|row| row.health != SinkHealth::Working).await;
    let SinkHealth::Failing { reason, .. } = row.health else {
        panic!();
    };
    assert_eq!(reason, "200: the answer is longer than 16 MiB");
    talking.abort();
    bed.tasks.close().await;
}
