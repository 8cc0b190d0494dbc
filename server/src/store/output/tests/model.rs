//! Any conversation against a model that is a vector of bytes.

use super::*;
use proptest::prelude::*;

/// What a wrapper may do, as seen by one stream.
#[derive(Debug, Clone)]
enum Step {
    /// Sends the source's bytes from `back` before the end on, `len` of them.
    Send {
        back: u64,
        len: usize,
        zstd: bool,
        stderr: bool,
    },
    /// Sends bytes past a gap.
    Gap(u64),
    /// Waits for durability.
    Sync,
    /// The index catches up with the blocks.
    Enter,
    /// Somebody begins to follow, or ceases.
    Follow,
    /// The server dies and comes back.
    Death,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0_u64..200, 1_usize..3000, any::<bool>(), any::<bool>())
            .prop_map(|(back, len, zstd, stderr)| Step::Send { back, len, zstd, stderr }),
        1 => (1_u64..100).prop_map(Step::Gap),
        2 => Just(Step::Sync),
        2 => Just(Step::Enter),
        2 => Just(Step::Follow),
        1 => Just(Step::Death),
    ]
}

/// Byte `n` of what the command writes.
fn source(n: u64) -> u8 {
    if (n.wrapping_mul(2_654_435_761) >> 7).is_multiple_of(16) {
        b'\n'
    } else {
        (n % 251) as u8
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn any_conversation_leaves_the_bytes_as_written(
        steps in prop::collection::vec(step(), 1..40),
        line in 0_u64..200,
        tail in 0_u64..5000,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut f = Fixture::new().await;
            let (run, web1) = (run("a_1"), machine("web1"));
            let mut stream = f.log.stream(&run, &web1).await.unwrap();
            let mut taken = 0_u64;
            let mut following = None;
            for step in steps {
                match step {
                    Step::Send { back, len, zstd, stderr } => {
                        let offset = taken.saturating_sub(back);
                        let bytes: Vec<u8> = (offset..offset + len as u64).map(source).collect();
                        let mut chunk = if zstd { compressed(offset, &bytes) } else { chunk(offset, &bytes) };
                        if stderr { chunk.stream = Stream::Stderr; }
                        chunk.at = UnixMillis(taken as i64);
                        taken = stream.submit(chunk).await.unwrap();
                    }
                    Step::Gap(gap) => {
                        let expected = taken;
                        let refused = stream.submit(chunk(taken + gap, b"?")).await;
                        let right = matches!(refused, Err(AppendError::OutOfOrder { expected: e, .. }) if e == expected);
                        assert!(right, "{refused:?}");
                    }
                    Step::Sync => { stream.wait_durable(taken).await.unwrap(); }
                    Step::Enter => f.enter().await,
                    Step::Follow => following = following.is_none().then(|| stream.follow()),
                    Step::Death => {
                        let acknowledged = stream.durable().length.bytes;
                        following = None;
                        f = f.after_death().await;
                        stream = f.log.stream(&run, &web1).await.unwrap();
                        taken = stream.durable().length.bytes;
                        assert!(taken >= acknowledged);
                    }
                }
            }
            stream.wait_durable(taken).await.unwrap();
            let model: Vec<u8> = (0..taken).map(source).collect();
            let feeds = piece::line_feeds(&model);
            assert_eq!(stream.durable().length, OutputLength { bytes: taken, lines: feeds });
            assert!(f.all(&run, &web1).await == model);

            for from in [OutputFrom::Line(line), OutputFrom::Tail(tail), OutputFrom::Offset(tail)] {
                let slice = f.log.read(&run, &web1, from, 4000).await.unwrap();
                let at = slice.offset as usize;
                assert!(slice.bytes == model[at..at + slice.bytes.len()]);
                let before = piece::line_feeds(&model[..at]);
                assert_eq!(slice.line, before);
                let marked: u32 = slice.chunks.iter().map(|c| c.len).sum();
                assert_eq!(marked as usize, slice.bytes.len());
                let wanted = match from {
                    OutputFrom::Offset(offset) => offset.min(taken),
                    OutputFrom::Tail(bytes) => taken.saturating_sub(bytes),
                    OutputFrom::Line(0) => 0,
                    OutputFrom::Line(line) => model.iter().enumerate().filter(|(_, b)| **b == b'\n')
                        .nth(line as usize - 1).map_or(taken, |(at, _)| at as u64 + 1),
                };
                assert!(slice.offset <= wanted);
                assert!(wanted == taken || wanted < slice.offset + u64::from(slice.chunks[0].len));
            }
        });
    }
}
