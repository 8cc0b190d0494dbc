//! The index of the blocks.

use super::*;

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
async fn no_question_reads_a_whole_table() {
    let f = Fixture::new().await;
    let mut connection = f.connect().await;
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
