//! Files that mean far more than they say end in an error, soon and in little memory.
//!
//! In a binary of their own: the memory that is measured is that of the whole process.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use chrono_tz::Tz;
use saltpeter_domain::Loader;
use saltpeter_domain::config::{FileChange, MAX_FILE_BYTES};
use saltpeter_protocol::UnixMillis;
use std::fs;
use std::time::Duration;

/// Processor time that a bomb may take.
const TIME: Duration = Duration::from_millis(100);

/// How many times as long a build takes that is not optimised, as that of the tests mostly is. Files of a size that needs no
/// multiplying are granted it; the small ones do without.
const UNOPTIMISED: u32 = 10;

/// Bytes of a small file.
const SMALL: usize = 10_000;

/// The size of a file in which aliases may stand for as much as they ever may.
const LARGE: usize = 150_000;

/// Memory that it may take beyond its own bytes, at the highest.
const MEMORY: usize = 50 * 1024 * 1024;

/// `line` for each number up to `count`.
fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).collect::<Vec<_>>().concat()
}

/// Nine times nine times nine, as in the well-known one.
fn laughs(levels: usize, open: char, close: char) -> String {
    let level = |level: usize| {
        let before = lines(9, |n| {
            let key = if open == '{' {
                format!("k{n}: ")
            } else {
                String::new()
            };
            format!("{key}*a{level}, ")
        });
        let level = level + 1;
        format!("a{level}: &a{level} {open}{before}{close}\n")
    };
    format!("a0: &a0 x\n{}", lines(levels - 1, level))
}

/// Mappings that take each other in.
fn merges(levels: usize, width: usize) -> String {
    let keys = lines(width, |n| format!("  k{n}: x\n"));
    let level = |level: usize| {
        let before = format!("*a{level}, ").repeat(9);
        let level = level + 1;
        format!("a{level}: &a{level}\n  <<: [{before}]\n")
    };
    format!("a0: &a0\n{keys}{}", lines(levels - 1, level))
}

/// As many jobs as there may be that take in the same keys.
fn shared(jobs: usize, keys: usize) -> String {
    let keys = lines(keys, |n| format!("  k{n}: x\n"));
    let jobs = lines(jobs, |n| format!("j{n}: {{<<: *a}}\n"));
    format!("a: &a\n{keys}{jobs}")
}

fn bombs() -> Vec<(&'static str, String)> {
    let deep = 200_000;
    vec![
        ("lists within a large file", {
            format!("{}# {}\n", laughs(30, '[', ']'), "x".repeat(LARGE))
        }),
        ("mappings within a large file", {
            format!("{}# {}\n", laughs(30, '{', '}'), "x".repeat(LARGE))
        }),
        ("lists of lists", laughs(30, '[', ']')),
        ("mappings of mappings", laughs(30, '{', '}')),
        ("mappings that take each other in", merges(30, 50)),
        ("one wide mapping taken in often", shared(500, 2_000)),
        (
            "a text that is repeated",
            format!(
                "a: &a {}\nb: [{}]\n",
                "x".repeat(1_000_000),
                "*a, ".repeat(100_000)
            ),
        ),
        ("brackets within brackets", "[".repeat(deep)),
        ("braces within braces", "{a: ".repeat(deep)),
        ("dashes", "- ".repeat(deep)),
        ("question marks", "? ".repeat(deep)),
        ("an alias of itself", "a: &a [*a, *a]\n".to_owned()),
        ("anchors", lines(deep, |n| format!("&a{n} "))),
        ("a tag without an end", format!("a: !{}", "x".repeat(deep))),
        ("a word without an end", "a".repeat(4_000_000)),
        (
            "a quoted key without an end",
            format!("\"{}", "a\\n".repeat(300_000)),
        ),
        ("too much", "#".repeat(MAX_FILE_BYTES as usize + 1)),
    ]
}

/// The memory of this process: now, and at its highest since the mark was taken down.
fn memory() -> (usize, usize) {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let read = |key: &str| {
        let line = status.lines().find(|line| line.starts_with(key)).unwrap();
        let kib: usize = line[key.len()..]
            .trim_end_matches("kB")
            .trim()
            .parse()
            .unwrap();
        kib * 1024
    };
    (read("VmRSS:"), read("VmHWM:"))
}

/// The processor time that this thread has taken: however busy the machine is, it is the same.
fn processor() -> Duration {
    let times = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(times.split(' ').next().unwrap().parse().unwrap())
}

#[test]
fn a_bomb_is_an_error_soon_and_in_little_memory() {
    let mut wrong = Vec::new();
    for (name, text) in bombs() {
        let is_slow = cfg!(debug_assertions) && text.len() > SMALL;
        let time = if is_slow { TIME * UNOPTIMISED } else { TIME };
        let content = FileChange::Content(text.into_bytes());
        // Takes the mark down to what there is now.
        fs::write("/proc/self/clear_refs", "5").unwrap();
        let (before, _) = memory();
        let begun = processor();
        let loaded = Loader::new(Tz::UTC).apply([("a.yaml".to_owned(), content)], UnixMillis(0));
        let took = processor().saturating_sub(begun);
        let (_, highest) = memory();
        let memory = highest.saturating_sub(before);
        assert!(
            !loaded.problems[0].message.contains("nothing of that name")
                || name == "an alias of itself",
            "{name}: {}",
            loaded.problems[0]
        );
        eprintln!(
            "{name}: {took:?}, {} KiB, {}",
            memory / 1024,
            loaded.problems[0]
        );
        if !loaded.has_errors() || took > time || memory > MEMORY {
            wrong.push(format!("{name}: {took:?}, {} MiB", memory / 1024 / 1024));
        }
        assert!(loaded.jobs.is_empty(), "{name}");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
