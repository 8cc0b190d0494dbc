//! A directory of the earlier implementation.

use chrono_tz::Tz;
use saltpeter_domain::config::{CheckReport, FileChange, JobSet, Loader, migration_notes};
use saltpeter_protocol::UnixMillis;
use std::path::Path;

/// 2026-06-01T00:00:00Z.
const NOW: UnixMillis = UnixMillis(1_780_272_000_000);

fn check(files: &[(String, FileChange)], zone: Tz) -> (JobSet, CheckReport) {
    let set = Loader::new(zone).apply(files.iter().cloned(), NOW);
    let notes = migration_notes(files, &set, NOW);
    let report = CheckReport::new(&set).with_notes(notes);
    (set, report)
}

fn file(name: &str, text: &str) -> (String, FileChange) {
    let bytes = text.as_bytes().to_vec();
    (name.to_owned(), FileChange::Content(bytes))
}

#[test]
fn it_loads_as_it_is_and_what_is_different_is_said() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/earlier");
    let mut files: Vec<_> = ["backup.yaml", "saltpeter.yaml", "web.yaml"]
        .map(|name| file(name, &std::fs::read_to_string(dir.join(name)).unwrap()))
        .into();
    let (set, report) = check(&files, Tz::Europe__Berlin);
    assert!(report.is_good(), "{}", report.lines());
    assert_eq!(set.jobs.len(), 6);
    insta::assert_snapshot!(format!("{}{}", report.lines(), report.summary()));

    // What the notes advise about time makes the schedules what they were.
    files.push(file("zone.yaml", "saltpeter_config: {timezone: UTC}\n"));
    let (_, report) = check(&files, Tz::Europe__Berlin);
    assert!(
        !report.lines().contains("it was read in UTC"),
        "{}",
        report.lines()
    );
}

#[test]
fn only_schedules_that_change_are_noted_also_where_only_summer_does() {
    let job = |fields: &str| {
        format!("a:\n  {fields}\n  command: x\n  targets: '*'\n  target_type: glob\n")
    };
    for (zone, fields, noted) in [
        (Tz::UTC, "schedule: '0 2 * * *'", false),
        // Now it is summer there, and half a year on it is not: one of the two differs.
        (Tz::Europe__London, "schedule: '0 2 * * *'", true),
        (Tz::Africa__Abidjan, "schedule: '0 2 * * *'", false),
        (Tz::Europe__Berlin, "schedule: '*/5 * * * *'", false),
        (
            Tz::Europe__Berlin,
            "schedule: '0 2 * * *'\n  utc: true",
            false,
        ),
        (Tz::Asia__Kolkata, "schedule: '0 * * * *'", true),
    ] {
        let (_, report) = check(&[file("a.yaml", &job(fields))], zone);
        let has = report.lines().contains("it was read in UTC");
        assert_eq!(has, noted, "{zone} {fields}: {}", report.lines());
    }
}

#[test]
fn defaults_that_changed_are_noted_where_there_are_no_settings() {
    let (_, report) = check(&[file("a.yml", ""), file("b.yaml", "[")], Tz::UTC);
    insta::assert_snapshot!(report.lines());
}
