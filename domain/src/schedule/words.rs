//! Schedules in plain words.

use super::fields::{Fields, Parsed, Set};

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

/// `fields` in plain words; `None` when they have no simple shape.
pub(super) fn words(fields: &Fields) -> Option<String> {
    if !is_every(fields.year, 130) {
        return None;
    }
    let day = day(fields)?;
    let (time, is_interval) = time(fields)?;
    Some(match (day.as_str(), is_interval) {
        ("", true) => time,
        ("", false) => format!("{time} daily"),
        (day, true) => format!("{time}, {day}"),
        (day, false) => format!("{day} {time}"),
    })
}

fn is_every(parsed: Parsed, count: u32) -> bool {
    parsed.set.len() == count
}

/// The days: empty when it is every day.
fn day(fields: &Fields) -> Option<String> {
    let every_dom = is_every(fields.dom, 31);
    let every_dow = is_every(fields.dow, 7);
    let every_mon = is_every(fields.mon, 12);
    let months = || {
        fields
            .mon
            .set
            .members()
            .iter()
            .map(|&mon| MONTHS[mon as usize - 1])
            .collect::<Vec<_>>()
            .join(", ")
    };
    match (every_dom, every_dow) {
        (true, true) if every_mon => Some(String::new()),
        (true, true) => Some(format!("in {}", months())),
        (true, false) => {
            let days = weekdays(fields.dow)?;
            Some(if every_mon {
                days
            } else {
                format!("{days} in {}", months())
            })
        }
        (false, true) => {
            let (count, last) = (fields.dom.set.len(), fields.dom.last.has(0));
            let day = match (count, last) {
                (0, true) => "last day".to_owned(),
                (1, false) => ordinal(fields.dom.set.members()[0]),
                _ => return None,
            };
            Some(if every_mon {
                format!("{day} of the month")
            } else {
                format!("{day} of {}", months())
            })
        }
        (false, false) => None,
    }
}

fn weekdays(dow: Parsed) -> Option<String> {
    let name = |day: u32| WEEKDAYS[day as usize % 7];
    let last = dow.last.members();
    if dow.set.len() == 0 {
        return match last.as_slice() {
            [day] => Some(format!("last {} of the month", name(*day))),
            _ => None,
        };
    }
    if !last.is_empty() {
        return None;
    }
    // A week begins on Monday here, so that Sat–Sun is a range.
    let mut days: Vec<u32> = dow
        .set
        .members()
        .iter()
        .map(|&day| if day == 0 { 7 } else { day })
        .collect();
    days.sort_unstable();
    let (first, end) = (*days.first()?, *days.last()?);
    if days.len() > 1 && end - first + 1 == days.len() as u32 {
        Some(format!("{}–{}", name(first), name(end)))
    } else {
        Some(
            days.iter()
                .map(|&day| name(day))
                .collect::<Vec<_>>()
                .join(", "),
        )
    }
}

fn ordinal(day: u32) -> String {
    let suffix = match day {
        1 | 21 | 31 => "st",
        2 | 22 => "nd",
        3 | 23 => "rd",
        _ => "th",
    };
    format!("{day}{suffix}")
}

/// The time of day, and whether it is an interval.
fn time(fields: &Fields) -> Option<(String, bool)> {
    let (sec, min, hour) = (fields.sec.set, fields.min.set, fields.hour.set);
    let (every_min, every_hour) = (min.len() == 60, hour.len() == 24);
    if every_min && every_hour && sec.len() > 1 {
        return match interval(sec, 60)? {
            1 => Some(("every second".to_owned(), true)),
            step => Some((format!("every {step} s"), true)),
        };
    }
    if sec.members() != [0] {
        return match (one(sec), one(min), one(hour)) {
            (Some(sec), Some(min), Some(hour)) => {
                Some((format!("{hour:02}:{min:02}:{sec:02}"), false))
            }
            _ => None,
        };
    }
    if every_hour {
        return match (interval(min, 60), one(min)) {
            (Some(1), _) => Some(("every minute".to_owned(), true)),
            (Some(step), _) => Some((format!("every {step} min"), true)),
            (None, Some(0)) => Some(("every hour".to_owned(), true)),
            (None, Some(min)) => Some((format!("every hour at :{min:02}"), true)),
            _ => None,
        };
    }
    if let (Some(min), Some(step)) = (one(min), interval(hour, 24)) {
        let at = if min == 0 {
            String::new()
        } else {
            format!(" at :{min:02}")
        };
        return Some((format!("every {step} h{at}"), true));
    }
    if hour.len() * min.len() <= 4 {
        let mut times = Vec::new();
        for hour in hour.members() {
            times.extend(
                min.members()
                    .iter()
                    .map(|min| format!("{hour:02}:{min:02}")),
            );
        }
        return Some((times.join(", "), false));
    }
    None
}

fn one(set: Set) -> Option<u32> {
    match set.members().as_slice() {
        [only] => Some(*only),
        _ => None,
    }
}

/// The step of a set that divides the range of `size` values evenly from 0; `None` for any other, and for one
/// value alone.
fn interval(set: Set, size: u32) -> Option<u32> {
    let count = set.len();
    if count < 2 || !size.is_multiple_of(count) {
        return None;
    }
    let step = size / count;
    set.members()
        .iter()
        .all(|value| value.is_multiple_of(step))
        .then_some(step)
}
