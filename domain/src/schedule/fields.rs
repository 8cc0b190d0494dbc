//! The seven cron fields: how they are read, and which wall-clock times they name.
//!
//! Sets of bits, not a pattern interpreted at each step: a schedule takes under 100 bytes and finds its next time in
//! well under a microsecond, which matters when ten thousand of them are loaded. The tests compare the results with `croner`.

use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime, Timelike};

/// One of the seven cron fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// Second.
    Sec,
    /// Minute.
    Min,
    /// Hour.
    Hour,
    /// Day of the month.
    Dom,
    /// Month.
    Mon,
    /// Day of the week.
    Dow,
    /// Year.
    Year,
}

pub(crate) const FIRST_YEAR: u32 = 1970;
pub(crate) const LAST_YEAR: u32 = 2099;

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

impl Field {
    /// All of them in the order of the seven-field form.
    pub const ALL: [Self; 7] = [
        Self::Sec,
        Self::Min,
        Self::Hour,
        Self::Dom,
        Self::Mon,
        Self::Dow,
        Self::Year,
    ];

    /// Its key in a job.
    pub fn key(self) -> &'static str {
        match self {
            Self::Sec => "sec",
            Self::Min => "min",
            Self::Hour => "hour",
            Self::Dom => "dom",
            Self::Mon => "mon",
            Self::Dow => "dow",
            Self::Year => "year",
        }
    }

    /// Least and greatest value.
    pub fn range(self) -> (u32, u32) {
        match self {
            Self::Sec | Self::Min => (0, 59),
            Self::Hour => (0, 23),
            Self::Dom => (1, 31),
            Self::Mon => (1, 12),
            Self::Dow => (0, 7),
            Self::Year => (FIRST_YEAR, LAST_YEAR),
        }
    }

    fn names(self) -> (&'static [&'static str], u32) {
        match self {
            Self::Mon => (&MONTHS, 1),
            Self::Dow => (&WEEKDAYS, 0),
            _ => (&[], 0),
        }
    }
}

/// What is wrong with a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FieldError {
    /// Where in the field's text, in characters.
    pub(crate) offset: usize,
    pub(crate) message: String,
}

/// A set of values of a field: bit n is value n, for years n counts from 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Set([u64; 3]);

impl Set {
    fn insert(&mut self, bit: u32) {
        self.0[(bit / 64) as usize] |= 1 << (bit % 64);
    }

    pub(crate) fn has(self, bit: u32) -> bool {
        self.0
            .get((bit / 64) as usize)
            .is_some_and(|word| word >> (bit % 64) & 1 == 1)
    }

    /// The first member not less than `bit`, below 64.
    fn next_small(self, bit: u32) -> Option<u32> {
        let rest = if bit < 64 { self.0[0] >> bit << bit } else { 0 };
        (rest != 0).then(|| rest.trailing_zeros())
    }

    pub(crate) fn len(self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    pub(crate) fn members(self) -> Vec<u32> {
        (0..192).filter(|&bit| self.has(bit)).collect()
    }
}

/// A field as read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Parsed {
    pub(crate) set: Set,
    /// Days of the week whose last one in the month is meant (`L5`); for the day of the month bit 0: its last.
    pub(crate) last: Set,
    /// Whether an item begins with `*` or `?`: what Vixie cron takes for a wildcard.
    pub(crate) star: bool,
}

/// Reads the text of one field.
pub(crate) fn parse_field(field: Field, text: &str) -> Result<Parsed, FieldError> {
    if text.trim().is_empty() {
        return Err(FieldError {
            offset: 0,
            message: format!("{}: is empty; '*' means every", field.key()),
        });
    }
    let mut parsed = Parsed::default();
    let mut offset = 0;
    for item in text.split(',') {
        parse_item(field, item, &mut parsed).map_err(|problem| FieldError {
            offset,
            message: format!("{}: {problem}", field.key()),
        })?;
        offset += item.chars().count() + 1;
    }
    Ok(parsed)
}

