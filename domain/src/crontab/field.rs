//! The five fields as Vixie cron reads them.

use super::yaml::is_unprintable;
use crate::schedule::Field;
use std::fmt::Write as _;

/// The fields of a line, in the order in which they stand.
pub(super) const FIELDS: [Field; 5] = [Field::Min, Field::Hour, Field::Dom, Field::Mon, Field::Dow];

/// What is wrong with a field: where in it, in characters from 0, and what was expected.
pub(super) struct FieldTrouble {
    pub(super) offset: usize,
    pub(super) message: String,
}

/// Refuses what only other crons know, by name. What is left means the same to Saltpeter, which checks the rest.
pub(super) fn check(field: Field, text: &str) -> Result<(), FieldTrouble> {
    let (low, high) = field.range();
    // Cron knows blanks and tabs alone, which are not in it; to Saltpeter the others would divide the field into two.
    let divides = |c: char| c.is_whitespace() || is_unprintable(c);
    if let Some(offset) = text.chars().position(divides) {
        let message = format!(
            "{}: {text:?} has a sign in it that only looks like a blank, or cannot be seen; write a blank, or leave it out",
            field.key()
        );
        return Err(FieldTrouble { offset, message });
    }
    let mut offset = 0;
    for item in text.split(',') {
        let trouble = |at: usize, message: String| {
            Err(FieldTrouble {
                offset: offset + at,
                message: format!("{}: {message}", field.key()),
            })
        };
        let at = |sign: &[char]| item.chars().position(|c| sign.contains(&c));
        if let Some(at) = at(&['~']) {
            return trouble(
                at,
                format!("{item:?} is a value drawn at random by cron; choose one yourself"),
            );
        }
        if let Some(at) = at(&['?', '#']) {
            return trouble(at, format!("{item:?} is none of the forms that cron has"));
        }
        if is_last_or_nearest(item) {
            return trouble(
                0,
                format!(
                    "{item:?} is none of the forms that cron has; for a month's last day or weekday see `L` in Saltpeter"
                ),
            );
        }
        if let Some((span, _)) = item.split_once('/')
            && span.bytes().all(|b| b.is_ascii_digit())
        {
            return trouble(
                0,
                format!(
                    "crons differ on {item:?}; write '{span}' or '{span}-{high}/…', or '{low}-{high}/…'"
                ),
            );
        }
        offset += item.chars().count() + 1;
    }
    Ok(())
}

fn is_last_or_nearest(item: &str) -> bool {
    let rest = item.trim_matches(['L', 'l', 'W', 'w']);
    rest.len() != item.len() && rest.bytes().all(|b| b.is_ascii_digit())
}

/// Whether either of the two days is enough: so it is in Vixie cron unless a field *begins* with `*`.
pub(super) fn either_day_is_enough(dom: &str, dow: &str) -> bool {
    !dom.starts_with('*') && !dow.starts_with('*')
}

/// The days of the month that `dom` leaves out, as a field; `None` when it has all of them.
pub(super) fn other_days(dom: &str) -> Option<String> {
    let set = crate::schedule::days_of_month(dom)?;
    let mut text = String::new();
    let mut day = 1;
    while day <= 31 {
        if set.contains(&day) {
            day += 1;
            continue;
        }
        let first = day;
        while day < 31 && !set.contains(&(day + 1)) {
            day += 1;
        }
        let comma = if text.is_empty() { "" } else { "," };
        // Writing into a String cannot fail.
        let _ = match day - first {
            0 => write!(text, "{comma}{first}"),
            _ => write!(text, "{comma}{first}-{day}"),
        };
        day += 1;
    }
    (!text.is_empty()).then_some(text)
}
