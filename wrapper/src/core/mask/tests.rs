use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn patterns(of: &[&[u8]]) -> Arc<Patterns> {
    Arc::new(Patterns::new(of.iter().copied()))
}

/// The stream in these pieces, masked.
fn masked(patterns: &Arc<Patterns>, pieces: &[&[u8]]) -> Vec<u8> {
    let mut masker = Masker::new(Arc::clone(patterns));
    let mut out = Vec::new();
    for piece in pieces {
        masker.push(piece, &mut out);
    }
    masker.finish(&mut out);
    out
}

fn text(secrets: &[&str], stream: &str) -> String {
    let secrets: Vec<&[u8]> = secrets.iter().map(|text| text.as_bytes()).collect();
    String::from_utf8(masked(&patterns(&secrets), &[stream.as_bytes()])).unwrap()
}

/// By looking at every place for every secret.
fn by_hand(secrets: &[Vec<u8>], stream: &[u8]) -> Vec<u8> {
    let mut covered = vec![false; stream.len()];
    for secret in secrets {
        for (at, window) in stream.windows(secret.len()).enumerate() {
            if window == secret {
                covered[at..at + secret.len()].fill(true);
            }
        }
    }
    let tail = (0..=stream.len())
        .find(|at| {
            let end = &stream[*at..];
            let begins = |secret: &Vec<u8>| secret.len() >= end.len() && secret.starts_with(end);
            secrets.iter().any(begins)
        })
        .unwrap_or(stream.len());
    // The longest end that is a beginning of a secret, be it the whole of one.
    if stream.len() - tail >= SHORTEST_MASKED {
        covered[tail..].fill(true);
    }
    let mut out = Vec::new();
    for (at, byte) in stream.iter().enumerate() {
        if !covered[at] {
            out.push(*byte);
        } else if at == 0 || !covered[at - 1] {
            out.extend_from_slice(OUTPUT_MASK.as_bytes());
        }
    }
    out
}

fn command(secrets: &[(&str, &str)], env: &[(&str, &str)]) -> CommandSpec {
    let map = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect::<BTreeMap<_, _>>()
    };
    CommandSpec {
        command: "true".to_owned(),
        cwd: None,
        user: None,
        env: map(env),
        secrets: map(secrets),
        time_limit: None,
        overlap: saltpeter_protocol::launch::LockRule::Shared,
    }
}

#[test]
fn a_secret_shows_as_a_mask_and_all_else_as_it_is() {
    assert_eq!(text(&["hunter2"], "a hunter2 b"), "a *** b");
    assert_eq!(text(&["hunter2"], "hunter1 hunter"), "hunter1 ***");
    assert_eq!(text(&["hunter2"], "so many hunt\n"), "so many hunt\n");
    assert_eq!(text(&["hunter2"], "huhunter2nter2"), "hu***nter2");
    // The end of a stream: a short beginning is shown.
    assert_eq!(text(&["secret"], "yes"), "yes");
    assert_eq!(text(&["secret"], "a secr"), "a ***");
}

#[test]
fn secrets_that_overlap_are_covered_whole() {
    assert_eq!(text(&["abcdef", "defghi"], "_abcdefghi_"), "_***_");
    assert_eq!(text(&["abab"], "_ababab_"), "_***_");
    assert_eq!(
        text(&["abcd", "abcdefgh"], "abcdefgh abcdef. "),
        "*** ***ef. "
    );
    assert_eq!(text(&["abcdxabcdyz", "abcd"], "abcdxabcdy."), "***x***y.");
    assert_eq!(text(&["1234", "5678"], "12345678"), "***");
}

#[test]
fn a_pause_shows_a_mask_and_never_a_beginning() {
    let patterns = patterns(&[b"hunter2"]);
    let mut masker = Masker::new(Arc::clone(&patterns));
    let mut out = Vec::new();
    masker.push(b"> h", &mut out);
    assert_eq!(out, b"> ");
    masker.pause(&mut out);
    assert_eq!(out, b"> ***");
    masker.push(b"unt", &mut out);
    masker.pause(&mut out);
    masker.push(b"er2", &mut out);
    masker.pause(&mut out);
    assert_eq!(out, b"> ***");
    masker.push(b" hun", &mut out);
    masker.pause(&mut out);
    masker.push(b"gry", &mut out);
    masker.finish(&mut out);
    assert_eq!(String::from_utf8_lossy(&out), "> *** ***gry");
}

