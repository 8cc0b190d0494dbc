//! When a job fires: seven cron fields, the zone they are read in, and the rule for changing clocks.

mod dst;
mod fields;
mod report;
mod words;

pub use fields::Field;
pub use report::{DstNote, NextTimes, Occurrence};

use chrono_tz::Tz;
use fields::{Fields, Parsed, parse_field};
use saltpeter_protocol::UnixMillis;

/// A schedule: cron fields and the zone they are read in.
///
/// Day of the month and day of the week must **both** match. Fire times are whole seconds of the years 1970 to 2099.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    expression: String,
    fields: Fields,
    zone: Zone,
}

/// The zone a schedule is read in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// The one the job names (`timezone`, or UTC for `utc: true`).
    Named(Tz),
    /// The global one, given when it is needed.
    Default,
}

/// Why an expression is not a schedule. The message is for the person who wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ScheduleError {
    /// The field that is wrong; `None` when it is the expression as a whole.
    pub field: Option<Field>,
    /// Where in the expression (or, from [`Schedule::from_fields`], in the field's text), in characters from 0.
    pub offset: usize,
    /// What is wrong and what was expected.
    pub message: String,
}

const ALIASES: [(&str, &str); 8] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
    ("@minutely", "* * * * *"),
];

impl Schedule {
    /// Reads an expression of 5 fields (min hour dom mon dow), 6 (sec first), 7 (sec first, year last), or an alias
    /// such as `@daily`. The error is the first one.
    pub fn parse(expression: &str, zone: Zone) -> Result<Self, ScheduleError> {
        Self::parse_all(expression, zone).map_err(|mut errors| errors.swap_remove(0))
    }

    /// As [`Schedule::parse`], with every wrong field reported; there is at least one error.
    pub fn parse_all(expression: &str, zone: Zone) -> Result<Self, Vec<ScheduleError>> {
        let whole = |message: String| {
            vec![ScheduleError {
                field: None,
                offset: 0,
                message,
            }]
        };
        let expression = expression.trim();
        let spelled = if expression.starts_with('@') {
            let alias = ALIASES
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(expression));
            let (_, spelled) = alias.ok_or_else(|| {
                let known: Vec<&str> = ALIASES.iter().map(|(name, _)| *name).collect();
                whole(format!(
                    "{expression:?} is no known alias; there are {}",
                    known.join(", ")
                ))
            })?;
            *spelled
        } else {
            expression
        };
        let words: Vec<&str> = spelled.split_whitespace().collect();
        let texts: [&str; 7] = match *words.as_slice() {
            [min, hour, dom, mon, dow] => ["0", min, hour, dom, mon, dow, "*"],
            [sec, min, hour, dom, mon, dow] => [sec, min, hour, dom, mon, dow, "*"],
            [sec, min, hour, dom, mon, dow, year] => [sec, min, hour, dom, mon, dow, year],
            _ => {
                return Err(whole(format!(
                    "a schedule has 5 fields (min hour dom mon dow), 6 (sec first) or 7 (sec first, year last), not {}",
                    words.len()
                )));
            }
        };
        let fields = read_fields(texts).map_err(|mut errors| {
            // From the place in the field to the place in the expression.
            for error in &mut errors {
                if let Some(field) = error.field {
                    let start = texts[field as usize].as_ptr() as usize - spelled.as_ptr() as usize;
                    error.offset += spelled
                        .get(..start)
                        .map_or(0, |before| before.chars().count());
                }
            }
            errors
        })?;
        Ok(Self {
            expression: expression.to_owned(),
            fields,
            zone,
        })
    }

    /// Reads the texts of the seven fields in the order of [`Field::ALL`]. All wrong fields are reported.
    pub fn from_fields(texts: [&str; 7], zone: Zone) -> Result<Self, Vec<ScheduleError>> {
        let fields = read_fields(texts)?;
        Ok(Self {
            expression: texts.join(" "),
            fields,
            zone,
        })
    }

    /// The expression as written, or the seven fields.
    pub fn expression(&self) -> &str {
        &self.expression
    }

    /// Whether the job names its zone itself.
    pub fn written_zone(&self) -> Zone {
        self.zone
    }

    /// The zone it is read in, where schedules that name none are read in `default`.
    pub fn zone(&self, default: Tz) -> Tz {
        match self.zone {
            Zone::Named(zone) => zone,
            Zone::Default => default,
        }
    }

    /// The first fire time after `after`, a whole second; `None` when there is none up to the end of 2099.
    pub fn next_after(&self, after: UnixMillis, default: Tz) -> Option<UnixMillis> {
        dst::next_after(&self.fields, self.zone(default), after.seconds())
            .map(UnixMillis::from_seconds)
    }

    /// The fire times after `after`, in order.
    pub fn after(&self, after: UnixMillis, default: Tz) -> impl Iterator<Item = UnixMillis> + '_ {
        std::iter::successors(self.next_after(after, default), move |&last| {
            self.next_after(last, default)
        })
    }

    /// Whether it fires at all in the years 1970 to 2099: `0 0 30 2 *` never does.
    pub fn ever_fires(&self) -> bool {
        self.fields
            .next_at_or_after(chrono::NaiveDateTime::MIN)
            .is_some()
    }

    /// The schedule in plain words where it has a simple shape ("02:00 daily"), else its expression.
    pub fn words(&self) -> String {
        words::words(&self.fields).unwrap_or_else(|| self.expression.clone())
    }
}

fn read_fields(texts: [&str; 7]) -> Result<Fields, Vec<ScheduleError>> {
    let mut errors = Vec::new();
    let mut parsed = [Parsed::default(); 7];
    for ((field, text), slot) in Field::ALL.into_iter().zip(texts).zip(&mut parsed) {
        match parse_field(field, text) {
            Ok(value) => *slot = value,
            Err(error) => errors.push(ScheduleError {
                field: Some(field),
                offset: error.offset,
                message: error.message,
            }),
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let [sec, min, hour, dom, mon, dow, year] = parsed;
    Ok(Fields {
        sec,
        min,
        hour,
        dom,
        mon,
        dow,
        year,
    })
}

/// The zone of an IANA name such as `Europe/Berlin`. The error names the nearest one.
pub fn parse_zone(name: &str) -> Result<Tz, String> {
    if let Ok(zone) = name.parse() {
        return Ok(zone);
    }
    let nearest =
        crate::config::nearest(name, chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()));
    let hint = nearest.map_or(String::new(), |near| format!("; did you mean {near:?}?"));
    Err(format!(
        "{name:?} is not the name of a time zone, such as \"Europe/Berlin\"{hint}"
    ))
}

/// The days of the month that the text of a `dom` field names; `None` when it is not a valid one.
pub(crate) fn days_of_month(text: &str) -> Option<Vec<u32>> {
    Some(parse_field(Field::Dom, text).ok()?.set.members())
}
