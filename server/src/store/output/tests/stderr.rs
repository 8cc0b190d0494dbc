//! Where standard error is, against a model.

use super::*;
use proptest::prelude::*;
use saltpeter_protocol::api::Reading;
use std::collections::BTreeSet;

/// All lines that the spans of reading so far name, one call after the other.
async fn all(f: &Fixture, mut from: u64, reading: Reading, end: u64) -> Vec<u64> {
    let mut lines = Vec::new();
    loop {
        let (run, web1) = (run("a_1"), machine("web1"));
        let spans = f.log.stderr_spans(&run, &web1, from, reading);
        let spans = spans.await.unwrap();
        for span in &spans.lines {
            match reading {
                Reading::After => lines.extend(span.clone()),
                Reading::Before => lines.extend(span.clone().rev()),
            }
        }
        match reading {
            Reading::After if spans.known >= end => return lines,
            Reading::Before if spans.known == 0 => return lines,
            Reading::After => assert!(spans.known > from),
            Reading::Before => assert!(spans.known < from),
        }
        from = spans.known;
    }
}

#[tokio::test]
async fn what_has_none_is_not_named() {
    let f = Fixture::new().await;
    let (run, web1) = (run("a_1"), machine("web1"));
    let mut at = 0;
    for n in 0..5_000_u64 {
        // The blocks are one each, since each has a commit of its own or is compressed.
        let mut piece = compressed(at, format!("line{}\n", " ".repeat(60)).as_bytes());
        if n == 2_500 {
            piece.stream = Stream::Stderr;
        }
        at = f
            .log
            .stream(&run, &web1)
            .await
            .unwrap()
            .submit(piece)
            .await
            .unwrap();
    }
    let stream = f.log.stream(&run, &web1).await.unwrap();
    stream.wait_durable(at).await.unwrap();
    f.enter().await;
    // More blocks than are looked at together: two calls, and the second goes on where the first has ended.
    assert_eq!(all(&f, 0, Reading::After, 5_001).await, [2_500, 2_501]);
    assert_eq!(all(&f, 5_001, Reading::Before, 5_001).await, [2_501, 2_500]);
    let web9 = machine("web9");
    let nothing = f.log.stderr_spans(&run, &web9, 0, Reading::After);
    assert!(nothing.await.unwrap().lines.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn no_line_with_standard_error_is_missed(
        pieces in prop::collection::vec(("[ab\n]{1,6}", any::<bool>(), any::<bool>()), 1..30),
        from in 0_u64..40,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let f = Fixture::new().await;
            let (run, web1) = (run("a_1"), machine("web1"));
            let (mut at, mut line) = (0, 0);
            let mut expected = BTreeSet::new();
            for (text, stderr, enter) in &pieces {
                // A block of its own each: what is compressed is not joined.
                let padded = format!("{}{text}", " ".repeat(64));
                let mut piece = compressed(at, padded.as_bytes());
                if *stderr { piece.stream = Stream::Stderr; }
                at = f.log.append(&run, &web1, piece).await.unwrap();
                for byte in padded.bytes() {
                    if *stderr { expected.insert(line); }
                    line += u64::from(byte == b'\n');
                }
                if *enter { f.enter().await; }
            }
            let end = line + 1;
            let from = from.min(end);
            let after = all(&f, from, Reading::After, end).await;
            assert!(after.is_sorted_by(|a, b| a < b), "{after:?}");
            let missed: Vec<_> = expected.range(from..).filter(|line| !after.contains(line)).collect();
            assert!(missed.is_empty(), "{missed:?} of {after:?}");
            let before = all(&f, from, Reading::Before, end).await;
            assert!(before.is_sorted_by(|a, b| a > b), "{before:?}");
            let missed: Vec<_> = expected.range(..from).filter(|line| !before.contains(line)).collect();
            assert!(missed.is_empty(), "{missed:?} of {before:?}");
        });
    }
}