#[test]
fn both_streams_are_masked_on_their_own_and_pause_on_their_own() {
    let start = Instant::now();
    let mut masks = Masks::of(&command(&[("A", "hunter2\n")], &[])).unwrap();
    assert_eq!(masks.push(Stream::Stdout, b"1 hun", start), b"1 ");
    assert_eq!(masks.push(Stream::Stderr, b"2 hunt", start), b"2 ");
    assert_eq!(masks.push(Stream::Stdout, b"ter2\n", start), b"***\n");
    assert_eq!(masks.due(), Some(start + PATIENCE));
    let later = start + Duration::from_secs(1);
    masks.excuse(later);
    assert_eq!(masks.pause_if_due(start + PATIENCE), []);
    let paused = masks.pause_if_due(later + PATIENCE);
    assert_eq!(paused, [(Stream::Stderr, b"***".to_vec())]);
    assert_eq!(masks.due(), None);
    assert_eq!(masks.push(Stream::Stderr, b"er2.", later), b".");
    assert_eq!(masks.push(Stream::Stdout, b"hun", later), b"");
    assert_eq!(masks.finish(), [(Stream::Stdout, b"hun".to_vec())]);
}

#[test]
fn values_and_their_lines_are_looked_for_and_what_says_nothing_is_not() {
    let key = "-----BEGIN KEY-----\n  c2VjcmV0IGtleQ==\n}\n-----END KEY-----\n";
    let command = command(
        &[("KEY", key), ("PIN", "2580")],
        &[("TOKEN", "t0ken"), ("DEBUG", "true"), ("N", "12")],
    );
    let masks = Masks::of(&command).unwrap();
    assert_eq!(masks.text(&format!("<{key}>")), "<***\n>");
    assert_eq!(masks.text("key: c2VjcmV0IGtleQ== }"), "key: *** }");
    assert_eq!(masks.text("t0ken true 12 2580"), "*** true 12 ***");
    let shown = format!("{masks:?} {command:?}");
    for secret in ["c2VjcmV0", "2580", "t0ken"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(Masks::of(&self::command(&[], &[("A", "1"), ("B", "false")])).is_none());
}

#[test]
fn no_more_is_held_than_may_become_a_secret() {
    let patterns = patterns(&[b"aaaaaaaa", b"aaab"]);
    let mut masker = Masker::new(patterns);
    let mut out = Vec::new();
    for _ in 0..100 {
        masker.push(b"a", &mut out);
        assert!(masker.held.len() <= 8, "{}", masker.held.len());
    }
    masker.push(b"c", &mut out);
    assert!(!masker.holds());
    assert_eq!(out, b"***c");
}

/// Few letters, so that secrets repeat, overlap and begin alike.
fn letters(length: std::ops::Range<usize>) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(b'a'..b'd', length)
}

proptest! {
    #[test]
    fn every_cut_gives_the_same_result(
        secrets in prop::collection::vec(letters(1..9), 1..4),
        stream in letters(0..80),
        cuts in prop::collection::vec(0usize..80, 0..12),
    ) {
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(stream.len())).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &stream[cut[0]..cut[1]]).collect();
        let wanted: Vec<&[u8]> = secrets.iter().map(Vec::as_slice).collect();
        let patterns = patterns(&wanted);
        prop_assert_eq!(masked(&patterns, &pieces), by_hand(&secrets, &stream));
    }

    #[test]
    fn pauses_show_no_byte_of_a_secret(
        secrets in prop::collection::vec(letters(4..9), 1..4),
        steps in prop::collection::vec((letters(0..6), any::<bool>()), 0..30),
    ) {
        let wanted: Vec<&[u8]> = secrets.iter().map(Vec::as_slice).collect();
        let mut masker = Masker::new(patterns(&wanted));
        let (mut out, mut stream) = (Vec::new(), Vec::new());
        for (piece, paused) in steps {
            stream.extend_from_slice(&piece);
            masker.push(&piece, &mut out);
            if paused {
                masker.pause(&mut out);
                prop_assert!(!masker.holds());
            }
        }
        masker.finish(&mut out);
        // What shows is what would show without pauses, or less of it.
        let without = by_hand(&secrets, &stream);
        let mut rest = without.iter().filter(|byte| **byte != b'*');
        for byte in out.iter().filter(|byte| **byte != b'*') {
            prop_assert!(rest.any(|other| other == byte));
        }
        for secret in &secrets {
            prop_assert!(!out.windows(secret.len()).any(|window| window == secret));
        }
    }
}
