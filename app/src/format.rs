//! Times, lengths and amounts as people read them. Pure: "now" is an argument.

use saltpeter_protocol::UnixMillis;
use std::time::Duration;

/// A moment taken apart, in the zone `offset_minutes` east of UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Civil {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
}

fn civil(at: UnixMillis, offset_minutes: i32) -> Civil {
    let seconds = at.seconds() + i64::from(offset_minutes) * 60;
    let days = seconds.div_euclid(86_400);
    let rest = seconds.rem_euclid(86_400);
    // Days are counted from 0000-03-01, so that the leap day is the last of its year.
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    Civil {
        year: year_of_era + era * 400 + i64::from(month <= 2),
        month,
        day: day_of_year - (153 * shifted_month + 2) / 5 + 1,
        hour: rest / 3_600,
        minute: rest / 60 % 60,
        second: rest % 60,
    }
}

/// The name of a zone by its distance from UTC in minutes: `UTC`, `+02:00`.
fn zone_name(offset_minutes: i32) -> String {
    if offset_minutes == 0 {
        return "UTC".to_owned();
    }
    let sign = if offset_minutes < 0 { '-' } else { '+' };
    let minutes = offset_minutes.unsigned_abs();
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

/// Date and time with the zone: `2026-11-23 14:02:07 UTC`.
pub fn absolute(at: UnixMillis, offset_minutes: i32) -> String {
    let c = civil(at, offset_minutes);
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02} {}",
        c.year,
        c.month,
        c.day,
        c.hour,
        c.minute,
        c.second,
        zone_name(offset_minutes)
    )
}

/// The same for machines: `2026-11-23T14:02:07Z`.
pub fn iso(at: UnixMillis) -> String {
    let c = civil(at, 0);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        c.year, c.month, c.day, c.hour, c.minute, c.second
    )
}

/// Time of day with the zone, for the clock: `14:02:07 UTC`.
pub fn clock(at: UnixMillis, offset_minutes: i32) -> String {
    let c = civil(at, offset_minutes);
    format!(
        "{:02}:{:02}:{:02} {}",
        c.hour,
        c.minute,
        c.second,
        zone_name(offset_minutes)
    )
}

/// Time of day to the millisecond, for a line of output: `14:02:07.041`.
pub fn clock_millis(at: UnixMillis, offset_minutes: i32) -> String {
    let c = civil(at, offset_minutes);
    format!(
        "{:02}:{:02}:{:02}.{:03}",
        c.hour,
        c.minute,
        c.second,
        at.0.rem_euclid(1000)
    )
}

/// How far `at` is from `now`, in the one unit that matters: `3 min ago`, `in 11 h`, `now`.
pub fn relative(at: UnixMillis, now: UnixMillis) -> String {
    let seconds = (now.0 - at.0).div_euclid(1000);
    let amount = coarse(seconds.unsigned_abs());
    match seconds {
        -1..=0 => "now".to_owned(),
        1.. => format!("{amount} ago"),
        _ => format!("in {amount}"),
    }
}

fn coarse(seconds: u64) -> String {
    match seconds {
        0..=59 => format!("{seconds} s"),
        60..=3_599 => format!("{} min", seconds / 60),
        3_600..=172_799 => format!("{} h", seconds / 3_600),
        172_800..=63_071_999 => format!("{} d", seconds / 86_400),
        _ => format!("{} y", seconds / 31_536_000),
    }
}

