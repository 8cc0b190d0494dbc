//! What followers are given from memory.

use super::*;

/// Makes every block in the file unreadable, behind the log's back.
async fn spoil(f: &Fixture) {
    let mut connection = f.connect().await;
    sqlx::query("UPDATE output_block SET marks = x'00'")
        .execute(&mut connection)
        .await
        .unwrap();
}

async fn slice(f: &Fixture, from: u64, limit: usize) -> Result<OutputSlice, OutputError> {
    let from = OutputFrom::Offset(from);
    f.log.read(&run("a_1"), &machine("web1"), from, limit).await
}

#[tokio::test]
async fn what_is_followed_is_read_from_memory_and_only_that() {
    let f = Fixture::new().await;
    let (run, web1) = (run("a_1"), machine("web1"));
    f.log.append(&run, &web1, chunk(0, b"old\n")).await.unwrap();
    let stream = f.log.stream(&run, &web1).await.unwrap();
    let (one, two) = (stream.follow(), stream.follow());
    f.log.append(&run, &web1, chunk(4, b"new\n")).await.unwrap();
    let packed = compressed(8, &b"packed\n".repeat(100));
    f.log.append(&run, &web1, packed).await.unwrap();
    spoil(&f).await;

    let got = slice(&f, 5, 1000).await.unwrap();
    assert_eq!((got.offset, got.line), (4, 1), "whole chunks");
    assert_eq!(got.total.bytes, 708);
    assert_eq!(
        got.bytes,
        [&b"new\n"[..], &b"packed\n".repeat(100)].concat()
    );
    assert_eq!(slice(&f, 4, 10).await.unwrap().bytes, b"new\n", "the limit");
    assert!(slice(&f, 708, 10).await.unwrap().bytes.is_empty());
    assert!(
        slice(&f, 3, 1000).await.is_err(),
        "written before anybody followed"
    );

    drop(one);
    assert!(slice(&f, 4, 1000).await.is_ok());
    drop(two);
    assert!(slice(&f, 4, 1000).await.is_err(), "nobody follows any more");
}

#[tokio::test]
async fn what_memory_no_longer_has_is_read_from_the_file() {
    let f = Fixture::new().await;
    let (run, web1) = (run("a_1"), machine("web1"));
    let stream = f.log.stream(&run, &web1).await.unwrap();
    let _follows = stream.follow();
    let mut written = Vec::new();
    for number in 0..12u8 {
        let bytes = vec![number; 40_000];
        let piece = chunk(written.len() as u64, &bytes);
        f.log.append(&run, &web1, piece).await.unwrap();
        written.extend(bytes);
    }
    assert!(f.all(&run, &web1).await == written);
    spoil(&f).await;
    assert!(slice(&f, 0, 1000).await.is_err(), "the oldest made room");
    let newest = slice(&f, 440_000, 100_000).await.unwrap();
    assert!(newest.bytes == written[440_000..]);
}