fn parse_item(field: Field, item: &str, parsed: &mut Parsed) -> Result<(), String> {
    if item.is_empty() {
        return Err("there is a comma too many".to_owned());
    }
    if item.contains(char::is_whitespace) {
        return Err(format!("{item:?} has a space in it"));
    }
    let (low, high) = field.range();
    let (span, step) = match item.split_once('/') {
        Some((span, step)) => (span, Some(step)),
        None => (item, None),
    };
    let step = match step {
        None => 1,
        Some(text) => match text.parse::<u32>() {
            Ok(0) => return Err(format!("the step in {item:?} is 0; it must be at least 1")),
            Ok(step) => step,
            Err(_) => return Err(format!("the step in {item:?} is not a number")),
        },
    };
    if item.contains('/') && !(span == "*" || span.contains('-')) {
        return Err(format!(
            "the step in {item:?} needs '*' or a range before it, such as '{low}-{high}/{step}'"
        ));
    }
    let (from, to) = match span {
        "*" => {
            parsed.star = true;
            (low, if field == Field::Dow { 6 } else { high })
        }
        "?" if matches!(field, Field::Dom | Field::Dow) => {
            parsed.star = true;
            (low, if field == Field::Dow { 6 } else { high })
        }
        "?" => return Err("'?' has a meaning in dom and dow only".to_owned()),
        _ if span.contains(['L', 'l']) && parse_last(field, span, parsed)? => return Ok(()),
        _ => match span.split_once('-') {
            Some((from, to)) if !from.is_empty() => {
                let from = value(field, from)?;
                let mut to = value(field, to)?;
                // `sat-sun` and `5-0` end on Sunday.
                if field == Field::Dow
                    && to == 0
                    && from > 0
                    && span.ends_with(|c: char| c.is_alphabetic())
                {
                    to = 7;
                }
                if from > to {
                    let range = |from, to| {
                        if from == to {
                            format!("{from}")
                        } else {
                            format!("{from}-{to}")
                        }
                    };
                    let two = format!("{},{}", range(from, high), range(low, to));
                    return Err(format!(
                        "the range {span:?} runs backwards; write it as '{two}'"
                    ));
                }
                (from, to)
            }
            _ => {
                let one = value(field, span)?;
                (one, one)
            }
        },
    };
    for value in (from..=to).step_by(step as usize) {
        parsed.set.insert(match field {
            Field::Year => value - FIRST_YEAR,
            Field::Dow => value % 7,
            _ => value,
        });
    }
    Ok(())
}

/// `L` in dom, `L5` or `5L` in dow. False when `span` only looked like it (`jul`).
fn parse_last(field: Field, span: &str, parsed: &mut Parsed) -> Result<bool, String> {
    let strip = |text: &str| {
        let text = text
            .strip_prefix(['L', 'l'])
            .or_else(|| text.strip_suffix(['L', 'l']))?;
        Some(text.to_owned())
    };
    match field {
        Field::Dom if span.eq_ignore_ascii_case("l") => {
            parsed.last.insert(0);
            Ok(true)
        }
        Field::Dow => match strip(span) {
            Some(day) if day.is_empty() => {
                Err("'L' needs a day beside it: 'L5' is the last Friday".to_owned())
            }
            Some(day) => {
                parsed.last.insert(value(field, &day)? % 7);
                Ok(true)
            }
            None => Ok(false),
        },
        _ => Ok(false),
    }
}

fn value(field: Field, text: &str) -> Result<u32, String> {
    let (low, high) = field.range();
    let (names, base) = field.names();
    if let Some(index) = names
        .iter()
        .position(|name| name.eq_ignore_ascii_case(text))
    {
        return Ok(index as u32 + base);
    }
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        let or_name = names
            .first()
            .map_or(String::new(), |name| format!(" or a name such as '{name}'"));
        return Err(format!("{text:?} is not a number {low}–{high}{or_name}"));
    }
    match text.parse::<u32>() {
        Ok(value) if (low..=high).contains(&value) => Ok(value),
        _ => Err(format!("{text} is out of range {low}–{high}")),
    }
}

