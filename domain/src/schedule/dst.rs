//! From wall-clock times to moments, in zones that change their clocks.
//!
//! The rule is that of Vixie cron. A fixed-time schedule whose time falls in the gap of a spring change fires at the first
//! moment after the gap; one whose time occurs twice in autumn fires once, at the first. A schedule with a wildcard in
//! hour, minute or second fires at every moment whose wall clock it names, so it neither skips nor doubles: an hour that the clock
//! passes twice is two hours of elapsed time, one that it jumps over is none.

use super::fields::Fields;
use chrono::{DateTime, MappedLocalTime, NaiveDateTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

const SECOND: TimeDelta = TimeDelta::seconds(1);

/// The first moment after `after` (Unix seconds) at which `fields`, read in `zone`, fire.
pub(super) fn next_after(fields: &Fields, zone: Tz, after: i64) -> Option<i64> {
    let local = wall_clock(zone, after)?;
    if zone == Tz::UTC {
        return fields.next_at_or_after(local + SECOND).map(seconds);
    }
    if fields.is_fixed_time() {
        next_fixed(fields, zone, after, local)
    } else {
        next_elapsed(fields, zone, after, local)
    }
}

fn next_fixed(fields: &Fields, zone: Tz, after: i64, local: NaiveDateTime) -> Option<i64> {
    let mut from = local + SECOND;
    loop {
        let candidate = fields.next_at_or_after(from)?;
        let moment = match zone.from_local_datetime(&candidate) {
            MappedLocalTime::Single(moment) | MappedLocalTime::Ambiguous(moment, _) => {
                moment.timestamp()
            }
            MappedLocalTime::None => end_of_gap(zone, candidate),
        };
        // Within the second pass of a repeated hour its times lie behind: they fired in the first.
        if moment > after {
            return Some(moment);
        }
        from = candidate + SECOND;
    }
}

fn next_elapsed(fields: &Fields, zone: Tz, after: i64, local: NaiveDateTime) -> Option<i64> {
    let mut from = local + SECOND;
    if let MappedLocalTime::Ambiguous(first, second) = zone.from_local_datetime(&local)
        && first.timestamp() == after
    {
        // In the first pass: what is left of it comes before the whole second pass.
        let turn = change_between(zone, after, second.timestamp());
        if let Some(candidate) = fields.next_at_or_after(from)
            && let MappedLocalTime::Ambiguous(moment, _) = zone.from_local_datetime(&candidate)
            && moment.timestamp() < turn
        {
            return Some(moment.timestamp());
        }
        from = wall_clock(zone, turn)?;
    }
    loop {
        let candidate = fields.next_at_or_after(from)?;
        let moment = match zone.from_local_datetime(&candidate) {
            MappedLocalTime::Single(moment) => moment.timestamp(),
            MappedLocalTime::Ambiguous(first, second) => {
                if first.timestamp() > after {
                    first.timestamp()
                } else {
                    second.timestamp()
                }
            }
            MappedLocalTime::None => {
                from = wall_clock(zone, end_of_gap(zone, candidate))?;
                continue;
            }
        };
        if moment > after {
            return Some(moment);
        }
        from = candidate + SECOND;
    }
}

/// What the clocks of `zone` show at `moment` (Unix seconds).
pub(super) fn wall_clock(zone: Tz, moment: i64) -> Option<NaiveDateTime> {
    Some(
        DateTime::<Utc>::from_timestamp(moment, 0)?
            .with_timezone(&zone)
            .naive_local(),
    )
}

fn seconds(utc: NaiveDateTime) -> i64 {
    utc.and_utc().timestamp()
}

fn offset(zone: Tz, moment: i64) -> i32 {
    DateTime::<Utc>::from_timestamp(moment, 0).map_or(0, |utc| {
        zone.offset_from_utc_datetime(&utc.naive_utc())
            .fix()
            .local_minus_utc()
    })
}

/// The first moment after the gap in which the wall-clock time `inside` lies.
pub(super) fn end_of_gap(zone: Tz, inside: NaiveDateTime) -> i64 {
    // Offsets run from -12 to +14 hours, and a gap is a day at most, so the change lies within this window.
    const REACH: i64 = 16 * 3600;
    let around = seconds(inside);
    change_between(zone, around - REACH, around + REACH)
}

/// The first moment in `(low, high]` at which the offset is no longer that of `low`; `high` if there is none.
fn change_between(zone: Tz, mut low: i64, mut high: i64) -> i64 {
    let before = offset(zone, low);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if offset(zone, middle) == before {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}
