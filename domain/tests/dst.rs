//! The rule for changing clocks, in zones of every kind.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use chrono::{DateTime, SecondsFormat, TimeZone, Utc};
use chrono_tz::Tz;
use proptest::prelude::*;
use saltpeter_domain::schedule::{DstNote, Schedule, Zone};
use saltpeter_protocol::UnixMillis;

fn instant(text: &str) -> UnixMillis {
    UnixMillis(
        DateTime::parse_from_rfc3339(text)
            .unwrap()
            .timestamp_millis(),
    )
}

fn schedule(expression: &str, zone: &str) -> (Schedule, Tz) {
    let zone: Tz = zone.parse().unwrap();
    (
        Schedule::parse(expression, Zone::Named(zone)).unwrap(),
        zone,
    )
}

fn local(at: UnixMillis, zone: Tz) -> String {
    let utc = DateTime::<Utc>::from_timestamp(at.seconds(), 0).unwrap();
    utc.with_timezone(&zone)
        .to_rfc3339_opts(SecondsFormat::Secs, false)
}

/// The fire times after `after` and not after `until`, in local time.
fn times(expression: &str, zone: &str, after: &str, until: &str) -> Vec<String> {
    let (schedule, tz) = schedule(expression, zone);
    let until = instant(until);
    schedule
        .after(instant(after), Tz::UTC)
        .take_while(|at| *at <= until)
        .map(|at| local(at, tz))
        .collect()
}

/// A gap and a fold of a zone, and what a daily job within each of them does.
struct Change {
    zone: &'static str,
    /// A daily job in the gap.
    in_gap: &'static str,
    /// From and to around the gap, two days and more.
    gap: [&'static str; 2],
    gap_fires: &'static [&'static str],
    /// A daily job in the fold.
    in_fold: &'static str,
    fold: [&'static str; 2],
    fold_fires: &'static [&'static str],
}

