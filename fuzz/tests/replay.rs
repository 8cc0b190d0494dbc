//! Every input that the fuzzer kept, and every one that ever broke something, put through its target again.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use saltpeter_fuzz::{LIMIT, MAX_INPUT, TARGETS};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files of a directory, by name; none if it is not there.
fn files(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// The processor time that this thread has taken: however busy the machine is, it is the same.
fn processor() -> Duration {
    let times = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(times.split(' ').next().unwrap().parse().unwrap())
}

fn replay(name: &str) {
    let (_, check) = TARGETS.iter().find(|(known, _)| *known == name).unwrap();
    // Empty, cut and endless inputs are not worth files of their own.
    check(b"");
    check(&[0; MAX_INPUT]);
    check(&[0xff; MAX_INPUT]);
    let corpus = files(&root().join("corpus").join(name));
    assert!(!corpus.is_empty(), "there is no corpus of {name}");
    for path in corpus
        .iter()
        .chain(&files(&root().join("crashes").join(name)))
    {
        let data = fs::read(path).unwrap();
        // What a panic is about.
        eprintln!("{}", path.display());
        let begun = processor();
        check(&data);
        let took = processor().saturating_sub(begun);
        assert!(took < LIMIT, "took {took:?}");
    }
}

macro_rules! replayed {
    ($($name:ident),*) => {
        $(#[test]
        fn $name() {
            replay(stringify!($name));
        })*

        #[test]
        fn every_target_is_replayed_and_has_a_binary() {
            let mut replayed = vec![$(stringify!($name)),*];
            replayed.sort_unstable();
            assert_eq!(TARGETS.map(|(name, _)| name).to_vec(), replayed);
            let binaries = files(&root().join("fuzz_targets"));
            let binaries: Vec<_> = binaries
                .iter()
                .map(|path| path.file_stem().unwrap().to_str().unwrap())
                .collect();
            assert_eq!(binaries, replayed);
            for directory in ["corpus", "crashes", "dictionaries"] {
                for path in files(&root().join(directory)) {
                    let name = path.file_stem().unwrap().to_str().unwrap();
                    assert!(replayed.contains(&name), "{} is of no target", path.display());
                }
            }
        }
    };
}

replayed!(
    ansi,
    browser,
    config,
    cron,
    crontab,
    machine_frame,
    machine_v1,
    machine_v2,
    targets
);
