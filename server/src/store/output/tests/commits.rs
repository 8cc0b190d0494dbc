//! When and how much is committed at a time.

use super::*;

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