const CHANGES: &[Change] = &[
    Change {
        zone: "Europe/Berlin",
        in_gap: "30 2 * * *",
        gap: ["2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z"],
        gap_fires: &["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"],
        in_fold: "30 2 * * *",
        fold: ["2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z"],
        fold_fires: &["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"],
    },
    Change {
        zone: "America/New_York",
        in_gap: "0 2 * * *",
        gap: ["2026-03-07T12:00:00Z", "2026-03-09T12:00:00Z"],
        gap_fires: &["2026-03-08T03:00:00-04:00", "2026-03-09T02:00:00-04:00"],
        in_fold: "59 1 * * *",
        fold: ["2026-10-31T12:00:00Z", "2026-11-02T12:00:00Z"],
        fold_fires: &["2026-11-01T01:59:00-04:00", "2026-11-02T01:59:00-05:00"],
    },
    // Half an hour.
    Change {
        zone: "Australia/Lord_Howe",
        in_gap: "15 2 * * *",
        gap: ["2026-10-03T00:00:00Z", "2026-10-05T00:00:00Z"],
        gap_fires: &["2026-10-04T02:30:00+11:00", "2026-10-05T02:15:00+11:00"],
        in_fold: "45 1 * * *",
        fold: ["2026-04-04T00:00:00Z", "2026-04-06T00:00:00Z"],
        fold_fires: &["2026-04-05T01:45:00+11:00", "2026-04-06T01:45:00+10:30"],
    },
    // At midnight, so that the day has no 00:00, and a day before has two.
    Change {
        zone: "America/Havana",
        in_gap: "0 0 * * *",
        gap: ["2026-03-07T12:00:00Z", "2026-03-09T12:00:00Z"],
        gap_fires: &["2026-03-08T01:00:00-04:00", "2026-03-09T00:00:00-04:00"],
        in_fold: "0 0 * * *",
        fold: ["2026-10-31T12:00:00Z", "2026-11-02T12:00:00Z"],
        fold_fires: &["2026-11-01T00:00:00-04:00", "2026-11-02T00:00:00-05:00"],
    },
    Change {
        zone: "Asia/Beirut",
        in_gap: "5 0 * * *",
        gap: ["2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z"],
        gap_fires: &["2026-03-29T01:00:00+03:00", "2026-03-30T00:05:00+03:00"],
        in_fold: "30 23 * * *",
        fold: ["2026-10-24T12:00:00Z", "2026-10-25T22:00:00Z"],
        fold_fires: &["2026-10-24T23:30:00+03:00", "2026-10-25T23:30:00+02:00"],
    },
    // The southern half of the world.
    Change {
        zone: "Australia/Sydney",
        in_gap: "30 2 * * *",
        gap: ["2026-10-03T00:00:00Z", "2026-10-04T23:00:00Z"],
        gap_fires: &["2026-10-04T03:00:00+11:00", "2026-10-05T02:30:00+11:00"],
        in_fold: "30 2 * * *",
        fold: ["2026-04-04T00:00:00Z", "2026-04-05T23:00:00Z"],
        fold_fires: &["2026-04-05T02:30:00+11:00", "2026-04-06T02:30:00+10:00"],
    },
    // Back for Ramadan, and forth after it.
    Change {
        zone: "Africa/Casablanca",
        in_gap: "30 2 * * *",
        gap: ["2026-03-21T12:00:00Z", "2026-03-23T12:00:00Z"],
        gap_fires: &["2026-03-22T03:00:00+01:00", "2026-03-23T02:30:00+01:00"],
        in_fold: "30 2 * * *",
        fold: ["2026-02-14T12:00:00Z", "2026-02-16T12:00:00Z"],
        fold_fires: &["2026-02-15T02:30:00+01:00", "2026-02-16T02:30:00+00:00"],
    },
    Change {
        zone: "Africa/Cairo",
        in_gap: "30 0 * * *",
        gap: ["2026-04-23T12:00:00Z", "2026-04-25T12:00:00Z"],
        gap_fires: &["2026-04-24T01:00:00+03:00", "2026-04-25T00:30:00+03:00"],
        in_fold: "30 23 * * *",
        fold: ["2026-10-29T12:00:00Z", "2026-10-30T22:00:00Z"],
        fold_fires: &["2026-10-29T23:30:00+03:00", "2026-10-30T23:30:00+02:00"],
    },
];

#[test]
fn a_fixed_time_in_the_gap_fires_once_at_the_first_moment_after_it() {
    for change in CHANGES {
        let [after, until] = change.gap;
        assert_eq!(
            times(change.in_gap, change.zone, after, until),
            change.gap_fires,
            "{}",
            change.zone
        );
    }
}

#[test]
fn a_fixed_time_that_occurs_twice_fires_once_at_the_first() {
    for change in CHANGES {
        let [after, until] = change.fold;
        assert_eq!(
            times(change.in_fold, change.zone, after, until),
            change.fold_fires,
            "{}",
            change.zone
        );
    }
}

#[test]
fn an_interval_follows_elapsed_time_over_both_changes() {
    for change in CHANGES {
        for [after, until] in [change.gap, change.fold] {
            let (schedule, _) = schedule("*/15 * * * *", change.zone);
            let until = instant(until);
            let mut before = instant(after);
            for at in schedule
                .after(before, Tz::UTC)
                .take_while(|at| *at <= until)
            {
                assert_eq!(
                    at.seconds() - before.seconds(),
                    900,
                    "{} {:?}",
                    change.zone,
                    at
                );
                before = at;
            }
            assert_eq!(before, until, "{}", change.zone);
        }
    }
}

