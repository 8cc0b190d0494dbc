//! Searches against one that is written down in three lines.

use super::*;
use proptest::prelude::*;
use std::sync::Arc;

fn naive(pattern: &Pattern, bytes: &[u8]) -> Vec<(u64, u32, u32)> {
    let mut hits = Vec::new();
    for (line, bytes) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let text = shown(bytes);
        pattern.find_in(text.as_bytes(), |from, to| {
            hits.push((line as u64, from as u32, to as u32));
        });
    }
    hits
}

fn piece() -> impl Strategy<Value = Vec<u8>> {
    let fixed = prop::sample::select(vec![
        "a",
        "b",
        "ab",
        "A",
        "é",
        "\n",
        "\n",
        "\r",
        "\r\n",
        "\t",
        "\x1b[31m",
        "\x1b[",
        "\x1b]0;t\x07",
        "\x08",
        "\x1b[2K",
    ])
    .prop_map(|text| text.as_bytes().to_vec());
    prop_oneof![8 => fixed, 1 => prop::collection::vec(any::<u8>(), 1..4)]
}

fn pattern() -> impl Strategy<Value = Pattern> {
    let literal = (
        prop::sample::select(vec!["a", "ab", "aba", "é", "ba"]),
        any::<bool>(),
    )
        .prop_map(|(text, case)| Pattern::literal(text, case).unwrap());
    let expressions = vec!["a.b", "^a", "b$", "[^a]+", "a*", r"\bA", "(a|b){2}", r"\w+"];
    let expression = (prop::sample::select(expressions), any::<bool>())
        .prop_map(|(text, case)| Pattern::expression(text, case).unwrap());
    prop_oneof![literal, expression]
}

proptest! {
    #[test]
    fn cuts_and_steps_change_nothing(
        pieces in prop::collection::vec(piece(), 0..60),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        pattern in pattern(),
        skip in 0_u64..6,
        limit in 0_usize..6,
    ) {
        let bytes = pieces.concat();
        let all = naive(&pattern, &bytes);
        let mut scan = Scan::new(Arc::new(pattern), 0, Wanted { skip, limit });
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.push(bytes.len());
        cuts.sort_unstable();
        let mut at = 0;
        for cut in cuts {
            scan.feed(&bytes[at..cut]);
            at = cut;
        }
        let feeds = memchr::memchr_iter(b'\n', &bytes).count() as u64;
        prop_assert_eq!(scan.line(), feeds);
        scan.finish();
        prop_assert_eq!(scan.count(), all.len() as u64);
        let wanted: Vec<_> = all.into_iter().skip(skip as usize).take(limit).collect();
        let hits = scan.into_hits();
        prop_assert_eq!(hits.iter().map(|h| (h.line, h.from, h.to)).collect::<Vec<_>>(), wanted);
    }
}