/// A length of time in at most two units: `0.42 s`, `3 min 4 s`, `2 h 5 min`.
pub fn duration(length: Duration) -> String {
    let seconds = length.as_secs();
    match seconds {
        0..=9 => {
            let hundredths = length.as_millis() / 10;
            format!("{}.{:02} s", hundredths / 100, hundredths % 100)
        }
        10..=59 => format!("{seconds} s"),
        60..=3_599 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..=86_399 => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

/// A whole number with its thousands set apart: `1,234,567`.
pub fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// An amount with its noun: `1 machine`, `812 machines`.
pub fn amount(value: u64, noun: &str) -> String {
    let plural = if value == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", number(value))
}

/// A decimal number with two digits behind the point, for where the browser is to read it: `-3.50`.
///
/// The standard library's way writes any number exactly, and is much code to download for that.
pub fn decimal(value: f64) -> String {
    let hundredths = (value * 100.0).round() as i64;
    let sign = if hundredths < 0 { "-" } else { "" };
    let hundredths = hundredths.unsigned_abs();
    format!("{sign}{}.{:02}", hundredths / 100, hundredths % 100)
}

/// A length in the style sheet's terms: `36.00px`.
pub fn pixels(value: f64) -> String {
    format!("{}px", decimal(value))
}

/// A size: `812 B`, `1.4 MB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    // Tenths of the unit, rounded.
    let mut tenths = (bytes + 50) / 100;
    let mut unit = 0;
    while tenths >= 10_000 && unit + 1 < UNITS.len() {
        tenths = (tenths + 500) / 1000;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

/// The words that the server's messages begin with, where they do not begin with a name.
const OPENINGS: &[&str] = &[
    "a", "an", "global", "it", "its", "job", "log", "no", "nobody", "nothing", "only", "that",
    "the", "there", "this", "too", "what", "you",
];

/// A message of the server, which begins as it would after a colon, where it stands alone: with a capital. A name at its
/// beginning, of a file or of a person, stays as it is.
pub fn sentence(mut message: String) -> String {
    let word = message.split(' ').next().unwrap_or_default();
    if OPENINGS.contains(&word)
        && let Some(first) = message.get_mut(..1)
    {
        first.make_ascii_uppercase();
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: UnixMillis = UnixMillis(1_795_435_327_041);

    #[test]
    fn a_message_that_stands_alone_begins_with_a_capital_and_a_name_stays_as_it_is() {
        for (message, alone) in [
            ("there is no job a in /etc", "There is no job a in /etc"),
            ("a name is missing", "A name is missing"),
            ("log in first; programs …", "Log in first; programs …"),
            (
                "../../etc/passwd cannot be read",
                "../../etc/passwd cannot be read",
            ),
            ("web.yaml: 7 jobs", "web.yaml: 7 jobs"),
            ("the.yaml is away", "the.yaml is away"),
            ("mia is in no group", "mia is in no group"),
            ("ß", "ß"),
            ("", ""),
        ] {
            assert_eq!(sentence(message.to_owned()), alone);
        }
    }

    #[test]
    fn dates_are_right_around_leap_days_and_the_epoch() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(iso(UnixMillis::from_seconds(seconds)), text);
        }
    }

    #[test]
    fn absolute_times_name_their_zone() {
        assert_eq!(absolute(NOON, 0), "2026-11-23 12:02:07 UTC");
        assert_eq!(absolute(NOON, 120), "2026-11-23 14:02:07 +02:00");
        assert_eq!(absolute(NOON, -210), "2026-11-23 08:32:07 -03:30");
        assert_eq!(clock(NOON, 0), "12:02:07 UTC");
        assert_eq!(clock_millis(NOON, 0), "12:02:07.041");
    }

    /// A browser test holds `public/plain.js` to the same file.
    #[test]
    fn times_are_as_the_pages_without_wasm_write_them() {
        #[derive(serde::Deserialize)]
        struct Written {
            zone: String,
            at: UnixMillis,
            offset: i32,
            absolute: String,
            clock: String,
        }
        let written = include_str!("../tests/golden/times.json");
        let written: Vec<Written> = serde_json::from_str(written).unwrap();
        for time in written {
            assert_eq!(
                absolute(time.at, time.offset),
                time.absolute,
                "{}",
                time.zone
            );
            assert_eq!(clock(time.at, time.offset), time.clock, "{}", time.zone);
        }
    }

    #[test]
    fn relative_times_use_one_unit() {
        let ago = |seconds: i64| relative(UnixMillis(NOON.0 - seconds * 1000), NOON);
        assert_eq!(ago(0), "now");
        assert_eq!(ago(9), "9 s ago");
        assert_eq!(ago(200), "3 min ago");
        assert_eq!(ago(7_300), "2 h ago");
        assert_eq!(ago(90_000), "25 h ago");
        assert_eq!(ago(200_000), "2 d ago");
        assert_eq!(ago(-40_000), "in 11 h");
        assert_eq!(ago(-5), "in 5 s");
    }

    #[test]
    fn durations_use_two_units() {
        let of = |millis| duration(Duration::from_millis(millis));
        assert_eq!(of(421), "0.42 s");
        assert_eq!(of(12_900), "12 s");
        assert_eq!(of(184_000), "3 min 4 s");
        assert_eq!(of(7_500_000), "2 h 5 min");
        assert_eq!(of(200_000_000), "2 d 7 h");
    }

    #[test]
    fn amounts_are_readable() {
        assert_eq!(number(0), "0");
        assert_eq!(number(999), "999");
        assert_eq!(number(1_234_567), "1,234,567");
        assert_eq!(amount(1, "machine"), "1 machine");
        assert_eq!(amount(812, "machine"), "812 machines");
        assert_eq!(size(812), "812 B");
        assert_eq!(size(1_400_000), "1.4 MB");
        assert_eq!(size(999_960), "1.0 MB");
        assert_eq!(size(3_250_000_000_000), "3.3 TB");
        assert_eq!(decimal(12.345), "12.35");
        assert_eq!(decimal(-0.05), "-0.05");
        assert_eq!(pixels(36.0), "36.00px");
    }
}