#[test]
fn an_hourly_job_runs_in_both_passes_of_an_hour_and_not_in_a_missing_one() {
    assert_eq!(
        times(
            "30 * * * *",
            "Europe/Berlin",
            "2026-10-24T23:00:00Z",
            "2026-10-25T02:59:00Z"
        ),
        [
            "2026-10-25T01:30:00+02:00",
            "2026-10-25T02:30:00+02:00",
            "2026-10-25T02:30:00+01:00",
            "2026-10-25T03:30:00+01:00"
        ]
    );
    assert_eq!(
        times(
            "30 * * * *",
            "Europe/Berlin",
            "2026-03-28T23:59:00Z",
            "2026-03-29T02:00:00Z"
        ),
        ["2026-03-29T01:30:00+01:00", "2026-03-29T03:30:00+02:00"]
    );
}

#[test]
fn several_fixed_times_in_one_gap_make_one_start() {
    assert_eq!(
        times(
            "0,20,40 2,3 * * *",
            "Europe/Berlin",
            "2026-03-28T23:00:00Z",
            "2026-03-29T01:30:00Z"
        ),
        ["2026-03-29T03:00:00+02:00", "2026-03-29T03:20:00+02:00"]
    );
}

#[test]
fn a_fixed_time_does_not_come_again_when_asked_for_within_the_second_pass() {
    assert_eq!(
        times(
            "10,50 2 * * *",
            "Europe/Berlin",
            "2026-10-25T01:20:00Z",
            "2026-10-26T01:20:00Z"
        ),
        ["2026-10-26T02:10:00+01:00"]
    );
}

#[test]
fn a_day_that_a_zone_leaves_out_is_made_up_for() {
    // Samoa went over the date line and had no 30 December 2011.
    assert_eq!(
        times(
            "0 10 * * *",
            "Pacific/Apia",
            "2011-12-29T00:00:00Z",
            "2011-12-31T00:00:00Z"
        ),
        [
            "2011-12-29T10:00:00-10:00",
            "2011-12-31T00:00:00+14:00",
            "2011-12-31T10:00:00+14:00"
        ]
    );
}

#[test]
fn the_rule_holds_to_the_end_of_2099_and_there_it_ends() {
    let last = times(
        "30 2 * * *",
        "Europe/Berlin",
        "2099-12-29T12:00:00Z",
        "2101-01-01T00:00:00Z",
    );
    assert_eq!(
        last,
        ["2099-12-30T02:30:00+01:00", "2099-12-31T02:30:00+01:00"]
    );
    assert_eq!(
        times(
            "30 2 29 3 *",
            "Europe/Berlin",
            "2099-01-01T00:00:00Z",
            "2101-01-01T00:00:00Z"
        ),
        ["2099-03-29T03:00:00+02:00"]
    );
}

#[test]
fn the_preview_marks_what_a_change_of_the_clock_does() {
    let notes = |expression: &str, after: &str| -> Vec<Option<DstNote>> {
        let (schedule, zone) = schedule(expression, "Europe/Berlin");
        schedule
            .preview(instant(after), zone, 3)
            .into_iter()
            .map(|occurrence| occurrence.dst)
            .collect()
    };
    assert_eq!(
        notes("30 2 * * *", "2026-03-28T00:00:00Z"),
        [None, Some(DstNote::AfterGap), None]
    );
    assert_eq!(
        notes("30 2 * * *", "2026-10-24T12:00:00Z"),
        [Some(DstNote::FirstPass), None, None]
    );
    assert_eq!(
        notes("0 * * * *", "2026-10-24T23:30:00Z"),
        [Some(DstNote::FirstPass), Some(DstNote::SecondPass), None]
    );
}

fn field(low: u32, high: u32) -> impl Strategy<Value = String> {
    prop_oneof![
        3 => Just("*".to_owned()),
        3 => (low..=high).prop_map(|value| value.to_string()),
        1 => (1..=high).prop_map(|step| format!("*/{step}")),
        2 => (low..=high, low..=high).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
        1 => (low..=high, low..=high, low..=high).prop_map(|(a, b, c)| format!("{a},{b},{c}")),
    ]
}

