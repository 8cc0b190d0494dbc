//! Schedules: an expression, or seven fields on lines of their own. The first byte chooses the zone and the time.
//!
//! Errors point into the text. What is read fires at whole seconds, later each time, up to 2099; the time that follows is the
//! same whether it is asked for from far or from just before; the expression that it shows is read as the same schedule.

use chrono_tz::Tz;
use saltpeter_domain::schedule::{NextTimes, Schedule, ScheduleError, Zone};
use saltpeter_protocol::UnixMillis;
use std::time::Duration;

/// With and without changes of the clock, at night and at midnight, by an hour and by half of one.
const ZONES: [Tz; 6] = [
    Tz::UTC,
    Tz::Europe__Berlin,
    Tz::America__New_York,
    Tz::Australia__Lord_Howe,
    Tz::America__Sao_Paulo,
    Tz::Asia__Kathmandu,
];

/// Moments to look from: before a change of the clock in Berlin, in its middle, a leap day, 2099's end, before 1970.
const MOMENTS: [i64; 5] = [
    1_774_745_999_123,
    1_792_976_400_000,
    1_709_164_800_000,
    4_102_444_799_000,
    -1,
];

/// 2100-01-01T14:00:00Z: later than every end of 2099, whatever the zone.
const END: UnixMillis = UnixMillis(4_102_495_200_000);

/// Fire times that are looked at.
const TIMES: usize = 8;

/// One expression.
pub fn check(data: &[u8]) {
    let Some((&choice, text)) = data.split_first() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    let zone = ZONES[usize::from(choice) % ZONES.len()];
    let from = UnixMillis(MOMENTS[usize::from(choice) / ZONES.len() % MOMENTS.len()]);
    match Schedule::parse_all(text, Zone::Named(zone)) {
        Ok(schedule) => {
            fires(&schedule, from, zone);
            let again = Schedule::parse(schedule.expression(), Zone::Named(zone));
            assert_eq!(again.as_ref(), Ok(&schedule));
            let shown = NextTimes::compute(text, from, TIMES, zone);
            assert!(shown.is_ok_and(|shown| !shown.words.is_empty()));
        }
        Err(errors) => points_into(&errors, text),
    }
    let lines: Vec<&str> = text.split('\n').collect();
    let Ok(fields) = <[&str; 7]>::try_from(lines) else {
        return;
    };
    match Schedule::from_fields(fields, Zone::Default) {
        Ok(schedule) => fires(&schedule, from, zone),
        Err(errors) => {
            for error in &errors {
                let Some(field) = error.field else {
                    panic!("{error:?} is of no field");
                };
                points_into(std::slice::from_ref(error), fields[field as usize]);
            }
        }
    }
}

fn points_into(errors: &[ScheduleError], text: &str) {
    assert!(!errors.is_empty());
    for error in errors {
        assert!(!error.message.is_empty());
        assert!(
            error.offset <= text.chars().count(),
            "{error:?} in {text:?}"
        );
    }
}

fn fires(schedule: &Schedule, from: UnixMillis, zone: Tz) {
    let times = schedule.preview(from, zone, TIMES);
    let mut last = from;
    for time in &times {
        assert!(time.at > last && time.at < END, "{times:?}");
        assert_eq!(time.at.0 % 1000, 0, "{times:?}");
        let just_before = time.at - Duration::from_millis(1);
        assert_eq!(schedule.next_after(just_before, zone), Some(time.at));
        last = time.at;
    }
    if !times.is_empty() {
        assert!(schedule.ever_fires());
    }
}
