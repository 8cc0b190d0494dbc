//! The directory over time: files that turn bad, mend, come and go.

use super::{GOOD, NOW, content, job, load, problems};
use chrono_tz::Tz;
use saltpeter_domain::config::{FileChange, FileState, JobSet, Loader, MAX_FILE_BYTES};
use saltpeter_domain::job::Timeout;
use saltpeter_protocol::JobName;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

fn names(set: &JobSet) -> Vec<&str> {
    set.jobs.keys().map(JobName::as_str).collect()
}

#[test]
fn bytes_that_are_no_text_are_located() {
    let mut loader = Loader::new(Tz::UTC);
    let set = loader.apply(
        [(
            "x.yaml".to_owned(),
            FileChange::Content(b"a: 1\n\xc3\xa4b: \xff\n".to_vec()),
        )],
        NOW,
    );
    assert_eq!(
        problems(&set),
        "x.yaml:2:5: error: the byte 0xff is not UTF-8; save the file as UTF-8\n"
    );
}

#[test]
fn files_of_any_size_are_refused_above_the_limit_and_do_not_stop_others() {
    let big = vec![b'#'; 10_000_000];
    assert!(big.len() as u64 > MAX_FILE_BYTES);
    let mut loader = Loader::new(Tz::UTC);
    let set = loader.apply(
        [
            ("big.yaml".to_owned(), FileChange::Content(big)),
            content("a.yaml", GOOD),
        ],
        NOW,
    );
    assert_eq!(names(&set), ["a"]);
    assert!(problems(&set).starts_with("big.yaml:1:1: error: the file has 10000000 bytes"));
    assert_eq!(loader.parsed_files(), 1);
}

#[test]
fn an_empty_file_and_one_of_comments_are_fine() {
    let set = load(&[
        ("a.yaml", ""),
        ("b.yaml", "# nothing yet\n"),
        (
            "c.yaml",
            "\u{feff}a: {schedule: '@daily', command: x, targets: y}\n",
        ),
    ]);
    assert_eq!(problems(&set), "");
    assert_eq!(names(&set), ["a"]);
}

#[test]
fn a_job_in_two_files_is_an_error_on_the_second() {
    let set = load(&[("b.yaml", GOOD), ("a.yaml", &format!("# first\n{GOOD}"))]);
    assert_eq!(
        problems(&set),
        "b.yaml:1:1: error: job \"a\" is already defined at a.yaml:2:1; this one is ignored\n"
    );
    assert_eq!(set.jobs["a"].group, "a");
    assert_eq!(set.invalid.len(), 1);
}

#[test]
fn at_the_first_load_one_bad_job_does_not_stop_the_others_of_its_file() {
    let set = load(&[(
        "x.yaml",
        &format!("{}{}", job("good", ""), job("bad", "  timeout: x\n")),
    )]);
    assert_eq!(names(&set), ["good"]);
    assert_eq!(set.invalid[0].name, "bad");
    assert!(!set.invalid[0].last_good_in_force);
    assert_eq!(set.files[0].state, FileState::Partial);
}

#[test]
fn a_file_that_turns_bad_keeps_its_last_good_version_and_all_others_go_on() {
    let mut loader = Loader::new(Tz::UTC);
    let two = format!("{}{}", job("x", ""), job("y", ""));
    loader.apply(
        [content("x.yaml", &two), content("z.yaml", &job("z", ""))],
        NOW,
    );
    for bad in [
        "x: [",
        "- 1",
        &format!("{}{}", job("x", "  timeout: no\n"), job("new", "")),
    ] {
        let set = loader.apply(
            [
                content("x.yaml", bad),
                content("z.yaml", &job(&format!("z{}", bad.len()), "")),
            ],
            NOW,
        );
        assert_eq!(names(&set), ["x", "y", &format!("z{}", bad.len())]);
        assert_eq!(set.files[0].state, FileState::LastGood);
        assert_eq!(set.files[0].errors, 1);
        assert_eq!(set.jobs["x"].timeout, Timeout::DEFAULT);
        assert!(set.has_errors());
    }
    let set = loader.apply([content("x.yaml", &job("x", "  timeout: 5\n"))], NOW);
    assert_eq!(
        set.jobs["x"].timeout,
        Timeout::After(Duration::from_secs(5))
    );
    assert!(!set.jobs.contains_key("y"));
    assert_eq!(
        (set.files[0].state, set.has_errors()),
        (FileState::Current, false)
    );
    let set = loader.apply([("x.yaml".to_owned(), FileChange::Removed)], NOW);
    assert!(!set.jobs.contains_key("x"));
    assert_eq!(set.files.len(), 1);
}