prop_compose! {
    fn expression()(sec in field(0, 59), min in field(0, 59), hour in field(0, 23), dom in field(1, 31),
                    mon in field(1, 12), dow in field(0, 7)) -> String {
        format!("{sec} {min} {hour} {dom} {mon} {dow}")
    }
}

fn any_zone() -> impl Strategy<Value = Tz> {
    prop::sample::select(chrono_tz::TZ_VARIANTS.to_vec())
}

const FROM: i64 = 0;
const TO: i64 = 4_102_444_800;

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn fire_times_always_move_forward(expression in expression(), zone in any_zone(), after in FROM..TO) {
        let schedule = Schedule::parse(&expression, Zone::Named(zone)).unwrap();
        let mut before = UnixMillis(after * 1000 + 500);
        for at in schedule.after(before, Tz::UTC).take(20) {
            prop_assert!(at > before);
            prop_assert_eq!(at.0 % 1000, 0);
            before = at;
        }
    }

    #[test]
    fn a_next_time_does_not_depend_on_where_before_it_one_asks(
        expression in expression(), zone in any_zone(), after in FROM..TO, part in 0.0..1.0f64,
    ) {
        let schedule = Schedule::parse(&expression, Zone::Named(zone)).unwrap();
        let start = UnixMillis(after * 1000);
        if let Some(next) = schedule.next_after(start, Tz::UTC) {
            let between = start.0 + ((next.0 - start.0 - 1) as f64 * part) as i64;
            prop_assert_eq!(schedule.next_after(UnixMillis(between), Tz::UTC), Some(next));
        }
    }

    #[test]
    fn an_interval_fires_exactly_where_the_wall_clock_matches(
        hour in field(0, 23), dow in field(0, 7), zone in any_zone(), after in FROM..TO,
    ) {
        // `*` in the minutes makes it a wildcard; every minute of two days is looked at.
        let schedule = Schedule::parse(&format!("* {hour} * * {dow}"), Zone::Named(zone)).unwrap();
        let in_utc = Schedule::parse(&format!("* {hour} * * {dow}"), Zone::Named(Tz::UTC)).unwrap();
        let start = after - after.rem_euclid(60);
        let until = UnixMillis::from_seconds(start + 2 * 86_400);
        let found: Vec<_> = schedule.after(UnixMillis::from_seconds(start), Tz::UTC).take_while(|at| *at <= until).collect();
        let expected: Vec<_> = (1..=2 * 1440)
            .map(|minute| UnixMillis::from_seconds(start + minute * 60))
            .filter(|at| {
                let wall = zone.from_utc_datetime(&DateTime::<Utc>::from_timestamp(at.seconds(), 0).unwrap().naive_utc()).naive_local();
                let as_utc = UnixMillis(wall.and_utc().timestamp_millis());
                in_utc.next_after(UnixMillis(as_utc.0 - 1), Tz::UTC) == Some(as_utc)
            })
            .collect();
        // Offsets with seconds in them, long ago, put the wall clock between minutes.
        prop_assume!(zone.from_utc_datetime(&DateTime::<Utc>::from_timestamp(start, 0).unwrap().naive_utc()).naive_local().and_utc().timestamp() % 60 == 0);
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn in_utc_the_times_are_those_of_croner(expression in expression(), after in FROM..TO) {
        let ours = Schedule::parse(&expression, Zone::Named(Tz::UTC)).unwrap();
        let theirs = croner::parser::CronParser::builder().dom_and_dow(true).build().parse(&expression).unwrap();
        let mut at = DateTime::<Utc>::from_timestamp(after, 0).unwrap();
        for found in ours.after(UnixMillis::from_seconds(after), Tz::UTC).take(5) {
            at = theirs.find_next_occurrence(&at, false).unwrap();
            prop_assert_eq!(found.seconds(), at.timestamp());
        }
    }
}