/// The wall-clock times that seven fields name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fields {
    pub(crate) sec: Parsed,
    pub(crate) min: Parsed,
    pub(crate) hour: Parsed,
    pub(crate) dom: Parsed,
    pub(crate) mon: Parsed,
    pub(crate) dow: Parsed,
    pub(crate) year: Parsed,
}

impl Fields {
    /// Whether the fields name fixed times of the day. Otherwise they are a wildcard or an interval, which
    /// follows elapsed time over a change of the clock. As in Vixie cron: no `*` in hour, minute or second.
    pub(crate) fn is_fixed_time(&self) -> bool {
        let every = |parsed: &Parsed, count| parsed.star || parsed.set.len() == count;
        !(every(&self.sec, 60) || every(&self.min, 60) || every(&self.hour, 24))
    }

    fn matches_day(&self, date: NaiveDate) -> bool {
        let weekday = date.weekday().num_days_from_sunday();
        let days = days_in_month(date);
        let dom = self.dom.set.has(date.day()) || (self.dom.last.has(0) && date.day() == days);
        let dow =
            self.dow.set.has(weekday) || (self.dow.last.has(weekday) && date.day() + 7 > days);
        dom && dow
    }

    /// Whether the wall clock at `time` is one of the times.
    pub(crate) fn matches(&self, time: NaiveDateTime) -> bool {
        let year = u32::try_from(time.year())
            .ok()
            .and_then(|year| year.checked_sub(FIRST_YEAR));
        year.is_some_and(|year| self.year.set.has(year))
            && self.mon.set.has(time.month())
            && self.matches_day(time.date())
            && self.hour.set.has(time.hour())
            && self.min.set.has(time.minute())
            && self.sec.set.has(time.second())
    }

    /// The first of the times that is not before `from`.
    pub(crate) fn next_at_or_after(&self, from: NaiveDateTime) -> Option<NaiveDateTime> {
        let first = NaiveDate::from_ymd_opt(FIRST_YEAR as i32, 1, 1)?;
        let (mut date, mut floor) = if from.date() < first {
            (first, (0, 0, 0))
        } else {
            (from.date(), (from.hour(), from.minute(), from.second()))
        };
        loop {
            let year = u32::try_from(date.year()).ok()?;
            if year > LAST_YEAR {
                return None;
            }
            let next = if !self.year.set.has(year - FIRST_YEAR) {
                NaiveDate::from_ymd_opt(date.year() + 1, 1, 1)?
            } else if !self.mon.set.has(date.month()) {
                first_of_next_month(date)?
            } else {
                if self.matches_day(date)
                    && let Some((hour, min, sec)) = self.next_time(floor)
                {
                    return Some(date.and_time(NaiveTime::from_hms_opt(hour, min, sec)?));
                }
                date.succ_opt()?
            };
            date = next;
            floor = (0, 0, 0);
        }
    }

    /// The first of the times of day that is not before `(hour, min, sec)`.
    fn next_time(&self, (hour, min, sec): (u32, u32, u32)) -> Option<(u32, u32, u32)> {
        let (hours, mins, secs) = (self.hour.set, self.min.set, self.sec.set);
        let (first_min, first_sec) = (mins.next_small(0)?, secs.next_small(0)?);
        if hours.has(hour) {
            if mins.has(min)
                && let Some(sec) = secs.next_small(sec)
            {
                return Some((hour, min, sec));
            }
            if let Some(min) = mins.next_small(min + 1) {
                return Some((hour, min, first_sec));
            }
        }
        Some((hours.next_small(hour + 1)?, first_min, first_sec))
    }
}

fn first_of_next_month(date: NaiveDate) -> Option<NaiveDate> {
    match date.month() {
        12 => NaiveDate::from_ymd_opt(date.year() + 1, 1, 1),
        month => NaiveDate::from_ymd_opt(date.year(), month + 1, 1),
    }
}

fn days_in_month(date: NaiveDate) -> u32 {
    first_of_next_month(date)
        .and_then(|next| next.pred_opt())
        .map_or(31, |last| last.day())
}