#[test]
fn a_file_that_was_never_good_follows_its_edits() {
    let mut loader = Loader::new(Tz::UTC);
    let bad = job("bad", "  timeout: x\n");
    loader.apply(
        [content("x.yaml", &format!("{}{bad}", job("one", "")))],
        NOW,
    );
    let set = loader.apply(
        [content("x.yaml", &format!("{}{bad}", job("two", "")))],
        NOW,
    );
    assert_eq!(names(&set), ["two"]);
    let set = loader.apply([content("x.yaml", "x: [")], NOW);
    assert_eq!(names(&set), ["two"]);
}

#[test]
fn a_reload_of_one_changed_file_among_200_parses_only_that_file() {
    let mut loader = Loader::new(Tz::UTC);
    let files: Vec<_> = (0..200)
        .map(|n| content(&format!("f{n:03}.yaml"), &job(&format!("job{n}"), "")))
        .collect();
    let before = loader.apply(files.clone(), NOW);
    assert_eq!((before.jobs.len(), loader.parsed_files()), (200, 200));
    // The whole directory is handed over again; one file differs.
    let mut again = files;
    again[7] = content("f007.yaml", &job("job7", "  timeout: 7\n"));
    let after = loader.apply(again, NOW);
    assert_eq!(loader.parsed_files(), 201);
    for (name, job) in &after.jobs {
        assert_eq!(
            Arc::ptr_eq(job, &before.jobs[name]),
            name.as_str() != "job7",
            "{name}"
        );
    }
}

#[test]
fn a_file_that_cannot_be_read_keeps_its_last_good_version_until_it_can() {
    let mut loader = Loader::new(Tz::UTC);
    loader.apply([content("x.yaml", GOOD)], NOW);
    let set = loader.apply(
        [(
            "x.yaml".to_owned(),
            FileChange::Unreadable("Permission denied".to_owned()),
        )],
        NOW,
    );
    assert_eq!(names(&set), ["a"]);
    assert_eq!(
        problems(&set),
        "x.yaml:1:1: error: cannot be read: Permission denied\n"
    );
    let set = loader.apply([content("x.yaml", GOOD)], NOW);
    assert_eq!(problems(&set), "");
}

/// The processor time that this thread has taken: however busy the machine is, it is the same.
fn processor() -> Duration {
    let times = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let taken = times.split(' ').next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(taken.unwrap_or_default())
}

#[test]
fn loading_is_linear_in_the_number_of_jobs() {
    let took = |jobs: usize| {
        let mut text = String::new();
        for n in 0..jobs {
            let _ = write!(
                text,
                "job{n}:\n  min: {}\n  hour: '*'\n  dom: '*'\n  mon: '*'\n  dow: '*'\n  command: echo {n}\n  targets: 'web*'\n",
                n % 60
            );
        }
        assert!((text.len() as u64) < MAX_FILE_BYTES);
        let begun = processor();
        let set = load(&[("all.yaml", &text)]);
        assert_eq!(set.jobs.len(), jobs);
        processor().saturating_sub(begun)
    };
    let (few, many) = (took(500), took(10_000));
    // Twenty times as many; what grows with their square would take four hundred times as long.
    assert!(many < few * 100, "{few:?} {many:?}");
}
