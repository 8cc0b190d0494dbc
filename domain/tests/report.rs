//! Schedules in words, and what `next` and `check` print.

use chrono_tz::Tz;
use saltpeter_domain::Schedule;
use saltpeter_domain::config::{CheckReport, FileChange, JobSetDiff, Loader};
use saltpeter_domain::schedule::{NextTimes, Zone, parse_zone};
use saltpeter_protocol::UnixMillis;

/// 2026-03-28T12:00:00Z.
const NOW: UnixMillis = UnixMillis(1_774_699_200_000);

#[test]
fn schedules_read_well_in_words() {
    let expressions = [
        "0 2 * * *",
        "*/15 * * * *",
        "* * * * *",
        "0 * * * *",
        "5 * * * *",
        "*/10 * * * * *",
        "* * * * * *",
        "0 */2 * * *",
        "30 */6 * * *",
        "30 6 * * 1-5",
        "0 4 * * 0",
        "0 4 * * sat-sun",
        "0 4 * * mon,wed,fri",
        "0 6,18 * * *",
        "0 2 1 * *",
        "0 2 L * *",
        "0 2 * * 5L",
        "0 0 1 1 *",
        "0 0 * jan,jul *",
        "*/5 * * * 1-5",
        "15 30 2 * * *",
        "0 0 1 * 1",
        "0 0 12 * * * 2030",
        "1-50 * * * *",
        "@daily",
        "@hourly",
    ];
    let lines = expressions.map(|text| {
        format!(
            "{text:22} {}",
            Schedule::parse(text, Zone::Default).unwrap().words()
        )
    });
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn next_prints_one_time_a_line_in_the_offset_of_the_zone() {
    let next = NextTimes::compute("0 30 2 * * * *", NOW, 3, Tz::Europe__Berlin).unwrap();
    assert_eq!(
        next.lines(),
        "2026-03-29T03:00:00+02:00\n2026-03-30T02:30:00+02:00\n2026-03-31T02:30:00+02:00\n"
    );
    insta::assert_json_snapshot!(next);
    let utc = NextTimes::compute("@daily", NOW, 1, Tz::UTC).unwrap();
    assert_eq!(utc.lines(), "2026-03-29T00:00:00+00:00\n");
    let none = NextTimes::compute("0 0 30 2 *", NOW, 3, Tz::UTC).unwrap();
    assert_eq!(none.lines(), "");
}

#[test]
fn a_wrong_expression_or_zone_is_answered_in_one_clear_line() {
    let error = |text: &str| {
        NextTimes::compute(text, NOW, 1, Tz::UTC)
            .unwrap_err()
            .to_string()
    };
    let lines = [
        error("0 25 * * *"),
        error("1 2 3"),
        error(""),
        error("@never"),
        error("*/0 * * * *"),
        error("0 0 5/2 * *"),
        error("0 ? * * *"),
        parse_zone("europe/berlin").unwrap_err(),
        parse_zone("CEST").unwrap_err(),
    ];
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn check_reports_every_problem_and_sums_up() {
    let file = |name: &str, text: &str| (name.to_owned(), FileChange::Content(text.into()));
    let set = Loader::new(Tz::UTC).apply(
        [
            file(
                "a.yaml",
                "a: {schedule: '0 24 * * *', command: x, targets: '*', tmeout: 5}\nb: {}\n",
            ),
            file(
                "b.yaml",
                "c: {schedule: '@daily', command: x, targets: '*'}\n",
            ),
        ],
        NOW,
    );
    let report = CheckReport::new(&set);
    assert!(!report.is_good());
    assert_eq!(report.summary(), "2 files, 1 job: 2 errors, 1 warning");
    insta::assert_snapshot!(report.lines());
    insta::assert_json_snapshot!(report);
}

#[test]
fn a_new_configuration_is_told_apart_from_the_old() {
    let mut loader = Loader::new(Tz::UTC);
    let file = |text: &str| [("a.yaml".to_owned(), FileChange::Content(text.into()))];
    let old = loader.apply(
        file("saltpeter_config: {api_ws_port: 1, timezone: UTC}\na: {schedule: '@daily', command: x, targets: '*'}\nb: {schedule: '@daily', command: x, targets: '*'}\nc: {schedule: '@daily', command: x, targets: '*'}\n"),
        NOW,
    );
    let new = loader.apply(
        file("# one line down\nsaltpeter_config: {api_ws_port: 2, timezone: Asia/Tokyo}\nsaltpeter_maintenance: {global: true}\na: {schedule: '@daily', command: x, targets: '*'}\nb: {schedule: '@daily', command: y, targets: '*'}\nd: {schedule: '@daily', command: x, targets: '*'}\n"),
        NOW,
    );
    let diff = JobSetDiff::between(&old, &new);
    insta::assert_json_snapshot!(diff);
    assert_eq!(diff.needs_restart().collect::<Vec<_>>(), ["api_ws_port"]);
    assert!(JobSetDiff::between(&new, &new).is_empty());
}
